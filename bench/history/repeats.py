"""From the records of one contender, one a seed, to the points of its series. The rules:

repeats      the seeds. compared value: their median (time, memory, energy) or mean (quality) on the compared scale; raw alike
eligible     every planned cell is ok, and each of its seeds that owes the metric has a value; else `missing`, with the reason
time, energy in ratio to the control workload of the same cell, sqrt(before x after); `invalid` where it did not run or something
             speaks against the cell's times
exact        the common value of the seeds, or all of them; those that only a budget in steps or samples repeats, under such alone
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from paragone.bench.history.series import Key, Point
from paragone.bench.history.watched import SAMPLES_HASH, WATCHED, Watch
from paragone.bench.longtable import entry_name
from paragone.bench.records import Measurement, Record
from paragone.bench.store import sample_stem

REPEATING = frozenset({"train_flops", "train_samples", SAMPLES_HASH})
"""Exact metrics that are the same every night only where the budget is counted in steps or samples."""
EVERYBODY = "train_step_s"
"""The series that every contender has: it stands for one of which nothing at all was recorded."""


@dataclass(frozen=True)
class Repeats:
    """One contender on one night.

    Attributes:
        track, contender: its entry is `track/contender`, with the sampler behind where it has several.
        records: its records that could be read, in the order of seeds.
        absent: why not all repeats are there, empty where they are.
        counted: the budget is in steps or samples.
        stamp: a point that carries the run's name, start and commit.
    """

    track: str
    contender: str
    machine: str
    protocol: str
    records: Sequence[Record]
    absent: str
    counted: bool
    stamp: Point

    def points(self) -> dict[Key, Point]:
        """All its points; one that stands for all where there is no record."""
        if not self.records:
            return {self._key("", EVERYBODY): self._missing(self.absent)}
        found = {self._key(sampler, metric): self._point(sampler, metric) for sampler, metric in self._measured()}
        if self.counted:
            found |= {self._key(s, SAMPLES_HASH): self._hash(s) for s in self._samplers if self._archives(s)}
        return found

    @property
    def _samplers(self) -> tuple[str, ...]:
        return max((record.samplers for record in self.records), key=len)

    def _key(self, sampler: str, metric: str) -> Key:
        entry = entry_name(self.contender, sampler, self._samplers if self.records else ())
        return Key(f"{self.track}/{entry}", metric, self.machine, self.protocol)

    def _missing(self, reason: str) -> Point:
        return replace(self.stamp, status="missing", reason=reason)

    def _measured(self) -> list[tuple[str, str]]:
        """(sampler, metric) of everything that is watched and that a seed measured or owes."""
        left_out = set() if self.counted else REPEATING
        pairs = ((m.sampler, m.metric) for record in self.records for m in record.measurements)
        return [pair for pair in dict.fromkeys(pairs) if pair[1] in WATCHED and pair[1] not in left_out]

    def _point(self, sampler: str, metric: str) -> Point:
        if self.absent:
            return self._missing(self.absent)
        watch = WATCHED[metric]
        owed = [(r, m) for r in self.records for m in r.measurements if (m.sampler, m.metric) == (sampler, metric)]
        reason = _no_value([m for _, m in owed], watch)
        if reason:
            return self._missing(reason)
        raw = [m.value for _, m in owed if m.value is not None]
        if watch.kind == "exact":
            return replace(self.stamp, exact=_common(raw), raw=fmean(raw))
        doubts = [words for record, _ in owed if (words := doubt(record))] if watch.over_control else []
        if doubts:
            return replace(self.stamp, status="invalid", raw=_middle(watch, raw), reason=doubts[0] + _more(len(doubts) - 1))
        controls = [control_s(record) if watch.over_control else 1.0 for record, _ in owed]
        compared = tuple(watch.compared(value, control or 1.0) for value, control in zip(raw, controls, strict=True))
        return replace(self.stamp, value=_middle(watch, compared), raw=_middle(watch, raw), replicates=compared)

    def _archives(self, sampler: str) -> list[str]:
        """sha256 of the judged samples of each seed that has some."""
        names = ((record, f"{sample_stem(record.cell, sampler)}.npz") for record in self.records)
        return [record.files[name] for record, name in names if name in record.files]

    def _hash(self, sampler: str) -> Point:
        if self.absent:
            return self._missing(self.absent)
        return replace(self.stamp, exact=hashlib.sha256("".join(self._archives(sampler)).encode()).hexdigest())


def control_s(record: Record) -> float | None:
    """The control workload's time around a cell: the geometric mean of that before and after; None where there is none."""
    if record.timing is None or min(record.timing.control_s) <= 0:
        return None
    return math.sqrt(record.timing.control_s[0] * record.timing.control_s[1])


def doubt(record: Record) -> str:
    """What speaks against the times of a cell, and which one; empty where nothing does."""
    if record.timing is not None and record.timing.invalid:
        return f"{'; '.join(record.timing.invalid)} ({record.cell.id})"
    return "" if control_s(record) is not None else f"the control workload did not run ({record.cell.id})"


def unfinished(planned: Sequence[str], records: Mapping[str, Record]) -> str:
    """Which of the planned cells is not ok, and how many more; empty where all are."""
    reasons = [words for cell in planned if (words := _unfinished(cell, records.get(cell)))]
    return reasons[0] + _more(len(reasons) - 1) if reasons else ""


def _unfinished(cell: str, record: Record | None) -> str:
    if record is None:
        return f"cell {cell} has no record"
    if record.status == "ok":
        return ""
    where = f" in {record.failure.phase} ({record.failure.kind})" if record.failure is not None else ""
    return f"cell {cell}: {record.status.replace('_', ' ')}{where}"


def _no_value(measurements: Sequence[Measurement], watch: Watch) -> str:
    """Why a value of some seed cannot be used; empty where all can."""
    for m in measurements:
        if m.value is None:
            return f"not measured: {m.source}"
        if watch.kind != "exact" and watch.relative and m.value <= 0:
            return f"{m.value:g} {m.unit} is not above 0, so it has no ratio".replace("  ", " ")
    return ""


def _common(values: Sequence[float]) -> str:
    """The value of all seeds, or theirs in order where they differ; whole numbers without a point."""
    texts = [str(int(value)) if value.is_integer() else repr(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else ", ".join(texts)


def _middle(watch: Watch, values: Sequence[float]) -> float:
    return fmean(values) if watch.kind == "quality" else median(values)


def _more(others: int) -> str:
    return f", and {others} more" if others > 0 else ""
