"""How numbers and foreign text are written: properties that hold for all of them."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.reports import style

values = st.floats(min_value=1e-12, max_value=1e14, allow_nan=False)


def read_back(text: str) -> float:
    """The number that a person reads."""
    plain = text.replace(style.THIN, "").replace(style.MINUS, "-")
    if "·10" in plain:
        mantissa, _, power = plain.partition("·10")
        exponent = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
        return float(mantissa) * 10.0**exponent
    return float(plain)


@settings(max_examples=300, deadline=None)
@given(values, st.booleans())
def test_three_significant_digits(value: float, negative: bool):
    signed = -value if negative else value
    assert read_back(style.number(signed)) == pytest.approx(signed, rel=0.00501)


@settings(max_examples=200, deadline=None)
@given(values)
def test_as_many_digits_as_promised(value: float):
    text = style.number(value).partition("·")[0].replace(style.THIN, "").replace(".", "").lstrip("0")
    assert len(text.rstrip("0")) <= 3


@settings(max_examples=200, deadline=None)
@given(values, values)
def test_order_survives_rounding(a: float, b: float):
    low, high = sorted((a, b))
    assert read_back(style.number(low)) <= read_back(style.number(high)) * (1 + 1e-12)


@settings(max_examples=200, deadline=None)
@given(st.floats(min_value=1e-9, max_value=59.0))
def test_seconds_keep_three_digits(value: float):
    text, unit = style.seconds(value).rsplit(style.THIN, 1)
    assert read_back(text) * style.unit_size(unit) == pytest.approx(value, rel=0.00501)
    assert re.search(r"\s", style.seconds(value).replace(style.THIN, "")) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "—"), (math.nan, "—"), (0.0, "0"), (1.0, "1.00"), (0.0996, "0.0996"), (999.6, "1 000"), (-12345.0, "−12 300"),
     (1234567.0, "1 230 000"), (0.00001234, "1.23·10⁻⁵"), (math.inf, "∞")],
)  # fmt: skip
def test_numbers(value: float | None, text: str):
    assert style.number(value).replace(style.THIN, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 s"), (0.00213, "2.13 ms"), (6.0, "6.00 s"), (59.99, "1 min 0 s"), (271.0, "4 min 31 s"), (7260.0, "2 h 1 min")],
)
def test_durations(value: float, text: str):
    assert style.seconds(value).replace(style.THIN, " ") == text


def test_units_and_ranks():
    assert style.megabytes(948_700_000).replace(style.THIN, " ") == "949 MB"
    assert style.limit(0.01).replace(style.THIN, " ") == "10 ms"
    assert style.percent(0.418).replace(style.THIN, " ") == "42 %"
    assert (style.rank(1, 1), style.rank(1, 2), style.rank(math.nan, math.nan)) == ("1", "1–2", "—")
    assert style.interval(1.0, math.nan) == ""


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_foreign_text_is_clean(text: str):
    flat = style.line(text)
    assert len(flat) <= 200
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", flat)
    assert style.line(flat) == flat


def test_terminal_escapes_leave_no_rest():
    assert style.line("a\x1b[31mred\x1b[0m\x1b]0;title\x07b\r\nc") == "aredb c"


def test_entries_of_a_family_differ_by_shape_and_line():
    looks = style.looks([("vae/mean", "autoencoder"), ("vae/noise", "autoencoder"), ("dcgan", "gan"), ("mine", "own")])
    mean, noise = looks["vae/mean"], looks["vae/noise"]
    assert mean.colour == noise.colour == style.FAMILY_COLOURS["autoencoder"]
    assert mean.marker != noise.marker
    assert mean.line != noise.line
    assert looks["mine"].colour == style.REFERENCE_COLOUR
    assert len(set(style.FAMILY_COLOURS.values())) == len(style.FAMILY_COLOURS)
