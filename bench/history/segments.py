"""Change points of one series, and the level that tonight is held against.

    cost        sum of squares around each segment's mean, values clipped to 3 scales of their neighbours' median (5 nights)
    gain        n1 n2 / (n1 + n2) (m1 - m2)^2 of the best split into at least 3 and 3 nights
    accepted    gain > PENALTY s^2 (1 + r) / (1 - r),  s and r the spread and lag-1 correlation left in that stretch
    splits      by binary segmentation (Scott and Knott 1974); where no single split is accepted, the best pair of them that cuts a
                stretch out of its middle, so that what came and went is seen (circular segmentation, Olshen et al. 2004)

The reference is the stretch whose level still counts. It moves on where the series got better, where it is known why it got worse
(an alert, a re-run without a difference, a changed environment), and after `LONG` nights in any case. Until then an unexplained
worse level is held against the old one, every night anew: it cannot become normal by being overlooked for some nights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHORTEST = 3
"""Nights of the shortest segment."""
LONG = 10
"""Nights after which an unexplained worse level is the reference all the same; also the fewest with which anything is judged."""
PENALTY = 15.0
"""Gain over variance that a split must exceed; chosen by simulation: 60 quiet nights split in 1 of 100 cases (tests)."""
PENALTY_TWICE = 40.0
"""The same of two splits at once, of which there are many more."""
MAD_TO_SD = 1.4826
CLIP = 3.0
_WINDOW = 5


@dataclass(frozen=True)
class Segments:
    """`starts` of all segments, 0 first; `reference` the indices whose values make the level; `anchor` the first night since the
    last step that was explained or as large as an alarm."""

    starts: tuple[int, ...]
    reference: NDArray[np.int64]
    anchor: int


def clipped(x: Array, floor: float) -> Array:
    """Values no farther than `CLIP` scales from the median of the five nights around them: one spike is no segment."""
    half = _WINDOW // 2
    padded = np.concatenate([np.full(half, np.nan), x, np.full(half, np.nan)])
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(padded, _WINDOW), axis=1)  # what is not there comes last
    there, rows = np.count_nonzero(~np.isnan(windows), axis=1), np.arange(x.size)
    around = (windows[rows, (there - 1) // 2] + windows[rows, there // 2]) / 2  # numpy's nanmedian takes ten times as long
    scale = max(floor, MAD_TO_SD * float(np.median(np.abs(x - around))))
    return np.clip(x, around - CLIP * scale, around + CLIP * scale)


def change_points(x: Array, floor: float) -> tuple[int, ...]:
    """First nights of all segments of x (n,), 0 included; `floor` is the least standard deviation that is believed."""
    if x.size < 2 * SHORTEST:
        return (0,)
    found: list[int] = []
    values, open_ = clipped(x, floor), [(0, x.size)]
    while open_:
        start, end = open_.pop()
        cuts = _cuts(values[start:end], floor)
        ends = [start, *(start + cut for cut in cuts), end]
        found += ends[1:-1]
        open_ += list(pairwise(ends)) if cuts else []
    return (0, *sorted(found))


def _cuts(x: Array, floor: float) -> tuple[int, ...]:
    """Where to split a stretch: once, or around its middle part, or not at all."""
    n = x.size
    for cuts, penalty in ((_once(n), PENALTY), (_twice(n), PENALTY_TWICE)):
        if cuts.shape[0] == 0:
            continue
        sums = np.concatenate([[0.0], np.cumsum(x)])
        inner = sums[cuts[:, 1]] - sums[cuts[:, 0]]
        sizes = cuts[:, 1] - cuts[:, 0]
        gains = sizes * (n - sizes) / n * (inner / sizes - (sums[-1] - inner) / (n - sizes)) ** 2
        first, last = (int(cut) for cut in cuts[np.argmax(gains)])
        inside = (np.arange(n) >= first) & (np.arange(n) < last)
        left = x - np.where(inside, x[inside].mean(), x[~inside].mean())
        r = lag_one(left)
        if gains.max() > penalty * max(float(left @ left) / max(1, n - 2), floor**2) * (1 + r) / (1 - r):
            return tuple(cut for cut in (first, last) if cut < n)
    return ()


@lru_cache(maxsize=128)
def _once(n: int) -> NDArray[np.int64]:
    """All splits (k, 2) of n nights in two: the second part's first night, and n."""
    return np.array([(first, n) for first in range(SHORTEST, n - SHORTEST + 1)], dtype=np.int64).reshape(-1, 2)


@lru_cache(maxsize=128)
def _twice(n: int) -> NDArray[np.int64]:
    """All middle parts (k, 2) of n nights: the first night, and the first night after it."""
    first, last = np.meshgrid(np.arange(SHORTEST, n - SHORTEST + 1), np.arange(SHORTEST, n - SHORTEST + 1), indexing="ij")
    fits = last - first >= SHORTEST
    return np.stack([first[fits], last[fits]], axis=1)


def segment(x: Array, floor: float, smallest: float, alarm: float, explained: Sequence[int]) -> Segments:
    """Segments of x (n,), oldest first, and the reference among them.

    `smallest` is the effect below which two levels are one, `alarm` that beyond which a step is no creep, `explained` the indices
    of nights on which a change for the worse was explained.
    """
    starts = change_points(x, floor)
    ends = (*starts[1:], x.size)
    parts = [np.arange(start, end) for start, end in zip(starts, ends, strict=True)]
    reference, anchor = parts[0], 0
    for part in parts[1:]:
        shift = float(np.median(x[part]) - np.median(x[reference]))
        if abs(shift) <= smallest:
            reference = np.concatenate([reference, part])
            continue
        known = any(part[0] - SHORTEST <= night <= part[-1] for night in explained)
        if shift < 0 or known or x.size - part[0] >= LONG:
            reference = part
            anchor = int(part[0]) if known or shift > alarm else anchor
    return Segments(starts, reference, anchor)


def first_bad(x: Array, level: float, floor: float) -> int:
    """The index k that makes `x[k:]` the likeliest stretch above `level`, noise of one night depending on the night before's.

    With y = x - level and lag-1 correlation r, the innovations are u_t = y_t - r y_(t-1); a step by d at k adds d to u_k and
    (1 - r) d to those after it. k maximises (sum w u)^2 / sum w^2 over t >= k with w_k = 1, then w_t = 1 - r, where sum w u > 0.
    """
    y = clipped(x, floor) - level
    y[-1] = x[-1] - level  # tonight has no night after it that could call it a spike
    rough = _likeliest(y, 0.0)
    left = y - np.where(np.arange(y.size) < rough, 0.0, y[rough:].mean())
    return _likeliest(y, lag_one(left))


def lag_one(left: Array) -> float:
    """Lag-1 correlation of residuals (n,), from 0 to .8."""
    return min(0.8, max(0.0, float(left[1:] @ left[:-1]) / max(float(left @ left), 1e-300)))


def _likeliest(y: Array, r: float) -> int:
    u = y - r * np.concatenate([[0.0], y[:-1]])
    after = np.concatenate([np.cumsum(u[::-1])[::-1][1:], [0.0]])  # sum of u over t > k
    sums = u + (1 - r) * after
    weights = 1 + (1 - r) ** 2 * np.arange(y.size - 1, -1, -1)
    return int(np.argmax(np.maximum(sums, 0.0) ** 2 / weights))
