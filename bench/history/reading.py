"""From a run folder to a night. What is damaged is named and left out, the rest is used; nothing here is fatal.

A run is called as its folder is (folders are copied), and begins when its manifest says. A night's series are those of its
contenders, ablations too, in the base variant; references compete with nobody and have none. See repeats.py for the points.

protocol   hash of budget, training, evaluation and number of seeds of the suite, the samplers asked of the contender, the data of
           its track, and the number format it computed in: another contender in the suite changes nothing, another budget does
machine    hash of the manifest's fingerprint
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from pydantic import ValidationError

from paragone.bench.budget import Budget
from paragone.bench.errors import UsageError
from paragone.bench.history import benchmarks
from paragone.bench.history.instants import utc
from paragone.bench.history.life import CHECK_FILE, CHECK_VERSION, Check
from paragone.bench.history.repeats import Repeats, control_s, unfinished
from paragone.bench.history.series import Key, Night, Point, digest, hash_of
from paragone.bench.records import REFERENCE, Cell, Manifest, Record, read_manifest, read_planned

PROTOCOL = "1"
"""Raised whenever the harness measures something in another way, so that old numbers are no longer compared with new ones."""
T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """A run folder, read.

    Attributes:
        skipped: files that could not be used, each with the reason; paths begin at the run folder.
        check: what an earlier check said of this run, where one did.
    """

    night: Night
    skipped: tuple[str, ...] = ()
    check: Check | None = None


class _Damage(ValueError):
    """A file says something that it cannot mean."""


def read_night(folder: Path) -> Reading:
    """Read a run folder; where there is no readable `run.json` the night has a problem, no start, and no points."""
    reader = _Reader(folder)
    manifest = reader.attempt(folder / "run.json", _read_dated)
    check = reader.check(None if manifest is None else manifest.started)
    if manifest is None:
        why = "run.json cannot be used" if (folder / "run.json").exists() else "there is no run.json"
        night = Night(reader.run, "", "", "", "", {}, problem=f"{reader.run}: {why}")
    elif benchmarks.clean(str(manifest.suite.get("name", ""))) == benchmarks.SUITE:
        night = reader.imported(manifest)
    else:
        night = reader.measured(manifest)
    return Reading(night, tuple(reader.skipped), check)


class _Reader:
    """Reads the files of one folder and notes those that it cannot use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = benchmarks.clean(os.path.basename(os.path.abspath(folder)))  # a link is called by its own name
        self.skipped: list[str] = []

    def attempt(self, path: Path, read: Callable[[Path], T]) -> T | None:
        """What `read` makes of a file; None where it cannot, and that is noted."""
        try:
            return read(path)
        except OSError as error:
            self.skip(path, f"cannot be read: {error.strerror}")
        except (UsageError, _Damage) as error:
            words = str(error).removeprefix(str(path)).lstrip(": ")
            self.skip(path, words.replace(str(self.folder), self.run))
        return None

    def skip(self, path: Path, words: str) -> None:
        """Note that a file is left out."""
        name = benchmarks.clean(f"{self.run}/{path.relative_to(self.folder)}")
        self.skipped.append(f"{name}: {benchmarks.clean(words)}")

    def check(self, started: str | None) -> Check | None:
        """What was said of this run; None where it was never checked, or where the file is about another run."""
        path = self.folder / CHECK_FILE
        if not path.exists():
            return None
        found = self.attempt(path, _read_check)
        if found is not None and started is not None and found.started != started:
            self.skip(path, f"it is about a run that began at {found.started}, this one began at {started}; check this run again")
            return None
        return found

    def imported(self, manifest: Manifest) -> Night:
        """The night of a file of pytest-benchmark."""
        night = self._night(manifest)
        path = self.folder / benchmarks.BENCHMARK_FILE
        content = self.attempt(path, lambda p: benchmarks.parse(p.read_bytes(), p))
        if content is None:
            return replace(night, problem="the file of pytest-benchmark cannot be read")
        points, nameless = benchmarks.points_of(content, night.machine, _stamp(night))
        for words in nameless:
            self.skip(path, words)
        return replace(night, points=points, problem="" if points else "the file holds no benchmark")

    def measured(self, manifest: Manifest) -> Night:
        """The night of a run of cells."""
        night = self._night(manifest)
        records = self._records(manifest)
        if not records:
            return replace(night, problem="the run holds no record")
        controls = [c for record in records.values() if (c := control_s(record)) is not None]
        points: dict[Key, Point] = {}
        for track, contender, planned in _contenders(manifest, records):
            points |= _repeats(manifest, night, track, contender, planned, records).points()
        problem = "" if manifest.ended is not None else "the run did not finish"
        return replace(night, points=points, control_s=median(controls) if controls else None, problem=problem)

    def _night(self, manifest: Manifest) -> Night:
        soft = {**manifest.versions, "command": " ".join(manifest.command)}
        return Night(
            self.run, manifest.started, manifest.commit, benchmarks.clean(str(manifest.suite.get("name", ""))),
            hash_of(manifest.fingerprint), manifest.fingerprint, soft,
        )  # fmt: skip

    def _records(self, manifest: Manifest) -> dict[str, Record]:
        """By cell id, the records of cells that the manifest plans."""
        found: dict[str, Record] = {}
        planned = frozenset(manifest.order)
        for path in sorted((self.folder / "cells").glob("*.json")):
            record = self.attempt(path, lambda p: read_planned(p, planned))
            if record is not None:
                found[record.cell.id] = record
        return found


def _read_dated(path: Path) -> Manifest:
    """A manifest whose start is in UTC."""
    manifest = read_manifest(path.parent)
    try:
        return manifest.model_copy(update={"started": utc(manifest.started)})
    except ValueError as error:
        raise _Damage(f"started: {error}") from None


def _read_check(path: Path) -> Check:
    try:
        found = Check.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _Damage(f"{where}: {first['msg']}".lstrip(": ") + "; check this run again") from None
    if found.schema_version != CHECK_VERSION or "schema_version" not in found.model_fields_set:
        raise _Damage(f"schema {found.schema_version}, this version reads {CHECK_VERSION}; check this run again")
    return found


def _contenders(manifest: Manifest, records: Mapping[str, Record]) -> Iterable[tuple[str, str, list[str]]]:
    """(track, contender, its planned cells in the base variant, by seed) of all that compete."""
    names = {(record.cell.track, _safe(record.cell.contender)): record.cell.contender for record in records.values()}
    left_out = {_safe(name) for name in manifest.references}
    left_out |= {_safe(record.cell.contender) for record in records.values() if record.family == REFERENCE}
    planned: dict[tuple[str, str], list[str]] = {}
    for cell in manifest.order:
        track, *rest = cell.split(".")
        if len(rest) == 2 and rest[0] not in left_out:  # a third part is a variant
            planned.setdefault((track, rest[0]), []).append(cell)
    for (track, safe), cells in planned.items():
        yield track, names.get((track, safe), safe), sorted(cells, key=lambda cell: (len(cell), cell))


def _repeats(
    manifest: Manifest, night: Night, track: str, contender: str, planned: list[str], records: Mapping[str, Record]
) -> Repeats:
    suite = manifest.suite
    own = [records[cell] for cell in planned if cell in records]
    seeds = suite.get("seeds")
    absent = unfinished(planned, records)
    if not absent and isinstance(seeds, int) and len(planned) < seeds:
        absent = f"only {len(planned)} of {seeds} repeats were planned"
    protocol = _protocol(suite, track, contender, own)
    return Repeats(track, contender, night.machine, protocol, own, absent, _counted(suite), _stamp(night))


def _protocol(suite: Mapping[str, Any], track: str, contender: str, records: Iterable[Record]) -> str:
    """Hash of all that decides what this contender's numbers mean."""
    formats = {record.precision for record in records if record.status == "ok"} or {record.precision for record in records}
    tracks = suite.get("tracks")
    data = (
        [t.get("data_hash") for t in tracks if isinstance(t, dict) and t.get("name") == track] if isinstance(tracks, list) else []
    )
    samplers = suite.get("samplers")
    asked = samplers.get(contender) if isinstance(samplers, dict) else None
    parts = [*(suite.get(key) for key in ("budget", "training", "evaluation", "seeds")), asked, data, sorted(formats)]
    return digest(PROTOCOL, json.dumps(parts, sort_keys=True))


def _counted(suite: Mapping[str, Any]) -> bool:
    """True where the budget is in steps or samples, so that what was trained repeats to the letter."""
    budget = suite.get("budget")
    try:
        return Budget.parse(str(budget.get("train"))).axis in ("steps", "samples") if isinstance(budget, dict) else False
    except UsageError:
        return False


def _stamp(night: Night) -> Point:
    return Point(night.run, night.started, night.commit, "ok")


def _safe(contender: str) -> str:
    """A contender's name as it stands in the ids of its cells."""
    return Cell(track="", contender=contender, seed=0).id.split(".")[1]
