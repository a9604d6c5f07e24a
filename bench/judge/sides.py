"""One side of a comparison: a run folder read with patience, and the values that it has of each entry and metric.

A file that cannot be used is named and left out, never fatal. A value counts if its cell ended well, in the base variant; a time
or an energy only if nothing speaks against the cell's times (bench/judge/timings.py) and the control workload ran around it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median

from paragone.bench.errors import UsageError
from paragone.bench.history.repeats import control_s
from paragone.bench.history.series import Kind
from paragone.bench.judge.blocks import Track, definition, tracks
from paragone.bench.judge.compared import axis_of, kind_of, told
from paragone.bench.longtable import entry_name
from paragone.bench.records import REFERENCE, Manifest, Record, RecordError, read_manifest, read_planned

NO_CONTROL = "the control workload did not run around the cell"


@dataclass(frozen=True, order=True)
class Key:
    """What is compared: a metric of one sampler, or with an empty sampler of the contender's training."""

    track: str
    contender: str
    sampler: str
    metric: str


@dataclass(frozen=True)
class Seen:
    """What one run has of a key: value by seed, by seed why a value is left out, and the status of what no seed measured."""

    values: Mapping[int, float]
    left_out: Mapping[int, str] = field(default_factory=dict)
    missing: str = ""

    @property
    def there(self) -> bool:
        """True where something was measured, even if it does not count."""
        return bool(self.values or self.left_out)


@dataclass(frozen=True)
class Side:
    """A run folder, read; `skipped` are the files that could not be used, each with the reason."""

    name: str
    folder: Path
    manifest: Manifest
    records: tuple[Record, ...]
    skipped: tuple[str, ...]

    @cached_property
    def tracks(self) -> dict[str, Track]:
        """The judge's tracks by name."""
        return {track.name: track for track in tracks(self.records, self.manifest)}

    @cached_property
    def axis(self) -> str | None:
        """The axis of the budget."""
        return axis_of(self.records)

    @property
    def finished(self) -> bool:
        """True where the run came to its end and every planned cell has a record."""
        return self.manifest.ended is not None and not self.unrecorded

    @property
    def unrecorded(self) -> tuple[str, ...]:
        """Planned cells that have no record that can be read."""
        found = {record.cell.id for record in self.records}
        return tuple(cell for cell in self.manifest.order if cell not in found)

    @cached_property
    def control_s(self) -> float | None:
        """The control workload's median time over the cells (those that nothing disturbed, where there are such), in seconds.

        None where it never ran.
        """
        found = [(record, c) for record in self.records if (c := control_s(record)) is not None]
        quiet = [c for record, c in found if record.timing is not None and record.timing.valid]
        return median(quiet or [c for _, c in found]) if found else None

    def record(self, track: str, contender: str, seed: int) -> Record | None:
        """The record of a cell in the base variant."""
        return self.tracks[track].records.get((contender, seed)) if track in self.tracks else None

    @cached_property
    def failed(self) -> dict[str, Record]:
        """By cell id, the records that are not ok."""
        return {record.cell.id: record for record in self.records if record.status != "ok"}

    @cached_property
    def entries(self) -> dict[tuple[str, str, str], str]:
        """(track, contender, sampler) -> name of the row, of all that compete; samplers in the contender's order."""
        return {(t.name, e.contender, e.sampler): e.name for t in self.tracks.values() for e in t.entries if not e.reference}

    @cached_property
    def seen(self) -> dict[Key, Seen]:
        """Everything that is compared, in order of first appearance; references, which compete with nobody, are not in it."""
        return {key: _seen(self, key, own) for key, own in self._measured.items()}

    @cached_property
    def _measured(self) -> dict[Key, dict[int, str]]:
        """By key, seed -> why there is no value (empty where there is one), of cells that ended well."""
        found: dict[Key, dict[int, str]] = {}
        for track in self.tracks.values():
            for (contender, seed, sampler, metric), m in track.measured.items():
                record = track.records.get((contender, seed))
                if record is None or record.family == REFERENCE or not told(metric, self.axis):
                    continue
                if record.status == "ok" or definition(metric).group == "stability":
                    source = "" if m.value is not None else m.source
                    found.setdefault(Key(track.name, contender, sampler, metric), {})[seed] = source
        return found

    def name_of(self, key: Key) -> str:
        """`ddpm/ddim-50`, `vae`; training belongs to the contender."""
        samplers = [sampler for track, contender, sampler in self.entries if (track, contender) == (key.track, key.contender)]
        return entry_name(key.contender, key.sampler, samplers)


def _seen(side: Side, key: Key, sources: Mapping[int, str]) -> Seen:
    track, kind = side.tracks[key.track], kind_of(key.metric, side.axis)
    values: dict[int, float] = {}
    left_out: dict[int, str] = {}
    for seed, missing in sorted(sources.items()):
        value = track.measured[key.contender, seed, key.sampler, key.metric].value
        doubt = _doubt(track, key.contender, seed, kind)
        if missing or value is None:
            continue
        if doubt:
            left_out[seed] = doubt
        else:
            values[seed] = value
    told_missing = next((source for source in sources.values() if source), "") if not values and not left_out else ""
    return Seen(values, left_out, told_missing)


def _doubt(track: Track, contender: str, seed: int, kind: Kind) -> str:
    """Why a time or an energy of this cell is not compared; empty where it is, and for all else."""
    if kind not in ("time", "energy"):
        return ""
    reasons = track.disturbed.get((contender, seed))
    if reasons:
        return "; ".join(reasons)
    return "" if control_s(track.records[contender, seed]) is not None else NO_CONTROL


def read_side(folder: Path) -> Side:
    """Read a run folder.

    Raises:
        UsageError: it is no run folder, or its run.json cannot be used; records that cannot are named in `skipped`.
    """
    try:
        manifest = read_manifest(folder)
    except OSError as error:
        raise UsageError(f"{folder / 'run.json'} cannot be read: {error.strerror}; allow it, or name another run") from None
    name = os.path.basename(os.path.abspath(folder)) or manifest.run
    records: list[Record] = []
    skipped: list[str] = []
    planned = frozenset(manifest.order)
    for path in sorted((folder / "cells").glob("*.json")):
        record, why = _read(path, planned)
        if record is not None:
            records.append(record)
        else:
            skipped.append(f"{name}/cells/{path.name}: {why}")
    ordered = sorted(records, key=lambda record: (record.position, record.cell.id))
    return Side(name, folder, manifest, tuple(ordered), tuple(skipped))


def _read(path: Path, planned: frozenset[str]) -> tuple[Record | None, str]:
    """A record, or why it cannot be used."""
    try:
        return read_planned(path, planned), ""
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    except RecordError as error:
        return None, str(error).removeprefix(str(path)).lstrip(": ")
