"""What only one of two runs has: entries, metrics, cells that failed; and whether the samples of both are the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from paragone.bench.judge.compared import told
from paragone.bench.judge.sides import Side
from paragone.bench.store import sample_stem


@dataclass(frozen=True)
class Only:
    """What only one run has: an entry (`metric` empty), or metrics of an entry that both have; why the other has not."""

    side: Literal["A", "B"]
    track: str
    entry: str
    metrics: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Failed:
    """A cell that failed on one side and not on the other: `other` says what it was there."""

    side: Literal["A", "B"]
    cell: str
    status: str
    reason: str
    other: str


def only(a: Side, b: Side) -> tuple[Only, ...]:
    """What one of two runs has and the other has not, entries first."""
    return (*_entries_only(a, b), *_metrics_only(a, b))


def failed(a: Side, b: Side) -> tuple[Failed, ...]:
    """Cells that failed in one run alone."""
    return (*_failed("A", a, b), *_failed("B", b, a))


def _entries_only(a: Side, b: Side) -> Iterator[Only]:
    for name, side, other in _both(a, b):
        for entry, words in side.entries.items():
            if entry not in other.entries:
                yield Only(name, entry[0], words)


def _metrics_only(a: Side, b: Side) -> Iterator[Only]:
    """Metrics of common entries that only one run has a value of, by the reason that the other gives."""
    for name, side, other in _both(a, b):
        groups: dict[tuple[str, str, str], list[str]] = {}
        for key, seen in side.seen.items():
            theirs = other.seen.get(key)
            if not seen.there or (theirs is not None and theirs.there) or not told(key.metric, other.axis):
                continue
            shared = [e for e in other.entries if e[:2] == (key.track, key.contender) and key.sampler in ("", e[2])]
            if shared:
                reason = theirs.missing if theirs is not None else _why(other, key.track, key.contender)
                groups.setdefault((key.track, side.name_of(key), reason), []).append(key.metric)
        yield from (Only(name, track, entry, tuple(found), reason) for (track, entry, reason), found in groups.items())


def _why(side: Side, track: str, contender: str) -> str:
    """Why a run has nothing of a metric: no cell of the contender ended well, or it is not measured there."""
    ended = any(r.status == "ok" for (name, _), r in side.tracks[track].records.items() if name == contender)
    return "not among what was measured there" if ended else "no cell ended well there"


def _failed(name: Literal["A", "B"], side: Side, other: Side) -> Iterator[Failed]:
    """Cells that failed here, and there are well or were never run."""
    there = {record.cell.id: record for record in other.records}
    for cell, record in side.failed.items():
        if cell in other.failed:
            continue
        failure = record.failure
        reason = f"{failure.kind}: {failure.message}" if failure is not None else ""
        yield Failed(name, cell, record.status, reason, "ok" if cell in there else "not run")


def _both(a: Side, b: Side) -> tuple[tuple[Literal["A", "B"], Side, Side], ...]:
    return (("A", a, b), ("B", b, a))


def samples(a: Side, b: Side) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the entries whose samples are the same on all common seeds, and of those with other samples on some."""
    same: list[str] = []
    other: list[str] = []
    for (track, contender, sampler), name in a.entries.items():
        found = [
            (x.files[path], y.files[path])
            for seed in a.tracks[track].seeds
            if (x := a.record(track, contender, seed)) and (y := b.record(track, contender, seed))
            if (path := f"{sample_stem(x.cell, sampler)}.npz") in x.files and path in y.files
        ]
        if found:
            (same if all(u == v for u, v in found) else other).append(f"{track}/{name}")
    return tuple(same), tuple(other)
