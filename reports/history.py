"""What the history page shows of one entry and metric: a small multiple, with one block a machine and protocol version.

shift      compared value of a night less its block's level: 0 is the level, larger is worse, for every metric alike. On the log
           scale a shift d is a change by exp(d); so numbers of two machines, which are not compared, share one axis of changes
level      that of the prediction interval (screen.py), so that the band is what the next quiet night would be
steps      medians of the segments (change_points) of all nights of a block; an alert begins a segment
marks      alerts at their first bad night; nights at which a soft key (a version, the host) changed; nights without a value
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from paragone.bench.history.life import Alert
from paragone.bench.history.screen import FLOOR, WINDOW, Baseline, baseline
from paragone.bench.history.segments import change_points
from paragone.bench.history.series import Key, Night, Point, Series
from paragone.bench.history.suspects import relocate
from paragone.bench.history.watched import WATCHED, Watch
from paragone.reports import style

RESTLESS = 4
"""A soft key that changes more often than on one of so many nights, such as the host's name, is told and not drawn."""


@dataclass(frozen=True)
class Dot:
    """One night: its shift (None where there is no value), and the range of its replicates' shifts."""

    point: Point
    shift: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Step:
    """A segment: its first and last night (places in the block) and the shift of its median."""

    first: int
    last: int
    shift: float


@dataclass(frozen=True)
class Band:
    """Shifts between which a quiet night lies, and the first night (place) from which that was read."""

    first: int
    low: float
    high: float


@dataclass(frozen=True)
class Flag:
    """An alert at the night that is its first bad one as seen from the nights since."""

    place: int
    alert: Alert
    is_open: bool

    @property
    def short(self) -> str:
        """The id as the page writes it."""
        return style.line(self.alert.id, 24)


@dataclass(frozen=True)
class Block:
    """The nights of one key.

    Attributes:
        level: compared value at shift 0, and `raw` the metric's own value there (None for what is no number).
        soft: by place, which soft keys changed, in words; `restless` are those that change too often to be drawn.
        known: the prediction interval for the next night; None while warming up and for exact metrics.
        before: the same as the nights before the last one had it.
        explained: the last night is known: a re-run found no difference, or the machine moved.
    """

    key: Key
    dots: tuple[Dot, ...]
    level: float
    raw: float | None
    steps: tuple[Step, ...] = ()
    band: Band | None = None
    flags: tuple[Flag, ...] = ()
    soft: Mapping[int, str] | None = None
    restless: tuple[str, ...] = ()
    known: Baseline | None = None
    before: Baseline | None = None
    explained: bool = False

    @property
    def watch(self) -> Watch:
        """How its metric is watched."""
        return WATCHED[self.key.metric]

    @cached_property
    def valued(self) -> tuple[int, ...]:
        """Places of the nights that may be compared."""
        return tuple(place for place, dot in enumerate(self.dots) if dot.point.ok)

    @property
    def open_flags(self) -> tuple[Flag, ...]:
        """Alerts that are still there, oldest first."""
        return tuple(flag for flag in self.flags if flag.is_open)

    def raw_at(self, shift: float) -> float | None:
        """The metric's own value at a shift, on a machine as fast as at the level."""
        if self.raw is None:
            return None
        return self.raw * math.exp(self.watch.sign * shift) if self.watch.relative else self.raw + self.watch.sign * shift


@dataclass(frozen=True)
class Multiple:
    """One small multiple: an entry's metric, its blocks in the order in which they began; `left_out` older ones are not drawn.

    `breaks` says in words what changed between each block and the next.
    """

    entry: str
    metric: str
    blocks: tuple[Block, ...]
    breaks: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def watch(self) -> Watch:
        """How its metric is watched."""
        return WATCHED[self.metric]

    @property
    def newest(self) -> Block:
        """The block that holds the latest night."""
        return max(self.blocks, key=lambda block: block.dots[-1].point.started)


MOST_BLOCKS = 6
"""Blocks of one small multiple that are drawn, the newest ones."""


def multiples(
    series: Sequence[Series],
    nights: Sequence[Night],
    alerts: Sequence[Alert],
    open_ids: Collection[str],
    explained: Mapping[str, Collection[str]],
) -> list[Multiple]:
    """Small multiples by entry and metric; series without points are left out.

    `explained` holds, by series id, runs at which a change for the worse was explained.
    """  # fmt: skip
    by_run = {night.run: night for night in nights}
    own_alerts: dict[str, dict[str, Alert]] = {}
    for alert in alerts:
        own_alerts.setdefault(alert.series, {})[alert.id] = alert  # one that opened again counts once
    groups: dict[tuple[str, str], list[Block]] = {}
    for one in series:
        if one.points and one.key.metric in WATCHED:
            own = list(own_alerts.get(one.key.id, {}).values())
            made = block(one, by_run, own, open_ids, explained.get(one.key.id, ()))
            groups.setdefault((one.key.entry, one.key.metric), []).append(made)
    return [_multiple(entry, metric, blocks, by_run) for (entry, metric), blocks in sorted(groups.items())]


def _multiple(entry: str, metric: str, blocks: list[Block], by_run: Mapping[str, Night]) -> Multiple:
    ordered = sorted(blocks, key=lambda b: b.dots[0].point.started)
    if len(ordered) > MOST_BLOCKS:
        newest = sorted(ordered, key=lambda b: b.dots[-1].point.started)[-MOST_BLOCKS:]
        ordered = [b for b in ordered if b in newest]
    breaks = tuple(_break(a, b, by_run) for a, b in pairwise(ordered))
    return Multiple(entry, metric, tuple(ordered), breaks, len(blocks) - len(ordered))


def _break(before: Block, after: Block, by_run: Mapping[str, Night]) -> str:
    """What the next block has that is different."""
    a, b = by_run.get(before.dots[-1].point.run), by_run.get(after.dots[0].point.run)
    if before.key.machine == after.key.machine:
        return "another protocol version"
    changed = _changes(a.fingerprint, b.fingerprint) if a is not None and b is not None else {}
    return "another machine" + (f": {'; '.join(changed.values())}" if changed else "")


def block(
    series: Series, by_run: Mapping[str, Night], alerts: Sequence[Alert], open_ids: Collection[str], explained: Collection[str]
) -> Block:
    """The block of one series, which has points."""
    watch = WATCHED[series.key.metric]
    soft, restless = _soft(series.points, by_run)
    if watch.kind == "exact":
        dots, level, raw, steps = _exact(series.points)
        return Block(series.key, dots, level, raw, steps, None, _flags(series, alerts, open_ids), soft, restless)
    runs = set(explained) | {run for alert in alerts for run in (alert.first_bad, alert.opened)}
    good = [(place, p) for place, p in enumerate(series.points) if p.ok and p.value is not None]
    recent = [p for _, p in good[-WINDOW:]]
    known, before = baseline(recent, watch, runs), baseline([p for _, p in good[-WINDOW - 1 : -1]], watch, runs)
    x = np.array([p.value for _, p in good], dtype=float)
    level = known.level if known is not None else float(np.median(x)) if x.size else 0.0
    flags = _flags(series, alerts, open_ids)
    steps = _steps([place for place, _ in good], x - level, watch.smallest * FLOOR, {flag.place for flag in flags})
    band, raw = None, _median_raw([p for _, p in good])
    if known is not None:
        reference = [int(k) for k in known.segments.reference]
        raw = _median_raw([recent[k] for k in reference])
        band = Band(good[-len(recent) :][reference[0]][0], known.floor - level, known.limit - level)
    dots = tuple(_dot(p, level) for p in series.points)
    return Block(
        series.key, dots, level, raw, steps, band, flags, soft, restless, known, before, series.points[-1].run in explained
    )


def _dot(point: Point, level: float) -> Dot:
    if not point.ok or point.value is None:
        return Dot(point, None)
    several = len(point.replicates) > 1
    low, high = (min(point.replicates) - level, max(point.replicates) - level) if several else (None, None)
    return Dot(point, point.value - level, low, high)


def _steps(places: Sequence[int], shifts: np.ndarray, floor: float, cuts: Collection[int]) -> tuple[Step, ...]:
    """Segments of the nights at these places; at `cuts`, where alerts begin, one begins for certain."""
    if shifts.size == 0:
        return ()
    known = [0, *(k for k, place in enumerate(places) if place in cuts and k > 0)]
    pieces = zip(known, (*known[1:], shifts.size), strict=True)
    starts = [a + start for a, b in pieces for start in change_points(shifts[a:b], floor)]
    ends = (*starts[1:], shifts.size)
    return tuple(Step(places[a], places[b - 1], float(np.median(shifts[a:b]))) for a, b in zip(starts, ends, strict=True))


def _exact(points: Sequence[Point]) -> tuple[tuple[Dot, ...], float, float | None, tuple[Step, ...]]:
    """An exact series around its latest value: shifts are log ratios where values are positive numbers, else 0."""
    raw = next((p.raw for p in reversed(points) if p.ok), None)
    usable = raw is not None and raw > 0
    dots = []
    for p in points:
        shift = math.log(p.raw / raw) if usable and raw is not None and p.raw is not None and p.raw > 0 else 0.0
        dots.append(Dot(p, shift if p.ok else None))
    steps: list[Step] = []
    text: str | None = None
    for place, dot in enumerate(dots):
        if dot.shift is None:
            continue
        if steps and dot.point.exact == text:
            steps[-1] = Step(steps[-1].first, place, steps[-1].shift)
        else:
            steps.append(Step(place, place, dot.shift))
        text = dot.point.exact
    return tuple(dots), 0.0, raw if usable else None, tuple(steps)


def _flags(series: Series, alerts: Sequence[Alert], open_ids: Collection[str]) -> tuple[Flag, ...]:
    places = {p.run: place for place, p in enumerate(series.points)}
    flags = []
    for alert in alerts:
        located = relocate(alert, series.eligible) if alert.kind != "exact" else None
        run = located.run if located is not None else alert.first_bad
        place = places.get(run, places.get(alert.opened))
        if place is not None:
            flags.append(Flag(place, alert, alert.id in open_ids))
    return tuple(sorted(flags, key=lambda flag: (flag.place, flag.alert.id)))


def _soft(points: Sequence[Point], by_run: Mapping[str, Night]) -> tuple[dict[int, str], tuple[str, ...]]:
    """By place, the soft keys that changed on that night; and the keys that change too often to say anything."""
    found: list[tuple[int, str, str]] = []
    before: Mapping[str, str] | None = None
    for place, p in enumerate(points):
        night = by_run.get(p.run)
        if night is None:
            continue
        if before is not None:
            found += [(place, key, words) for key, words in _changes(before, night.soft).items()]
        before = night.soft
    times = {key: sum(k == key for _, k, _ in found) for key in sorted({key for _, key, _ in found})}
    restless = tuple(key for key, n in times.items() if n > max(1, len(points) // RESTLESS))
    marks: dict[int, list[str]] = {}
    for place, key, words in found:
        if key not in restless:
            marks.setdefault(place, []).append(words)
    return {place: "; ".join(words) for place, words in marks.items()}, restless


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """By key, `key: old → new` for what differs."""
    keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    return {key: f"{style.line(key, 40)}: {_value(before, key)} → {_value(after, key)}" for key in keys}


def _value(mapping: Mapping[str, str], key: str) -> str:
    return style.line(mapping.get(key, "none"), 60)


def _median_raw(points: Sequence[Point]) -> float | None:
    values = [p.raw for p in points if p.raw is not None]
    return float(np.median(values)) if values else None
