"""The memorisation gate: who shows training items back is no better than a photocopier, whatever its FID.

An entry is flagged where, in any of its seeds,

    (i)   its share of exact copies exceeds held-out real's by more than 1 %, or
    (ii)  the lower 95 % limit of its share of near copies exceeds held-out real's upper limit by more than 2 %
          (limits of Clopper and Pearson; near: d(nearest) / d(second nearest) < 1/3), or
    (iii) its median of d(nearest training item) / d(nearest test item) is below .8 of held-out real's own, for copies under so
          much change that no single training item stands out. (Digits, as a share of held-out real's: copies with noise of
          standard deviation .1 .32, copies moved by a pixel .70; a Gaussian mixture 1.00, real blurred 1.10.)

Each seed is a model of its own, so seeds are judged apart and one memorised seed flags the entry: pooled, one copier among
three would hide behind two that are not. Held-out real is the same set of images in every seed, so its counts are not pooled
either (that would treble its n without a new image): the row of the same seed is taken, else that of the lowest seed.
"""

from dataclasses import dataclass

from paragone.bench.judge.blocks import Entry, Track, remembered
from paragone.bench.judge.intervals import clopper_pearson
from paragone.bench.judge.stability import FLOOR
from paragone.bench.records import Measurement

EXACT_MARGIN = 0.01
NEAR_MARGIN = 0.02
NEARNESS = 0.8


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


@remembered
def gate_entry(track: Track, entry: Entry) -> Gate:
    """The gate's answer on one entry."""
    floor = track.entry(FLOOR)
    if floor is None:
        return Gate(entry.name, False, False, f"not judged: no row for {FLOOR}")
    reasons = [_reason(track, entry, floor, seed) for seed in track.seeds]
    judged = [reason for reason in reasons if reason is not None]
    flagged = [reason for reason in judged if reason]
    if flagged:
        share = f"; {len(flagged)} of {len(judged)} seeds memorised" if len(judged) > 1 else ""
        return Gate(entry.name, True, True, f"{flagged[0]}{share}")
    if not judged:
        return Gate(entry.name, False, False, "not judged: no samples were compared with the training data")
    seeds = f"in each of {len(judged)} seeds " if len(judged) > 1 else ""
    return Gate(entry.name, True, False, f"{seeds}no more copies than held-out real data")


def _reason(track: Track, entry: Entry, floor: Entry, seed: int) -> str | None:
    """Why this seed is memorised, "" where it is not, None where it cannot be judged."""
    rules = (_exact, _near, _nearness)
    metrics = ("copied_share", "near_copy_share", "nearest_train_ratio")
    reasons = []
    for rule, metric in zip(rules, metrics, strict=True):
        own, real = _measured(track, entry, metric, seed), _floor(track, floor, metric, seed)
        if own is not None and real is not None:
            reasons.append(rule(own, real))
    if not reasons:
        return None
    return next((f"seed {seed}: {reason}" for reason in reasons if reason), "")


_Value = tuple[float, int]
"""A metric's value and the number of items it was taken of."""


def _exact(own: _Value, real: _Value) -> str:
    if own[0] <= real[0] + EXACT_MARGIN:
        return ""
    return f"{own[0]:.1%} are exact copies of training items, {real[0]:.1%} of held-out real"


def _near(own: _Value, real: _Value) -> str:
    low, high = _limits(own)[0], _limits(real)[1]
    if low <= high + NEAR_MARGIN:
        return ""
    return f"{own[0]:.1%} are near copies of training items (at least {low:.1%}, where held-out real has at most {high:.1%})"


def _nearness(own: _Value, real: _Value) -> str:
    if own[0] >= NEARNESS * real[0]:
        return ""
    return (
        f"the nearest training item is {own[0]:.2f} times as far as the nearest test item (median), of held-out real {real[0]:.2f} "
        f"times: less than {NEARNESS:g} of that"
    )


def _measured(track: Track, entry: Entry, metric: str, seed: int) -> _Value | None:
    found: Measurement | None = track.measurement(entry, metric, seed)
    if found is None or found.value is None or not found.n:
        return None
    return found.value, found.n


def _floor(track: Track, floor: Entry, metric: str, seed: int) -> _Value | None:
    values = (_measured(track, floor, metric, s) for s in (seed, *track.seeds))
    return next((value for value in values if value is not None), None)


def _limits(share: _Value) -> tuple[float, float]:
    return clopper_pearson(round(share[0] * share[1]), share[1])
