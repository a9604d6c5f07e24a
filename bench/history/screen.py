"""The screen: is tonight's value beyond what the nights before let expect? A first look, on which nobody is woken.

    interval   level + t(1 - alpha; n - 1) s sqrt(1 + pi / (2 m)),  level the median of the m reference nights
    s          1.4826 MAD around each segment's own median over all n nights, or the standard deviation of what is left after
               clipping at 3 of that, whichever is larger (heavy tails); at least a third of the smallest effect
    quality    level: median over nights of the seeds' mean; s: pooled over seeds, by sqrt(seeds); m counts distinct nights
    suspect    beyond the interval at alpha 2 %, and above the level by more than the smallest effect
    lingering  beyond the smallest effect, and the mean of tonight and the two nights before, none counted beyond its limit, above
               the level by t(1 - 1 %) s sqrt((3 + 4 r + 2 r^2) / 9): three nights whose noise has lag-1 correlation r
    creep      median of the last ten nights above that of the first ten since the last step by three smallest effects, and beyond
               the interval of a difference of two such medians at alpha .2 %

pi / 2 is the variance of a median over that of a mean. Where a run is deterministic nights repeat exactly: distinct ones count.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit

from paragone.bench.history.segments import CLIP, LONG, MAD_TO_SD, Array, Segments, first_bad, lag_one, segment
from paragone.bench.history.series import Point
from paragone.bench.history.watched import Watch

ALPHA = 0.02
"""Chance that a quiet night is looked at again."""
ALPHA_THREE = 0.01
"""The same for three nights together."""
ALPHA_ALONE = 0.002
"""The same where the base cannot be run again and two nights must agree."""
WINDOW = 120
"""Nights of the past that are read."""
FLOOR = 1 / 3
"""Least standard deviation over the smallest effect."""
CREEP = 3.0


@dataclass(frozen=True)
class Baseline:
    """What the past says of tonight, all in compared values.

    Attributes:
        level: reference level; a quiet night lies below `limit` with probability 1 - alpha, below `alarm` at alpha .2 %.
        floor: `level` less what lies above it at alpha 2 %: below it a night is better than expected.
        sd: spread of one night around its level, and `n` the nights it was read from.
        anchor: the first night (index) since the last step, from which creep is measured.
        values: the past's compared values, oldest first; `correlation` that of one night's noise with the next one's.
    """

    level: float
    limit: float
    alarm: float
    floor: float
    sd: float
    n: int
    segments: Segments
    values: Array
    correlation: float = 0.0

    @property
    def residuals(self) -> Array:
        """What is left of the past around each segment's own median."""
        return _residuals(self.values, self.segments)

    def worse(self, value: float, smallest: float) -> bool:
        """Suspect: beyond the interval and by more than the smallest effect."""
        return value > self.limit and value - self.level > smallest

    def better(self, value: float, smallest: float) -> bool:
        """The same in the other direction."""
        return value < self.floor and self.level - value > smallest

    def alarming(self, value: float, smallest: float) -> bool:
        """Beyond the interval that decides where the base cannot be run again."""
        return value > self.alarm and value - self.level > smallest

    def first_bad(self, tonight: float, smallest: float) -> int:
        """Index of the likeliest first bad night, `n` is tonight; before the reference it may have been as bad long ago."""
        start = int(self.segments.reference[0])
        return start + first_bad(np.append(self.values, tonight)[start:], self.level, smallest * FLOOR)


def baseline(past: Sequence[Point], watch: Watch, explained: Collection[str] = ()) -> Baseline | None:
    """What the past's eligible points (oldest first) let expect, None below `LONG` of them.

    `explained` are the runs at which a change for the worse was explained (`Past.explained`).
    """
    if len(past) < LONG:
        return None
    x = np.array([point.value for point in past], dtype=float)
    least = watch.smallest * FLOOR
    alarm_step = quantile(ALPHA_ALONE, x.size - 1) * max(least, _spread(x - np.median(x)))
    known_why = [k for k, point in enumerate(past) if point.run in explained]
    parts = segment(x, least, watch.smallest, alarm_step, known_why)
    if watch.kind == "quality" and min(len(point.replicates) for point in past) > 1:
        level, sd, degrees, widen = _over_seeds(past, parts.reference, least)
        correlation = 1.0  # nights of one code repeat: three say no more than one
    else:
        left = _residuals(x, parts)
        level, sd, correlation = float(np.median(x[parts.reference])), max(least, _spread(left)), lag_one(left)
        degrees, widen = x.size - 1, float(np.sqrt(1 + np.pi / 2 / parts.reference.size))
    half, far = (quantile(alpha, degrees) * sd * widen for alpha in (ALPHA, ALPHA_ALONE))
    return Baseline(level, level + half, level + far, level - half, sd, x.size, parts, x, correlation)


def lingers(known: Baseline, tonight: float, smallest: float) -> bool:
    """True where three nights are together what none of them is alone: too bad for chance."""
    if tonight - known.level <= smallest:
        return False
    three = np.minimum(np.append(known.values[-2:], tonight), known.limit)
    spread = known.sd * np.sqrt((3 + 4 * known.correlation + 2 * known.correlation**2) / 9)
    return bool(three.mean() - known.level > max(smallest, quantile(ALPHA_THREE, known.n - 1) * spread))


def crept(known: Baseline, tonight: float, smallest: float) -> float | None:
    """How far the last ten nights lie above the first ten since the last step, where that is creep; else None."""
    since = np.append(known.values, tonight)[known.segments.anchor :]
    if since.size < 2 * LONG:
        return None
    start = float(np.median(since[:LONG]))
    rise = float(np.median(since[-LONG:])) - start
    if tonight - start <= smallest:
        return None  # it was worse, and is so no longer
    bound = quantile(ALPHA_ALONE, 2 * LONG - 2) * known.sd * float(np.sqrt(np.pi / LONG))
    return rise if rise > max(CREEP * smallest, bound) else None


@lru_cache(maxsize=1024)
def quantile(alpha: float, degrees: int) -> float:
    """Upper quantile of Student's t."""
    return float(stdtrit(max(1, degrees), 1 - alpha))


def _residuals(x: Array, parts: Segments) -> Array:
    """What is left of x around each segment's own median."""
    ends = (*parts.starts[1:], x.size)
    return np.concatenate([x[a:b] - np.median(x[a:b]) for a, b in zip(parts.starts, ends, strict=True)])


def _spread(left: Array) -> float:
    """Robust standard deviation of values around 0."""
    scale = MAD_TO_SD * float(np.median(np.abs(left)))
    return max(scale, float(np.clip(left, -CLIP * scale, CLIP * scale).std()))


def _over_seeds(past: Sequence[Point], reference: np.ndarray, least: float) -> tuple[float, float, int, float]:
    """Level, spread of one night, degrees of freedom and widening from the seeds of the reference nights.

    Nights that repeat to the bit are one draw. The median over all nights keeps a single bad one from moving the level.
    """
    nights = Counter(past[int(k)].replicates for k in reference)
    seeds = min(map(len, nights))
    table = np.array([night[:seeds] for night in nights])
    level = float(np.median(np.repeat(table.mean(axis=1), list(nights.values()))))
    draws = 1 if 2 * max(nights.values()) > nights.total() else len(nights)  # what most nights repeat is the median
    sd = float(np.sqrt(table.var(axis=1, ddof=1).mean()))
    widen = float(np.sqrt(1 + (1 if draws <= 2 else np.pi / 2) / draws))
    return level, max(least, sd / np.sqrt(seeds)), table.shape[0] * (seeds - 1), widen
