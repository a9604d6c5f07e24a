"""The tables of the index, and nights, points and checks as their rows.

The tables live in memory; the file is a copy of them, replaced as a whole, with a hash behind it that SQLite overlooks. Everything
can be made again from the run folders, so a file that is damaged in any byte, or of another version, is not used, and of two
processes that write at the same time either may win. Order is by start and then by name, never by the order of insertion.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from paragone.bench.files import write_atomically
from paragone.bench.history.life import Check
from paragone.bench.history.reading import Reading
from paragone.bench.history.series import Key, Night, Point

VERSION = 1
"""Raised whenever runs are read by other rules, so that every one is read again."""
SEAL_BYTES = 32
_TABLES = """
CREATE TABLE runs (run TEXT PRIMARY KEY, signature TEXT, started TEXT, commit_id TEXT, suite TEXT, machine TEXT, fingerprint TEXT,
                   soft TEXT, control_s REAL, problem TEXT);
CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT, entry TEXT, metric TEXT, machine TEXT, protocol TEXT,
                     UNIQUE (entry, metric, machine, protocol));
CREATE TABLE points (series INTEGER, started TEXT, run TEXT, status TEXT, value REAL, raw REAL, replicates TEXT, exact TEXT,
                     reason TEXT, PRIMARY KEY (series, started, run)) WITHOUT ROWID;
CREATE TABLE checks (run TEXT PRIMARY KEY, content TEXT);
CREATE TABLE skipped (run TEXT, words TEXT);
"""
OF_RUN = "(series, started, run) IN (SELECT id, ?, ? FROM series)"
"""Points of one run, found through the primary key."""
POINT = "started, run, status, value, raw, replicates, exact, reason"
"""The columns of a point."""


def load(path: Path) -> sqlite3.Connection:
    """The tables in memory: those of a file that is whole and of this version, else empty ones."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    if data[-SEAL_BYTES:] == _seal(data[:-SEAL_BYTES]):
        connection.deserialize(data[:-SEAL_BYTES])
    else:
        connection.executescript(_TABLES)
    return connection


def save(connection: sqlite3.Connection, path: Path) -> None:
    """Write the tables as a file with their seal behind them; where it cannot be written the next one reads the runs again."""
    content = connection.serialize()
    with suppress(OSError):
        write_atomically(path, content + _seal(content))


def _seal(content: bytes) -> bytes:
    return hashlib.sha256(f"{VERSION}{_TABLES}".encode() + content).digest()


def add(connection: sqlite3.Connection, run: str, signature: str, reading: Reading) -> None:
    """Put one run into the tables."""
    night = reading.night
    texts = (json.dumps(dict(night.fingerprint), sort_keys=True), json.dumps(dict(night.soft), sort_keys=True))
    row = (run, signature, night.started, night.commit, night.suite, night.machine, *texts, night.control_s, night.problem)
    connection.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(row))})", row)
    numbers = {key: number(connection, key) for key in night.points}
    rows = [(numbers[key], *_row(point)) for key, point in night.points.items()]
    connection.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.executemany("INSERT INTO skipped VALUES (?, ?)", [(run, words) for words in reading.skipped])
    if reading.check is not None:
        connection.execute("INSERT INTO checks VALUES (?, ?)", (run, reading.check.model_dump_json()))


def drop(connection: sqlite3.Connection, run: str) -> None:
    """Take one run out of the tables."""
    for (started,) in connection.execute("SELECT started FROM runs WHERE run = ?", (run,)).fetchall():
        connection.execute(f"DELETE FROM points WHERE {OF_RUN}", (started, run))
    for table in ("runs", "checks", "skipped"):
        connection.execute(f"DELETE FROM {table} WHERE run = ?", (run,))


def forget_empty(connection: sqlite3.Connection) -> None:
    """Take series without a point out of the tables."""
    connection.execute("DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM points WHERE series = series.id)")


def number(connection: sqlite3.Connection, key: Key) -> int:
    """The number of a series in these tables, given now where it has none."""
    found = find(connection, key)
    if found is not None:
        return found
    row = (key.id, key.entry, key.metric, key.machine, key.protocol)
    return int(connection.execute("INSERT INTO series VALUES (NULL, ?, ?, ?, ?, ?)", row).lastrowid or 0)


def find(connection: sqlite3.Connection, key: Key) -> int | None:
    """The number of a series in these tables, None where it is not known."""
    where = "entry = ? AND metric = ? AND machine = ? AND protocol = ?"
    row = (key.entry, key.metric, key.machine, key.protocol)
    found = connection.execute(f"SELECT id FROM series WHERE {where}", row).fetchone()
    return None if found is None else int(found[0])


def nights(connection: sqlite3.Connection) -> list[Night]:
    """All runs whose start is known, oldest first, without their points."""
    asked = "SELECT run, started, commit_id, suite, machine, fingerprint, soft, control_s, problem FROM runs WHERE started != ''"
    return [
        Night(run, started, commit, suite, machine, json.loads(fingerprint), json.loads(soft), control, {}, problem)
        for run, started, commit, suite, machine, fingerprint, soft, control, problem in connection.execute(
            f"{asked} ORDER BY started, run"
        )
    ]


def checks(connection: sqlite3.Connection) -> list[tuple[str, Check]]:
    """(folder's name, check) of all runs that were checked."""
    found = connection.execute("SELECT run, content FROM checks ORDER BY run").fetchall()
    return [(run, Check.model_validate_json(content)) for run, content in found]


def keys(connection: sqlite3.Connection, condition: str = "1", values: Sequence[str] = ()) -> list[tuple[int, Key]]:
    """Number and key of the series under a condition."""
    asked = f"SELECT id, entry, metric, machine, protocol FROM series WHERE {condition} ORDER BY entry, metric, machine, protocol"
    return [(found, Key(*key)) for found, *key in connection.execute(asked, tuple(values))]


def points(found: Iterable[tuple[Any, ...]], commits: Mapping[str, str]) -> list[Point]:
    """Points from their rows (`POINT`); `commits` by run."""
    return [
        Point(run, started, commits.get(run, ""), status, value, raw, tuple(json.loads(replicates or "[]")), exact, reason)
        for started, run, status, value, raw, replicates, exact, reason in found
    ]


def _row(point: Point) -> tuple[object, ...]:
    replicates = json.dumps(point.replicates) if point.replicates else ""
    return (point.started, point.run, point.status, point.value, point.raw, replicates, point.exact, point.reason)
