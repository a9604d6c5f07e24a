"""The index of a folder of runs: what was when, as series. The folders are the truth, `.index.sqlite` can go at any time.

A run is read again where names, sizes or times of its JSON files changed; what vanished is dropped. The file is a copy of what is
in memory (see rows.py), and where it cannot be written nothing is lost. Merging histories is copying folders.

before       earlier runs of a night: those that started before it, on the same machine, under another name
missing      a series that one of the last three earlier runs of the same suite had, or on which an alert is open, and that is not
             there tonight, unless its entry and metric are there under another protocol
never there  a missing value of a series that has never had one is dropped, unless nothing was ever measured of its entry
"""

import math
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from paragone.bench.history import rows
from paragone.bench.history.benchmarks import BENCHMARK_FILE, clean
from paragone.bench.history.judging import History
from paragone.bench.history.life import CHECK_FILE, Check, Past, past_of
from paragone.bench.history.reading import read_night
from paragone.bench.history.screen import WINDOW
from paragone.bench.history.series import Key, Night, Point, Series, digest

INDEX_FILE = ".index.sqlite"
LAST = 3
"""Earlier runs in which a series must have been for its absence to be told."""


class Index:
    """Nights, series and checks of a folder of run folders; open it with `Index.open`, in a `with` or with `close` at the end."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder, self._connection = folder, connection

    @classmethod
    def open(cls, folder: Path) -> "Index":
        """The index of a folder, brought up to date; of one that is not there, an empty one."""
        index = cls(folder, rows.load(folder / INDEX_FILE))
        if index._refresh() and folder.is_dir():
            rows.save(index._connection, folder / INDEX_FILE)
        return index

    def close(self) -> None:
        """Let go of the memory."""
        self._connection.close()

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def nights(self) -> list[Night]:
        """All runs whose start is known, oldest first, without their points."""
        return rows.nights(self._connection)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files that could not be used, each with the reason."""
        return tuple(words for (words,) in self._connection.execute("SELECT words FROM skipped ORDER BY words"))

    @property
    def checks(self) -> tuple[Check, ...]:
        """What earlier checks said."""
        return tuple(check for _, check in rows.checks(self._connection))

    @property
    def past(self) -> Past:
        """The state after all checks."""
        return past_of(self.checks)

    def all_series(self) -> list[Series]:
        """Every series that ever had a value, with all its points, oldest first."""
        commits = {night.run: night.commit for night in self.nights}
        found = []
        for number, key in rows.keys(self._connection):
            asked = f"SELECT {rows.POINT} FROM points WHERE series = ? ORDER BY started, run"
            points = rows.points(self._connection.execute(asked, (number,)), commits)
            if any(point.status != "missing" for point in points):
                found.append(Series(key, points))
        return found

    def before(self, night: Night) -> tuple[Night, History]:
        """The night with what is missing in it, and all that earlier nights say."""
        earlier = [n for n in self.nights if n.started < night.started and n.run != night.run]
        same = [n for n in earlier if n.machine == night.machine]
        of_suite = [n for n in same if n.suite == night.suite]
        said = [check for run, check in rows.checks(self._connection) if run != night.run and check.started < night.started]
        past = past_of(said)
        tonight = self._complete(night, of_suite, past)
        commits = {n.run: n.commit for n in same}
        series = {key: found for key in tonight.points if (found := self._series(key, night, commits)) is not None}
        unseen = [key for key, point in tonight.points.items() if point.status != "missing" and key not in series]
        foreign = {key: words for key in unseen if (words := self._foreign(key, night, {n.run: n for n in earlier}))}
        return tonight, History(series, past, _controls(same), foreign)

    def _series(self, key: Key, night: Night, commits: dict[str, str]) -> Series | None:
        """The last eligible points before the night; None where there is none."""
        number = rows.find(self._connection, key)
        condition = "series = ? AND started < ? AND run != ? AND status = 'ok'"
        asked = f"SELECT {rows.POINT} FROM points WHERE {condition} ORDER BY started DESC, run DESC LIMIT {WINDOW}"
        found = self._connection.execute(asked, (number, night.started, night.run)).fetchall() if number is not None else []
        return Series(key, rows.points(reversed(found), commits)) if found else None

    def _complete(self, night: Night, of_suite: list[Night], past: Past) -> Night:
        """The night without what never was, and with what should be there and is not."""
        measured = {key.entry for key, point in night.points.items() if point.status != "missing"}
        kept = {key: p for key, p in night.points.items() if p.status != "missing" or self._expected(key, night, measured)}
        there = {(key.entry, key.metric) for key in kept}
        for key, run in self._recent(night, of_suite, past).items():
            if (key.entry, key.metric) not in there:
                kept[key] = Point(night.run, night.started, night.commit, "missing", reason=_why(key, night, run))
        return replace(night, points=kept)

    def _expected(self, key: Key, night: Night, measured: set[str]) -> bool:
        """Whether a series without a value tonight is one: it had one before, or its entry never had any."""
        if any(p.series == key for p in self._seen("entry = ? AND metric = ? AND machine = ? AND protocol = ?", key, night)):
            return True
        return key.entry not in measured and not any(True for _ in self._seen("entry = ?", key, night))

    def _seen(self, condition: str, key: Key, night: Night) -> Iterator["_Seen"]:
        """The last run before the night in which each series like this one had a value."""
        values = (key.entry, key.metric, key.machine, key.protocol)[: condition.count("?")]
        asked = "SELECT started, run FROM points WHERE series = ? AND started < ? AND run != ? AND status != 'missing'"
        for number, found in rows.keys(self._connection, condition, values):
            last = self._connection.execute(f"{asked} ORDER BY started DESC LIMIT 1", (number, night.started, night.run)).fetchone()
            if last is not None:
                yield _Seen(found, *last)

    def _recent(self, night: Night, of_suite: list[Night], past: Past) -> dict[Key, str]:
        """Series that should be there tonight, and the run that had them last."""
        found: dict[Key, str] = {}
        named = dict(rows.keys(self._connection, "machine = ?", (night.machine,)))
        runs = 0
        for n in reversed(of_suite):
            asked = f"SELECT series FROM points WHERE {rows.OF_RUN} AND status = 'ok'"
            numbers = [number for (number,) in self._connection.execute(asked, (n.started, n.run))]
            for number in numbers:
                found.setdefault(named[number], n.run)
            runs += bool(numbers)
            if runs == LAST:
                break
        for key in named.values():
            if key.id in past.open:
                found.setdefault(key, past.open[key.id][-1].opened)
        return found

    def _foreign(self, key: Key, night: Night, earlier: Mapping[str, Night]) -> str:
        """Why earlier points of this entry and metric do not count; empty where there are none."""
        seen = list(self._seen("entry = ? AND metric = ?", key, night))
        if not seen or any(s.series == key for s in seen):  # seen as it is, though never well enough to be compared
            return ""
        last = max(seen, key=lambda s: (s.series.machine == key.machine, s.started))
        if last.series.machine == key.machine:
            return f"another protocol: budget or suite changed since {last.run}"
        other = earlier[last.run].fingerprint
        names = sorted(name for name in {*other, *night.fingerprint} if other.get(name) != night.fingerprint.get(name))
        differ = [f"{n} is {night.fingerprint.get(n, 'unknown')!r} tonight and {other.get(n, 'unknown')!r} before" for n in names]
        return f"another machine: {'; '.join(differ)}"

    def _refresh(self) -> bool:
        """Bring the tables up to date with the folders; True where anything had changed."""
        known = dict(self._connection.execute("SELECT run, signature FROM runs").fetchall())
        there: dict[str, tuple[Path, str]] = {}
        for path in _run_folders(self.folder):
            there[clean(path.name)] = (path, _signature(path))
        gone = [run for run, signature in known.items() if run not in there or there[run][1] != signature]
        new = [run for run, (_, signature) in there.items() if known.get(run) != signature]
        self._connection.execute("BEGIN")
        for run in gone:
            rows.drop(self._connection, run)
        for run in new:
            path, signature = there[run]
            rows.add(self._connection, run, signature, read_night(path))
        if gone:
            rows.forget_empty(self._connection)
        self._connection.execute("COMMIT")
        return bool(gone or new)


class _Seen(NamedTuple):
    """A series, and the run in which it last had a value."""

    series: Key
    started: str
    run: str


def _run_folders(folder: Path) -> list[Path]:
    """Folders that are runs or parts of one, by name."""
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_dir()]
    except OSError:
        return []
    return sorted(path for path in found if any((path / name).exists() for name in ("run.json", "cells", BENCHMARK_FILE)))


def _signature(folder: Path) -> str:
    """Hash over names, sizes and times of a run's JSON files; a file that cannot be looked at counts by its name."""
    paths = [folder / name for name in ("run.json", BENCHMARK_FILE, CHECK_FILE)] + sorted((folder / "cells").glob("*.json"))
    return digest(*(clean(_stamp(path)) for path in paths))


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return f"{path.name} -"
    return f"{path.name} {found.st_size} {found.st_mtime_ns}"


def _why(key: Key, night: Night, run: str) -> str:
    """Why a series is missing: what is said of its entry, or of its contender, and else where it was last."""
    parts = key.entry.split("/")
    for entry in (key.entry, "/".join(parts[:2])):
        for other, point in night.points.items():
            if other.entry == entry and point.status == "missing" and point.reason.startswith(("cell ", "only ")):
                return point.reason
    return f"it is not in this run; {run} had it" + (f" ({night.problem})" if night.problem else "")


def _controls(nights: list[Night]) -> list[Point]:
    """The control workload on these nights, as points of log seconds."""
    timed = [(n, n.control_s) for n in nights if n.control_s is not None][-WINDOW:]
    return [Point(n.run, n.started, n.commit, "ok", math.log(seconds), seconds) for n, seconds in timed]
