"""What the judge sees of a track: its entries, and of each the values a seed brought.

Three things that look alike in a table are kept apart: a value, a failed cell (NaN), and nothing (never run, or not measured).
A time whose cell was disturbed (bench/judge/timings.py) is nothing too, and known as kept out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np

from paragone.bench.judge.derived import Key, derived_measurements
from paragone.bench.judge.stability import Stability, stability, stability_measurements
from paragone.bench.judge.timings import invalid_timings, timed
from paragone.bench.longtable import entry_name
from paragone.bench.metrics.modalities import primary
from paragone.bench.metrics.table import METRICS, Metric, split_share
from paragone.bench.records import REFERENCE, Manifest, Measurement, Record

P = ParamSpec("P")
T = TypeVar("T")

BASE_VARIANTS = ("", "lr1")
"""Variants in which a contender runs with its own learning rates; rankings and orders look at these alone."""


@dataclass(frozen=True)
class Entry:
    """Contender + sampler: one row of a ranking; a reference has no sampler and its own name."""

    contender: str
    sampler: str
    name: str
    family: str
    ablation: bool
    default: bool
    """The contender's first sampler, to which what belongs to the whole contender is attributed."""

    @property
    def reference(self) -> bool:
        """True for the rows that compete with nobody."""
        return self.family == REFERENCE


EVERYBODY = Entry("all entries", "", "all entries", REFERENCE, ablation=False, default=True)
"""Not a row: what belongs to a track as a whole, such as the agreement of its metrics, is kept under this name."""


def remembered(function: "Callable[Concatenate[Track, P], T]") -> "Callable[Concatenate[Track, P], T]":
    """A pure function of a track whose answers are kept with the track; its other arguments must be hashable."""

    @wraps(function)
    def asked(track: "Track", /, *args: P.args, **named: P.kwargs) -> T:
        key = (function.__qualname__, *args, *sorted(named.items()))
        if key not in track.answers:
            track.answers[key] = function(track, *args, **named)
        return cast(T, track.answers[key])

    return asked


@dataclass(frozen=True)
class Track:
    """The records of one track (base variants), by contender and seed.

    Attributes:
        entries: in order of first appearance, the samplers of a contender in its own order.
        seeds: all seeds that any cell of the track ran, ascending.
        factors: number of learning-rate factors that its contenders were run with.
        measured: (contender, seed, sampler, metric) -> measurement, those that the judge derives included.
        stability: by contender, from cells of all learning-rate variants; empty where the suite varies none.
        disturbed: (contender, seed) -> why the times of the cell cannot be compared.
    """

    name: str
    dataset: str
    modality: str
    entries: tuple[Entry, ...]
    seeds: tuple[int, ...]
    factors: int
    records: dict[tuple[str, int], Record] = field(repr=False)
    measured: dict[Key, Measurement] = field(repr=False)
    stability: dict[str, Stability] = field(repr=False, default_factory=dict)
    disturbed: dict[tuple[str, int], tuple[str, ...]] = field(repr=False, default_factory=dict)
    answers: dict[tuple[object, ...], Any] = field(repr=False, compare=False, default_factory=dict)
    """What has been asked of this track before, see `remembered`."""

    @property
    def primary(self) -> str:
        """The metric that ranks the track."""
        return primary(self.modality)

    @cached_property
    def shares(self) -> dict[str, list[float]]:
        """Metric -> shares of the budget at which it was measured, ascending."""
        names = {key[3] for key, m in self.measured.items() if m.value is not None}
        found: dict[str, list[float]] = {}
        for metric, share in sorted(split_share(name) for name in names):
            found.setdefault(metric, []).append(share)
        return found

    def measurement(self, entry: Entry, metric: str, seed: int) -> Measurement | None:
        """The sampler's own measurement, else the one of the whole cell (empty sampler), which its default entry shows."""
        own = self.measured.get((entry.contender, seed, entry.sampler, metric))
        if own is None and entry.default:
            return self.measured.get((entry.contender, seed, "", metric))
        return own

    @remembered
    def outcomes(self, entry: Entry, metric: str) -> dict[int, float]:
        """Seed -> value, NaN where the cell failed; seeds never run, not measured, or `kept_out` are absent."""
        values, kept_out = self.all_outcomes(entry, metric), self.kept_out(entry, metric)
        return {seed: value for seed, value in values.items() if seed not in kept_out} if kept_out else values

    @remembered
    def kept_out(self, entry: Entry, metric: str) -> dict[int, tuple[str, ...]]:
        """Seed -> why the value that was measured there is not compared: times of cells that were disturbed. Failures stay."""
        if not timed(metric) or not self.disturbed:
            return {}
        values = self.all_outcomes(entry, metric)
        reasons = {seed: self.disturbed.get((entry.contender, seed)) for seed, value in values.items() if not np.isnan(value)}
        return {seed: why for seed, why in reasons.items() if why}

    @remembered
    def all_outcomes(self, entry: Entry, metric: str) -> dict[int, float]:
        """As `outcomes`, with the times of disturbed cells.

        A failed cell counts only for the metrics that the entry owes: those it was asked for in some cell. Stability is a
        statement about many cells, in which failures are counted already.
        """
        if entry is EVERYBODY or definition(metric).group == "stability":
            own = {seed: self.measurement(entry, metric, seed) for seed in self.seeds}
            return {seed: m.value for seed, m in own.items() if m is not None and m.value is not None}
        values: dict[int, float] = {}
        for seed in self.seeds:
            record, found = self.records.get((entry.contender, seed)), self.measurement(entry, metric, seed)
            if record is not None and record.status != "ok" and self._owes(entry, metric):
                values[seed] = np.nan
            elif record is not None and record.status == "ok" and found is not None and found.value is not None:
                values[seed] = found.value
        return values

    @remembered
    def of_cell(self, contender: str, metric: str) -> dict[int, float]:
        """Seed -> value of what belongs to the whole cell, such as `train_s@0.25`, in cells that are ok."""
        found = {seed: self.measured.get((contender, seed, "", metric)) for seed in self.seeds}
        ok = {seed for seed in self.seeds if (r := self.records.get((contender, seed))) is not None and r.status == "ok"}
        return {seed: m.value for seed, m in found.items() if seed in ok and m is not None and m.value is not None}

    def why_empty(self, entry: Entry, metric: str) -> str | None:
        """The status of a metric that no seed could measure (`timed only`); None where it was never asked for."""
        found = [self.measurement(entry, metric, seed) for seed in self.seeds]
        return next((m.source for m in found if m is not None and m.value is None), None)

    def failures(self, entry: Entry) -> list[str]:
        """Status of each of the contender's cells that is not ok."""
        cells = [self.records.get((entry.contender, seed)) for seed in self.seeds]
        return [record.status for record in cells if record is not None and record.status != "ok"]

    def flagged(self, entry: Entry, flag: str) -> bool:
        """True where any cell of the contender carries the flag."""
        cells = [self.records.get((entry.contender, seed)) for seed in self.seeds]
        return any(record is not None and flag in record.flags for record in cells)

    def entry(self, name: str) -> Entry | None:
        """The entry of this name."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def _owes(self, entry: Entry, metric: str) -> bool:
        """True where some cell measured the metric for this entry, or none of its cells lived to measure anything of it."""
        finished = [s for s in self.seeds if (r := self.records.get((entry.contender, s))) is not None and r.status == "ok"]
        found = [self.measurement(entry, metric, seed) for seed in finished or self.seeds]
        return any(m is not None and (m.value is not None or not finished) for m in found)


def tracks(records: Sequence[Record], manifest: Manifest | None = None) -> list[Track]:
    """The tracks of a run, in order of first appearance; the manifest holds the targets of stability."""
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(record.cell.track, []).append(record)
    targets = manifest.suite.get("stability") if manifest is not None else None
    invalid = invalid_timings(records)
    return [_track(name, own, targets, invalid) for name, own in by_name.items()]


def definition(metric: str) -> Metric:
    """What the table of metrics says of `fid` or `fid@0.25`."""
    return METRICS[split_share(metric)[0]]


def _track(
    name: str, records: Sequence[Record], targets: Mapping[str, object] | None, invalid: Mapping[str, tuple[str, ...]]
) -> Track:
    base = [record for record in records if record.cell.variant in BASE_VARIANTS]
    by_contender: dict[str, list[Record]] = {}
    for record in base:
        by_contender.setdefault(record.cell.contender, []).append(record)
    found = stability(records, targets)
    measured = {(record.cell.contender, record.cell.seed, m.sampler, m.metric): m for record in base for m in record.measurements}
    return Track(
        name=name,
        dataset=records[0].dataset,
        modality=records[0].modality,
        entries=tuple(entry for own in by_contender.values() for entry in _entries(own)),
        seeds=tuple(sorted({record.cell.seed for record in base})),
        factors=len({record.cell.variant for record in records if record.family != REFERENCE}),
        records={(record.cell.contender, record.cell.seed): record for record in base},
        measured=measured | derived_measurements(base, EVERYBODY.contender) | stability_measurements(found),
        stability=found,
        disturbed={(r.cell.contender, r.cell.seed): invalid[r.cell.id] for r in base if r.cell.id in invalid},
    )


def _entries(own: Sequence[Record]) -> list[Entry]:
    """The entries of one contender's records; a cell that died early may know fewer samplers than the others."""
    contender = own[0].cell.contender
    samplers = max((record.samplers for record in own), key=len) or ("",)
    return [
        Entry(contender, sampler, entry_name(contender, sampler, samplers), own[0].family, own[0].ablation, place == 0)
        for place, sampler in enumerate(samplers)
    ]
