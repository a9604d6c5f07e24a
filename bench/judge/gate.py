"""The memorisation gate: who shows training items back is no better than a photocopier, whatever its FID.

An entry is flagged where, in any of its seeds,

    (i)   its share of exact copies exceeds held-out real's by more than 1 %, or
    (ii)  the lower 95 % limit of its share of near copies exceeds held-out real's upper limit by more than 2 %
          (limits of Clopper and Pearson; near: d(nearest) / d(second nearest) < 1/3).

Each seed is a model of its own, so seeds are judged apart and one memorised seed flags the entry: pooled, one copier among
three would hide behind two that are not. Held-out real is the same set of images in every seed, so its counts are not pooled
either (that would treble its n without a new image): the row of the same seed is taken, else that of the lowest seed.
"""

from dataclasses import dataclass

from paragone.bench.judge.blocks import Entry, Track
from paragone.bench.judge.intervals import clopper_pearson
from paragone.bench.records import Measurement

FLOOR = "held-out real"
EXACT_MARGIN = 0.01
NEAR_MARGIN = 0.02


@dataclass(frozen=True)
class Gate:
    """The gate's answer on one entry; `judged` False says that there was nothing to judge, and why."""

    entry: str
    judged: bool
    memorised: bool
    reason: str


def gate(track: Track) -> dict[str, Gate]:
    """The gate's answer on every entry of a track, references included, by the entry's name."""
    return {entry.name: gate_entry(track, entry) for entry in track.entries}


def gate_entry(track: Track, entry: Entry) -> Gate:
    """The gate's answer on one entry."""
    floor = track.entry(FLOOR)
    if floor is None:
        return Gate(entry.name, False, False, f"not judged: no row for {FLOOR}")
    reasons = [_reason(track, entry, floor, seed) for seed in track.seeds]
    judged = [reason for reason in reasons if reason is not None]
    flagged = [reason for reason in judged if reason]
    if flagged:
        return Gate(entry.name, True, True, f"{flagged[0]}; {len(flagged)} of {len(judged)} seeds memorised")
    if not judged:
        return Gate(entry.name, False, False, "not judged: no samples were compared with the training data")
    return Gate(entry.name, True, False, f"{len(judged)} of {len(judged)} seeds show no more copies than held-out real data")


def _reason(track: Track, entry: Entry, floor: Entry, seed: int) -> str | None:
    """Why this seed is memorised, "" where it is not, None where it cannot be judged."""
    exact, exact_floor = _share(track, entry, "copied_share", seed), _floor(track, floor, "copied_share", seed)
    near, near_floor = _share(track, entry, "near_copy_share", seed), _floor(track, floor, "near_copy_share", seed)
    if exact is not None and exact_floor is not None and exact[0] > exact_floor[0] + EXACT_MARGIN:
        return f"seed {seed}: {exact[0]:.1%} are exact copies of training items, {exact_floor[0]:.1%} of held-out real"
    if near is not None and near_floor is not None:
        low, high = _limits(near)[0], _limits(near_floor)[1]
        if low > high + NEAR_MARGIN:
            return (
                f"seed {seed}: {near[0]:.1%} are near copies of training items (at least {low:.1%}, where held-out real has "
                f"at most {high:.1%})"
            )
    compared = (exact is not None and exact_floor is not None) or (near is not None and near_floor is not None)
    return "" if compared else None


def _share(track: Track, entry: Entry, metric: str, seed: int) -> tuple[float, int] | None:
    """Share and the number of items it was taken of."""
    found: Measurement | None = track.measurement(entry, metric, seed)
    if found is None or found.value is None or not found.n:
        return None
    return found.value, found.n


def _floor(track: Track, floor: Entry, metric: str, seed: int) -> tuple[float, int] | None:
    shares = (_share(track, floor, metric, s) for s in (seed, *track.seeds))
    return next((share for share in shares if share is not None), None)


def _limits(share: tuple[float, int]) -> tuple[float, float]:
    return clopper_pearson(round(share[0] * share[1]), share[1])
