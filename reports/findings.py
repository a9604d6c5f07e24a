"""What the figures say in words, computed from the data: who leads when, what nothing beats, who is blurry."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from paragone.bench.judge.curves import finding as judged_finding
from paragone.bench.judge.curves import leaders as judged_leaders
from paragone.bench.judge.curves import quality_curve
from paragone.bench.judge.families import MEMBERS
from paragone.bench.judge.intervals import Interval
from paragone.reports import style
from paragone.reports.run import Entry, Track

Point = tuple[Entry, float, Interval]
"""An entry, its place on the x axis, its quality with interval."""

BLURRY, NOISY = 0.9, 1.1
"""High-frequency ratios outside of which samples are called blurry or noisy."""


@dataclass(frozen=True)
class Curve:
    """Quality of one entry along its training: counted seconds and primary metric with interval at each share measured."""

    entry: Entry
    seconds: tuple[float, ...]
    quality: tuple[Interval, ...]


def quality_curves(track: Track) -> list[Curve]:
    """Curves of the entries whose quality was measured along the budget, best at the end first."""
    table = quality_curve(track.judged, track.primary)
    found = []
    for entry in track.competitors:
        own = table[(table["entry"] == entry.name) & (table["train_s"] > 0)].sort_values("share")
        points = [Interval(*limits) for limits in own[["value", "ci_low", "ci_high"]].itertuples(index=False)]
        if points:
            found.append(Curve(entry, tuple(own["train_s"]), tuple(points)))
    longest = max((len(curve.seconds) for curve in found), default=0)
    return [curve for curve in found if len(curve.seconds) > 1 or longest < 2]


def curve_finding(track: Track, curves: Sequence[Curve]) -> str:
    """Who leads when: of families as the judge sees them, of entries where others than the families' own contenders ran."""
    known = {name for members in MEMBERS.values() for name in members}
    if all(curve.entry.contender in known for curve in curves) and (told := judged_finding(track.judged, track.primary)):
        return told
    return leaders(curves)


def leaders(curves: Sequence[Curve]) -> str:
    """Who has the lowest mean of the primary metric along the budget, as a sentence."""
    times = sorted({round(second, 9) for curve in curves for second in curve.seconds})
    known = [(time, name) for time in times if (name := _leader(curves, time))]
    spans = [(name, next(group)[0]) for name, group in groupby(known, key=lambda pair: pair[1])]
    first, (last, since) = spans[0][0], spans[-1]
    if len(spans) == 1:
        return f"{first} leads at every moment measured"
    if len(spans) == 2:
        return f"{first} leads until {style.seconds(since)}, then {last}"
    between = some(list(dict.fromkeys(name for name, _ in spans[1:-1] if name not in (first, last))))
    if first == last:
        return f"{first} leads at first and at the end, {between} in between"
    return f"The lead changes: {first} at first, {last} from {style.seconds(since)} on"


def lead_changes(track: Track) -> list[float]:
    """Seconds of training between which the leading family changes (geometric means of the moments measured)."""
    table = judged_leaders(track.judged, track.primary)
    rows = list(zip(table["train_s"], table["leader"], strict=True))
    return [math.sqrt(x * y) for (x, before), (y, after) in pairwise(rows) if before != after and x > 0]


def pareto(points: Sequence[Point]) -> list[Point]:
    """Points that no other beats in both quality and time, fastest first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p[1], p[2].value, p[0].name)):
        if not front or point[2].value < front[-1][2].value:
            front.append(point)
    return front


def memory_finding(rows: Sequence[tuple[Entry, float | None, float | None]]) -> str:
    """Who needs most memory; rows are (entry, bytes in training, bytes in sampling), leanest first."""
    peaks = [(max(value for value in pair if value is not None), entry.name) for entry, *pair in rows]
    (low, lean), (high, heavy) = peaks[0], peaks[-1]
    if len(peaks) == 1:
        return f"{lean} needs {style.megabytes(low)} at its peak"
    if high / low < 1.05:
        return f"All need about the same memory: {style.megabytes(low)} to {style.megabytes(high)}"
    return f"{heavy} needs most memory, {style.megabytes(high)}: {style.number(high / low)} times {lean}"


def sharpness_finding(rows: Sequence[Point]) -> str:
    """Who is blurry or noisy by the high-frequency ratio; rows ascend in it."""
    blurry = [entry.name for entry, value, _ in rows if value < BLURRY]
    noisy = [entry.name for entry, value, _ in reversed(rows) if value > NOISY]
    parts = []
    if blurry:
        parts.append(f"{some(blurry)} {'is' if len(blurry) == 1 else 'are'} blurry")
    if noisy:
        parts.append(f"{some(noisy)} {'is' if len(noisy) == 1 else 'are'} noisy")
    return ", ".join(parts) or "All samples are about as sharp as real data"


def some(names: Sequence[str]) -> str:
    """Up to three names, or two and how many more."""
    return style.names(list(names) if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"])


def _leader(curves: Sequence[Curve], time: float) -> str:
    """Best curve at a time by interpolation between logarithms, among those that reach it on both sides."""
    best: tuple[float, str] | None = None
    for curve in curves:
        if curve.seconds[0] * 0.97 <= time <= curve.seconds[-1] * 1.03:
            logs = np.log([value.value for value in curve.quality])
            level = float(np.interp(math.log(time), np.log(curve.seconds), logs))
            best = min(best, (level, curve.entry.name)) if best else (level, curve.entry.name)
    return best[1] if best else ""
