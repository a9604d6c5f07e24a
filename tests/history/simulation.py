"""Nights that never were: series with known noise and planted changes, judged night by night by the code of production.

Compared values are drawn here; all else (screen, storm guard, confirmation, alerts and their life) is `judge_night` itself.
Re-runs are drawn from the same noise, in the interleaved order in which the laboratory makes them.
"""

from dataclasses import dataclass, field

import numpy as np

from paragone.bench.history.judging import History, judge_night
from paragone.bench.history.life import past_of
from paragone.bench.history.series import Key, Night, Point, Series

NIGHTS = 60
CV = 0.03
METRIC = "benchmark_s"


def draw(kind, generator, shape):
    """Noise with coefficient of variation 3 % on the last axis: `gaussian`, `student-3`, or `ar1` with correlation .6."""
    if kind == "gaussian":
        return CV * generator.standard_normal(shape)
    if kind == "student-3":
        return CV / np.sqrt(3) * generator.standard_t(3, shape)
    fresh = generator.standard_normal(shape)
    x = np.empty(shape)
    x[..., 0] = fresh[..., 0]
    for k in range(1, shape[-1]):
        x[..., k] = 0.6 * x[..., k - 1] + 0.8 * fresh[..., k]
    return CV * x


@dataclass
class Bench:
    """A laboratory whose re-runs are drawn: true levels by night and series, and the same noise."""

    levels: np.ndarray
    kind: str
    generator: np.random.Generator
    keys: list
    tonight: int = 0
    reruns: int = 0

    named_base = ""

    def why_not(self, commit):
        return ""

    def differences(self, suspects, first, count):
        found = {}
        for s in suspects:
            row = self.keys.index(s.key)
            self.reruns += first == 0
            effect = self.levels[row, self.tonight] - self.levels[row, int(s.base.run)]
            noise = draw(self.kind, self.generator, (2 * count,))
            found[s.key] = [effect + noise[2 * k] - noise[2 * k + 1] for k in range(count)]
        return found


@dataclass
class Story:
    """What happened to `rows` series over the nights."""

    alerts: dict = field(default_factory=dict)
    reruns: int = 0
    judged: int = 0
    judgements: list = field(default_factory=list)
    histories: dict = field(default_factory=dict)


def live(levels, kind, seed, *, machine=None, rerun=True):
    """Live through all nights; `levels` (series, nights) are true log levels, `machine` is added to values but not to re-runs."""
    generator = np.random.default_rng(seed)
    rows, nights = levels.shape
    values = levels + draw(kind, generator, (rows, nights)) + (0 if machine is None else machine)
    keys = [Key(f"test[{k:03d}]", METRIC, "m", "p") for k in range(rows)]
    bench = Bench(levels, kind, generator, keys)
    points = [
        [
            Point(f"{n:03d}", f"2026-01-01T{n:03d}", f"c{n}", "ok", float(values[k, n]), float(np.exp(values[k, n])))
            for n in range(nights)
        ]
        for k in range(rows)
    ]
    story, checks = Story(), []
    for n in range(nights):
        bench.tonight = n
        series = {key: Series(key, points[k][:n]) for k, key in enumerate(keys)}
        night = Night(
            f"{n:03d}",
            f"2026-01-01T{n:03d}",
            f"c{n}",
            "simulated",
            "m",
            {},
            points={key: points[k][n] for k, key in enumerate(keys)},
        )
        judgement = judge_night(night, History(series, past_of(checks)), bench if rerun else None)
        checks.append(judgement.check)
        story.judged += sum(f.judged for f in judgement.findings)
        for alert in judgement.opened:
            row = next(k for k, key in enumerate(keys) if key.id == alert.series)
            story.alerts.setdefault(row, []).append((n, alert))
        story.judgements.append(judgement)
    story.reruns = bench.reruns
    story.histories = dict(enumerate(points))
    return story
