"""Budgets are read or refused with words; a meter counts every axis, stands still when paused, is overrun by one update."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.budget import Budget, Meter
from paragone.bench.errors import UsageError


@pytest.mark.parametrize(
    ("text", "axis", "amount"),
    [
        ("20 s", "seconds", 20.0),
        ("1.5min", "seconds", 90.0),
        ("250 ms", "seconds", 0.25),
        ("2000 steps", "steps", 2000.0),
        ("1 step", "steps", 1.0),
        ("512k samples", "samples", 512_000.0),
        ("3e4 samples", "samples", 30_000.0),
        ("2M samples", "samples", 2e6),
        ("3e12 flops", "flops", 3e12),
        ("3T flops", "flops", 3e12),
        ("200 J", "joules", 200.0),
        ("1.5 kJ", "joules", 1500.0),
        ("0.5 J", "joules", 0.5),
    ],
)
def test_reads(text, axis, amount):
    assert Budget.parse(text) == Budget(axis, amount)


@pytest.mark.parametrize(
    "text",
    ["", "s", "20", "20 sek", "0 s", "-3 s", "nan s", "1e999 s", "0 steps", "0.5 steps", "0 flops", "0 J", "1.2.3 s", "20 s s"],
)
def test_refuses_with_the_value_and_an_example(text):
    with pytest.raises(UsageError, match="budget") as error:
        Budget.parse(text)
    assert f'"{text}"' in str(error.value)
    assert "\n" not in str(error.value)


def test_names_the_unknown_unit():
    with pytest.raises(UsageError, match="has no known unit 'sek'"):
        Budget.parse("20 sek")


class Clock:
    """A clock that moves only when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@given(
    updates=st.lists(st.tuples(st.floats(0.001, 2.0), st.integers(1, 512)), min_size=1, max_size=60),
    axis=st.sampled_from(["seconds", "steps", "samples"]),
)
def test_overrun_is_at_most_one_update(updates, axis):
    clock = Clock()
    meter = Meter(Budget(axis, 10.0), clock)
    meter.resume()
    for seconds, items in updates:
        if meter.exhausted:
            break
        clock.now += seconds
        meter.count(items)
    assert meter.overrun <= meter.last_update + 1e-9
    assert 0.0 <= meter.progress <= 1.0
    assert meter.exhausted == (meter.progress >= 1.0)


def test_clock_stands_still_while_paused():
    clock = Clock()
    meter = Meter(Budget("seconds", 10.0), clock)
    meter.resume()
    clock.now += 1.0
    meter.count(5)
    meter.pause()
    clock.now += 50.0
    meter.resume()
    clock.now += 2.0
    meter.count(7)
    assert (meter.seconds, meter.steps, meter.samples) == (3.0, 2, 12)


def test_counting_while_paused_is_an_error():
    meter = Meter(Budget("steps", 3))
    with pytest.raises(RuntimeError, match="clock stood still"):
        meter.count(1)
