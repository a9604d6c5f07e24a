"""The one visual language: colour a family, marker and line an entry, how numbers, units and foreign text are written.

Colours are Okabe and Ito's set for colour-blind readers (Wong 2011, Nature Methods 8:441). Nothing is told by hue alone:
entries of one family differ by marker and line style, badges by word and shape.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paragone.bench.records import REFERENCE

FAMILY_COLOURS: Mapping[str, str] = {
    "autoregressive": "#E69F00",
    "autoencoder": "#56B4E9",
    "gan": "#D55E00",
    "diffusion": "#0072B2",
    "flow": "#009E73",
    "hybrid": "#CC79A7",
}
REFERENCE_COLOUR = "#8A8F98"
FAMILY_LABELS: Mapping[str, str] = {"gan": "GAN"}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
LINES = ("-", "--", "-.", ":")

THIN = "\u202f"
"""A thin space at which no line breaks."""
MINUS = "\u2212"
DASH = "\u2013"
MISSING = "\u2014"

_UNITS_OF_TIME = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns"))
_UNIT_SIZE = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
_PREFIXES = (
    (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"),
)  # fmt: skip
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_SPACES = re.compile(r"[^\S\u202f]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Look:
    """How one entry is drawn, the same in every figure, table and badge."""

    colour: str
    marker: str
    line: str


def looks(entries: Sequence[tuple[str, str]]) -> dict[str, Look]:
    """Entries as (entry, family) to their looks: the family gives the colour, the place within it marker and line."""
    result: dict[str, Look] = {}
    for family in sorted({family for _, family in entries}):
        colour = family_colour(family)
        for place, entry in enumerate(sorted({entry for entry, own in entries if own == family})):
            result[entry] = Look(colour, MARKERS[place % len(MARKERS)], LINES[place % len(LINES)])
    return result


def family_colour(family: str) -> str:
    """Colour of a family; grey for references and for families that this version does not know."""
    return FAMILY_COLOURS.get(family, REFERENCE_COLOUR)


def family_label(family: str) -> str:
    """A family's name as written in a sentence."""
    return FAMILY_LABELS.get(family, family)


def order_of(family: str) -> tuple[int, str]:
    """Sort key: the document's order of families, then those unknown, then references."""
    names = list(FAMILY_COLOURS)
    return (names.index(family) if family in names else len(names) + (family == REFERENCE), family)


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits and thin spaces in thousands; an em dash where there is none.

    >>> number(0.0123456), number(1234567.0).replace(THIN, " "), number(None)
    ('0.0123', '1 230 000', '—')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return f"{MINUS if value < 0 else ''}∞"
    if value == 0:
        return "0"
    sign, rounded = MINUS if value < 0 else "", float(f"{abs(value):.{digits - 1}e}")
    exponent = math.floor(math.log10(rounded))
    if exponent < -4 or exponent >= 15:
        mantissa = f"{rounded / 10.0**exponent:.{digits - 1}f}"
        return f"{sign}{mantissa}·10{_superscript(exponent)}"
    return sign + f"{rounded:,.{max(0, digits - 1 - exponent)}f}".replace(",", THIN)


def count(value: float | None) -> str:
    """A whole number in full, with thin spaces in thousands."""
    if value is None or math.isnan(value):
        return MISSING
    return (MINUS if value < 0 else "") + f"{round(abs(value)):,}".replace(",", THIN)


def entry_name(name: str, limit: int) -> str:
    """An entry's name in at most `limit` characters, of which the sampler's, which tells entries apart, are kept.

    >>> entry_name("progressive-distillation/pd-8", 20), entry_name("ddpm/ddim-50", 20)
    ('progressive-dis…/pd-8', 'ddpm/ddim-50')
    """
    contender, slash, sampler = name.partition("/")
    room = limit - len(sampler) - 1
    if len(name) <= limit or not slash or room < 3:
        return line(name, limit)
    return f"{line(contender, room)}/{line(sampler, limit)}"


def interval(low: float | None, high: float | None, factor: float = 1.0) -> str:
    """`[low, high]`, or nothing where there is no interval."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f"[{number(low * factor)}, {number(high * factor)}]"


def seconds(value: float | None) -> str:
    """A duration in the unit that suits it: `2.13 ms`, `6.00 s`; from a minute on as `4 min 31 s`.

    >>> seconds(0.00213).replace(THIN, " "), seconds(271.0).replace(THIN, " ")
    ('2.13 ms', '4 min 31 s')
    """
    if value is None or math.isnan(value):
        return MISSING
    if abs(value) >= 3570:
        hours, minutes = divmod(round(value / 60), 60)
        return f"{hours}{THIN}h {minutes}{THIN}min"
    if abs(value) >= 59.95:
        minutes, rest = divmod(round(value), 60)
        return f"{minutes}{THIN}min {rest}{THIN}s"
    if value == 0:
        return f"0{THIN}s"
    unit = time_unit([value])
    return f"{number(value / _UNIT_SIZE[unit])}{THIN}{unit}"


def time_unit(values: Sequence[float], least: float = 1.0) -> str:
    """The unit of time, from seconds down, in which the smallest of a column's values is at least `least`."""
    smallest = min((abs(value) for value in values if value and math.isfinite(value)), default=1.0)
    return next(unit for size, unit in _UNITS_OF_TIME[3:] if smallest >= least * size * 0.9995)


def unit_size(unit: str) -> float:
    """Seconds in one `d`, `h`, `min`, `s`, `ms`, `µs` or `ns`."""
    return _UNIT_SIZE[unit]


def limit(value: float) -> str:
    """A round duration, such as a limit, without the zeros that measurements carry: `10 ms`."""
    unit = time_unit([value])
    return f"{value / _UNIT_SIZE[unit]:g}{THIN}{unit}"


def si_unit(values: Sequence[float], unit: str, least: float = 0.1) -> tuple[str, float]:
    """A unit with the prefix in which the smallest of a column's values is at least `least`, and its size in plain units.

    >>> si_unit([3.2e12, 5e14], "flop"), si_unit([0.004], "J")
    (('Tflop', 1000000000000.0), ('mJ', 0.001))
    """
    smallest = min((abs(value) for value in values if value and math.isfinite(value)), default=1.0)
    size, prefix = next(((size, p) for size, p in _PREFIXES if smallest >= least * size * 0.9995), _PREFIXES[-1])
    return prefix + unit, size


def scaled(value: float | None, unit: str) -> str:
    """A quantity with the prefix that suits it: `3.20 Tflop`, `41.0 mJ`."""
    if value is None or math.isnan(value):
        return MISSING
    name, size = si_unit([value], unit, 1.0)
    return f"{number(value / size)}{THIN}{name}"


def megabytes(value: float | None) -> str:
    """Bytes as MB (10^6 bytes)."""
    return MISSING if value is None or math.isnan(value) else f"{number(value / 1e6)}{THIN}MB"


def percent(share: float | None) -> str:
    """A share as a percentage of at most two significant digits below ten, whole numbers above.

    >>> percent(0.0249).replace(THIN, " "), percent(0.418).replace(THIN, " ")
    ('2.5 %', '42 %')
    """
    if share is None or math.isnan(share):
        return MISSING
    hundred = 100.0 * share
    if hundred != 0 and abs(hundred) < 9.95:
        return f"{number(hundred, 2)}{THIN}%"
    return f"{round(hundred)}{THIN}%"


def probability(p: float | None) -> str:
    """A p-value with two significant digits, `< 0.0001` below."""
    if p is None or math.isnan(p):
        return MISSING
    return f"<{THIN}0.0001" if p < 1e-4 else f"{p:.2g}"


def rank(low: float | None, high: float | None, plain: float | None = None) -> str:
    """A rank interval: `1`, or `1–2` where the statistics cannot tell; the plain rank where there is no interval."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return MISSING if plain is None or math.isnan(plain) else str(int(plain))
    return f"{int(low)}" if low == high else f"{int(low)}{DASH}{int(high)}"


def names(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + (" and " + parts[-1] if parts else "")


def plural(amount: int, noun: str, many: str = "") -> str:
    """`1 seed`, `3 seeds`."""
    return f"{amount} {noun if amount == 1 else many or noun + 's'}"


def clean(text: object) -> str:
    """Text of others (an error, a name) without terminal escapes, control characters or reversed writing directions.

    Line breaks and tabs stay. What HTML or Markdown read as markup is escaped where it is written, not here.
    """
    return _CONTROLS.sub("", _ESCAPES.sub("", str(text).replace("\r\n", "\n").replace("\r", "\n")))


def line(text: object, limit: int = 200) -> str:
    """Foreign text as one line of at most `limit` characters; thin spaces inside numbers stay."""
    flat = _SPACES.sub(" ", clean(text)).strip()
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def _superscript(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
