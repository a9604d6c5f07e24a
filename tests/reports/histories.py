"""Histories that never were: forty nights with planted changes, judged night by night by the code of production."""

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from paragone.bench.history.judging import History, judge_night
from paragone.bench.history.life import Acknowledgement, past_of
from paragone.bench.history.series import Key, Night, Point, Series, hash_of
from paragone.bench.history.watched import WATCHED

NIGHTS = 40
STEP, SPIKE, CREEP, BETTER, MACHINE, TORCH = 30, 22, 8, 26, 14, 33
OLD = {"cpu_model": "EPYC 7763", "cpus": "2", "gpu": "none"}
NEW = OLD | {"cpu_model": "Xeon 8370C"}


@dataclass
class Told:
    """What `write_history` takes."""

    series: list = field(default_factory=list)
    nights: list = field(default_factory=list)
    alerts: list = field(default_factory=list)
    open_ids: set = field(default_factory=set)
    acknowledgements: dict = field(default_factory=dict)
    skipped: list = field(default_factory=list)
    explained: dict = field(default_factory=dict)

    @property
    def arguments(self):
        return (self.series, self.nights, self.alerts, self.open_ids, self.acknowledgements, self.skipped, self.explained)


def night_of(n, machine=OLD):
    """An empty night."""
    started = datetime(2026, 2, 1, 2, 0, tzinfo=UTC) + timedelta(days=n)
    soft = {"torch": "2.11.0" if n < TORCH else "2.12.0", "host": f"runner-{n}"}
    return Night(
        f"{started:%Y-%m-%d}-nightly",
        started.isoformat(),
        f"{n % 256:02x}c0ffee{n % 256:02x}ab",
        "nightly",
        hash_of(machine),
        machine,
        soft,
        1.0,
    )


def point(night, metric, value, spread=(), status="ok", reason=""):
    """A point whose compared value is known; the raw one follows from it."""
    watch = WATCHED[metric]
    if status != "ok":
        return Point(night.run, night.started, night.commit, status, reason=reason)
    raw = math.exp(watch.sign * value) if watch.relative else watch.sign * value
    exact = f"{raw:.0f}" if watch.kind == "exact" else ""
    return Point(night.run, night.started, night.commit, "ok", value, raw, tuple(value + s for s in spread), exact)


def levels():
    """(entry, metric): compared values without noise (40,), coefficient of variation."""
    n = np.arange(NIGHTS)
    log = math.log
    return {
        ("digits/vae", "train_step_s"): (log(0.0123) + log(1.21) * (n >= STEP), 0.02),
        ("digits/vae", "sample_throughput_per_s"): (-log(8200.0) + 0 * n, 0.03),
        ("digits/ddpm/ddim-50", "sample_latency_s"): (log(0.084) + log(1.6) * (n == SPIKE), 0.02),
        ("digits/ddpm", "train_peak_rss_net_bytes"): (log(1.04e8) + log(1.35) * np.clip(n - CREEP, 0, 30) / 30, 0.004),
        ("digits/dcgan", "train_step_s"): (log(0.031) - log(1.3) * (n >= BETTER), 0.02),
        ("digits/dcgan", "fid"): (log(21.0) + log(1.5) * ((n >= 16) & (n < 24)), 0.01),
        ("digits/realnvp", "bits_per_dim"): (1.93 + 0 * n, 0.002),
        ("digits/realnvp", "sample_joules"): (log(3.1) + log(1.25) * (n >= STEP - 8), 0.03),
        ("digits/vqvae", "train_step_s"): (log(0.052) + 0 * n, 0.04),
        ("digits/pixelcnn", "parameters"): (np.log(np.where(n < 25, 120_000.0, 131_072.0)), 0.0),
        ("digits/pixelcnn", "train_step_s"): (log(0.21) + 0 * n, 0.02),
        ('tests/perf/test_step.py::test_step[<b>&"quoted"]', "benchmark_s"): (log(4.2e-4) + 0 * n, 0.02),
    }  # fmt: skip


def told(seed=7):
    """Forty nights of twelve series: a step, a spike, a creep, an improvement, another machine, few nights, gaps."""
    generator = np.random.default_rng(seed)
    planted, checks, points, story = levels(), [], {}, Told()
    nights = []
    for n in range(-MACHINE, NIGHTS):  # the first runs, on another machine, hold one entry
        old = n < 0
        night, tonight = night_of(n, OLD if old else NEW), {}
        for (entry, metric), (values, cv) in planted.items():
            late = metric == "benchmark_s" and n < NIGHTS - 4
            if late or (old and entry != "digits/vqvae"):
                continue
            noise = cv * generator.standard_normal(6)
            several = WATCHED[metric].kind == "quality"
            value = float(values[n % NIGHTS] + (noise[1:].mean() if several else noise[0])) + 0.6 * old
            bad = entry == "digits/pixelcnn" and metric == "train_step_s" and n in (11, 12, 31)
            spread = noise[1:] - noise[1:].mean() if several else ()
            status = ("invalid", "throttled") if bad else ()
            tonight[Key(entry, metric, night.machine, "1")] = point(night, metric, value, spread, *status)
        nights.append(replace(night, points=tonight))
        known = {key: Series(key, tuple(own)) for key, own in points.items() if key in tonight}
        checks.append(judge_night(nights[-1], History(known, past_of(checks)), None).check)
        for key, p in tonight.items():
            points.setdefault(key, []).append(p)
    past = past_of(checks)
    story.series, story.nights = [Series(key, tuple(own)) for key, own in points.items()], nights
    story.alerts, story.explained = list(past.alerts), dict(past.explained)
    story.open_ids = {alert.id for own in past.open.values() for alert in own}
    silent = next((a.id for a in past.alerts if a.metric == "sample_joules" and a.id in story.open_ids), None)
    if silent is not None:
        story.acknowledgements = {silent: Acknowledgement(id=silent, reason="the new <sampler> costs more", until="2026-12-31")}
    story.skipped = ["2026-02-09-nightly/run.json: not JSON at line 1"]
    return story


def many(series, nights, seed=1):
    """A large history: so many series of noise on so many nights, a step in every tenth."""
    generator = np.random.default_rng(seed)
    empty = [night_of(n) for n in range(nights)]
    found = []
    for k in range(series):
        key = Key(f"digits/contender-{k // 6}", list(WATCHED)[k % 6], hash_of(OLD), "1")
        values = math.log(0.02) + 0.03 * generator.standard_normal(nights) + (k % 10 == 0) * 0.1 * (np.arange(nights) > nights // 2)
        found.append(Series(key, tuple(point(night, key.metric, float(v)) for night, v in zip(empty, values, strict=True))))
    return Told(found, empty)
