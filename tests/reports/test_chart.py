"""Labels that keep apart, ticks at round numbers, and findings that follow from the data."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.bench.judge.intervals import Interval
from paragone.reports import chart
from paragone.reports.findings import Curve, leaders, pareto
from paragone.reports.run import Entry

heights = st.lists(st.floats(min_value=0, max_value=300), min_size=1, max_size=18)


@settings(max_examples=200, deadline=None)
@given(heights)
def test_spread_keeps_apart_inside_and_in_order(wanted: list[float]):
    placed = chart.spread(wanted, 12.0, 0.0, 300.0)
    ordered = sorted(placed)
    assert all(b - a >= 12.0 - 1e-6 for a, b in pairwise(ordered))
    assert ordered[0] >= -1e-6
    assert ordered[-1] <= 300 + 1e-6
    by_wish = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    assert [placed[i] for i in by_wish] == ordered


def test_spread_leaves_alone_what_is_apart():
    assert chart.spread([100.0, 20.0, 60.0], 12.0, 0.0, 300.0) == [100.0, 20.0, 60.0]


def test_labels_of_a_crowd_do_not_cover_each_other():
    points = [(100.0 + 3 * i, 150.0 + 5 * (i % 3)) for i in range(7)]
    texts = [f"contender-{i}" for i in range(7)]
    area = chart.Box(0, 0, 350, 300)
    corners = chart.place_labels(points, texts, area)
    boxes = [chart.text_box(x, y, text) for (x, y), text in zip(corners, texts, strict=True)]
    assert all(box.outside(area) == 0 for box in boxes)
    assert sum(a.overlap(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]) < 1.0


@settings(max_examples=200, deadline=None)
@given(st.floats(min_value=1e-6, max_value=1e6), st.floats(min_value=1.1, max_value=1e6))
def test_log_ticks_lie_inside_and_are_few(low: float, factor: float):
    found = chart.log_ticks(low, low * factor)
    assert len(found) <= 6
    assert all(low <= tick <= low * factor for tick in found)
    assert factor < 10 or found


def _entry(name: str) -> Entry:
    return Entry(name, name, "", "gan", ())


def _curve(name: str, *quality: float) -> Curve:
    return Curve(_entry(name), (1.0, 2.0, 4.0)[: len(quality)], tuple(Interval(q, math.nan, math.nan) for q in quality))


@pytest.mark.parametrize(
    ("curves", "finding"),
    [
        ([_curve("a", 3, 2, 1), _curve("b", 4, 3, 2)], "a leads at every moment measured"),
        ([_curve("a", 3, 2, 2), _curve("b", 4, 3, 1)], "a leads until 4.00 s, then b"),
        ([_curve("a", 3, 3, 1), _curve("b", 4, 2, 2)], "a leads at first and at the end, b in between"),
        ([_curve("a", 1, 3, 3), _curve("b", 2, 1, 4), _curve("c", 3, 4, 1)], "The lead changes: a at first, c from 4.00 s on"),
    ],
)
def test_leaders(curves: list[Curve], finding: str):
    assert leaders(curves).replace("\u202f", " ") == finding


def test_pareto_front_has_what_nothing_beats():
    def point(name: str, seconds: float, fid: float):
        return _entry(name), seconds, Interval(fid, math.nan, math.nan)

    points = [point("slow good", 9.0, 1.0), point("fast bad", 1.0, 9.0), point("beaten", 9.5, 2.0), point("middle", 3.0, 3.0)]
    assert [entry.name for entry, _, _ in pareto(points)] == ["fast bad", "middle", "slow good"]
