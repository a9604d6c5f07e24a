"""What this history can see: the noise of each series, the smallest effect that is found, and how often nothing raises an alert.

    power(d)      chance that a change by d is found the same night: P(the screen suspects it) x P(ten pairs confirm it)
    screen        tonight ~ level + d + s t(n - 1); suspected above the limit and the smallest effect
    confirmation  mean of ten differences of two single repeats, spread sqrt(2) times that of one repeat (without what is the seed's
                  own, since pairs share it; quality: with it): noncentral t above its bound, and above the smallest effect
    two nights    where nothing can be run again: both of two nights lie beyond the interval at alpha .2 %
    smallest      the d at which power is 80 %
    false alerts  quiet nights drawn from what is left of each series around its segments, in blocks of three nights (Kuensch 1989),
                  and judged by `judge_night` itself; quality as if each night's code drew every seed anew, which is the worst case

Exact series have neither noise nor false alerts and are left out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit
from scipy.stats import nct

from paragone.bench.history.confirmation import LEVEL, LOOKS
from paragone.bench.history.judging import PAIRS, History, judge_night
from paragone.bench.history.life import Check, Past, past_of
from paragone.bench.history.screen import WINDOW, Baseline, baseline
from paragone.bench.history.segments import CLIP, Array
from paragone.bench.history.series import Key, Night, Point, Series
from paragone.bench.history.watched import WATCHED, Watch

POWER = 0.8
MONTH = 30
"""Nights of a month."""
DRAWN = 120
"""Quiet series that are drawn; each is judged on thirty nights."""
BLOCK = 3
WIDE = math.log(1.05)
"""A ratio to the control workload that spreads by more calls for a word of its own."""
_SEED = 20_261_125


@dataclass(frozen=True)
class Sight:
    """What can be seen in one series.

    Attributes:
        nights: eligible nights; `known` what they let expect of the next, None below ten.
        again, alone: smallest effect found at 80 % power the same night with re-runs, or in two nights without; compared values.
    """

    key: Key
    nights: int
    known: Baseline | None
    again: float | None = None
    alone: float | None = None

    @property
    def watch(self) -> Watch:
        """How its metric is watched."""
        return WATCHED[self.key.metric]

    @property
    def wide(self) -> bool:
        """True for a time or energy that spreads by more than 5 % although it is divided by the control workload."""
        return self.watch.kind in ("time", "energy") and self.known is not None and self.known.sd > WIDE


@dataclass(frozen=True)
class Calibration:
    """A history's calibration.

    Attributes:
        sights: every series that has noise, noisiest first within its metric, those without enough nights last.
        rerun_share: share of quiet series-nights that go to a re-run.
        false_again, false_alone: false alerts a month of all these series, with re-runs and without.
        drawn: quiet series-nights that were drawn and judged for these figures.
    """

    sights: tuple[Sight, ...]
    rerun_share: float
    false_again: float
    false_alone: float
    drawn: int


def calibrate(series: Sequence[Series], past: Past) -> Calibration:
    """Calibrate a history of `series`, each with its points oldest first; `past` is what earlier checks said."""
    newest = [s for s in _newest(series) if WATCHED[s.key.metric].kind != "exact"]
    sights = {s.key: _sight(s, past) for s in newest}
    ordered = sorted(sights.values(), key=lambda x: (x.known is None, x.key.metric, -(x.known.sd if x.known else 0.0), x.key))
    judged = [s for s in newest if sights[s.key].known is not None]
    if not judged:
        return Calibration(tuple(ordered), 0.0, 0.0, 0.0, 0)
    suspected, alerts, drawn = _quiet([(s, known) for s in judged if (known := sights[s.key].known) is not None])
    month = MONTH * len(judged) / drawn
    return Calibration(tuple(ordered), suspected / drawn, month * suspected * (1 - LEVEL), month * alerts, drawn)


def smallest_seen(known: Baseline, watch: Watch, single: float) -> tuple[float, float]:
    """Effects found at 80 % power: the same night with re-runs, and in two nights without; infinite if there is none.

    Compared values; `single` is the spread of one repeat.
    """
    suspected = max(known.limit - known.level, watch.smallest)
    alarming = max(known.alarm - known.level, watch.smallest)
    pairs = 2 * PAIRS
    error = max(single * math.sqrt(2 / pairs), 1e-12)
    bound = float(stdtrit(pairs - 1, 1 - (1 - LEVEL) / LOOKS))

    def beyond(limit: float, d: float) -> float:
        return float(stdtr(known.n - 1, (d - limit) / known.sd))

    def confirmed(d: float) -> float:
        return min(float(nct.sf(bound, pairs - 1, d / error)), float(stdtr(pairs - 1, (d - watch.smallest) / error)))

    # On the second night the first one is part of the past, and clipped as it is it widens the interval.
    again = alarming * math.sqrt((known.n + CLIP**2) / (known.n + 1))
    most = watch.smallest + 100 * (known.sd + error)
    return _root(lambda d: beyond(suspected, d) * confirmed(d), most), _root(lambda d: beyond(alarming, d) * beyond(again, d), most)


def _root(power: Callable[[float], float], most: float) -> float:
    return float(brentq(lambda d: power(d) - POWER, 0.0, most, xtol=1e-6)) if power(most) > POWER else math.inf


def _newest(series: Sequence[Series]) -> list[Series]:
    """Of each entry and metric the series that was measured last: the others are of machines and protocols that went."""
    newest: dict[tuple[str, str], Series] = {}
    for s in (s for s in series if s.eligible):
        held = newest.get((s.key.entry, s.key.metric))
        if held is None or s.eligible[-1].started > held.eligible[-1].started:
            newest[s.key.entry, s.key.metric] = s
    return list(newest.values())


def _sight(series: Series, past: Past) -> Sight:
    recent, watch = series.eligible[-WINDOW:], WATCHED[series.key.metric]
    known = baseline(recent, watch, past.explained.get(series.key.id, ()))
    if known is None:
        return Sight(series.key, len(recent), None)
    return Sight(series.key, len(recent), known, *smallest_seen(known, watch, _single(recent, known, watch)))


def _single(recent: Sequence[Point], known: Baseline, watch: Watch) -> float:
    """Spread of one repeat, in compared values."""
    table = _repeats(recent, known)
    if table is None:
        return known.sd
    left = table - table.mean(axis=1, keepdims=True)
    if watch.kind == "quality":
        return float(np.sqrt((left**2).sum() / (table.shape[0] * (table.shape[1] - 1))))
    left = left - left.mean(axis=0)
    return float(np.sqrt((left**2).sum() / ((table.shape[0] - 1) * (table.shape[1] - 1)))) if table.shape[0] > 1 else known.sd


def _repeats(recent: Sequence[Point], known: Baseline) -> Array | None:
    """Repeats of the reference nights, (nights, repeats); None where there are fewer than two a night."""
    nights = [recent[int(k)].replicates for k in known.segments.reference]
    fewest = min(len(night) for night in nights)
    return np.array([night[:fewest] for night in nights]) if fewest > 1 else None


def _quiet(judged: Sequence[tuple[Series, Baseline]]) -> tuple[int, int, int]:
    """Suspicions, alerts, and series-nights among quiet nights drawn from these series, without re-runs."""
    generator = np.random.default_rng(_SEED)
    rows = [judged[k % len(judged)] for k in range(max(DRAWN, min(len(judged), 2 * DRAWN)))]
    length = max(known.n for _, known in judged)
    keys = [Key(f"{s.key.entry}#{k}", s.key.metric, "", "") for k, (s, _) in enumerate(rows)]
    points = [_drawn(s, known, length + MONTH, generator) for s, known in rows]
    checks: list[Check] = []
    suspected = alerts = 0
    for night in range(length, length + MONTH):
        histories = {key: Series(key, p[max(0, night - WINDOW) : night]) for key, p in zip(keys, points, strict=True)}
        tonight = Night(
            f"{night:04d}", _date(night), "", "", "", {}, points={k: p[night] for k, p in zip(keys, points, strict=True)}
        )
        judgement = judge_night(tonight, History(histories, past_of(checks)), None)
        checks.append(judgement.check)
        suspected += sum(f.state in ("waiting", "moved", "alert") for f in judgement.findings)
        alerts += len(judgement.opened)
    return suspected, alerts, len(rows) * MONTH


def _drawn(series: Series, known: Baseline, count: int, generator: np.random.Generator) -> list[Point]:
    """Quiet nights with the noise of a series."""
    recent, watch = series.eligible[-WINDOW:], WATCHED[series.key.metric]
    table = _repeats(recent, known)
    if watch.kind == "quality" and table is not None:
        left = table - table.mean(axis=1, keepdims=True)
        nights = known.level + generator.choice(left.ravel(), (count, table.shape[1])) * math.sqrt(1 + 1 / (table.shape[1] - 1))
        return [_point(k, float(night.mean()), tuple(night.tolist())) for k, night in enumerate(nights)]
    left = known.residuals
    starts = generator.integers(0, max(1, left.size - BLOCK + 1), math.ceil(count / BLOCK))
    noise = np.concatenate([left[start : start + BLOCK] for start in starts])[:count]
    return [_point(k, known.level + float(e)) for k, e in enumerate(noise)]


def _point(night: int, value: float, replicates: tuple[float, ...] = ()) -> Point:
    return Point(f"{night:04d}", _date(night), "", "ok", value, None, replicates)


def _date(night: int) -> str:
    return f"night {night:04d}"
