"""Outcomes of checks that never were: findings in every state, with real baselines and real decisions of confirmations."""

import math

import numpy as np

from paragone.bench.history.confirmation import decide
from paragone.bench.history.findings import Finding, Judgement
from paragone.bench.history.life import Acknowledgement, Alert, alert_id
from paragone.bench.history.outcome import Outcome
from paragone.bench.history.screen import baseline
from paragone.bench.history.series import Key, Night, Point
from paragone.bench.history.watched import WATCHED

MACHINE, PROTOCOL = "0123456789ab", "ba9876543210"
STARTED = "2026-03-04T02:17:00.000Z"
RUN, COMMIT = "2026-03-04-run", "aaaa11112222"
GOOD_RUN, GOOD_COMMIT = "2026-03-03-run", "bbbb33334444"
NASTY = 'tests/x.py::test_it[<b>|`a`&"q"\n::error::x ##[error]@team %0A\x1b[31m\x00\ud800\ufffe*_$' + "é" * 30 + "]"
"""What a benchmark's full name may hold."""


def key(entry="digits/vae", metric="train_step_s"):
    return Key(entry, metric, MACHINE, PROTOCOL)


def point(metric, raw, run=RUN, commit=COMMIT, started=STARTED):
    watch = WATCHED[metric]
    if isinstance(raw, str):
        return Point(run, started, commit, "ok", exact=raw)
    return Point(run, started, commit, "ok", watch.compared(raw) if raw > 0 or not watch.relative else None, raw, exact=repr(raw))


def past(metric, raw, nights=12, cv=0.01, seed=0):
    """Nights around a raw value."""
    noise = np.random.default_rng(seed).normal(0, cv, nights)
    return [
        point(metric, raw * math.exp(e), f"2026-02-{k + 1:02d}-run", f"c{k}", f"2026-02-{k + 1:02d}T02")
        for k, e in enumerate(noise)
    ]


def finding(state="ok", entry="digits/vae", metric="train_step_s", *, before=0.002, factor=1.21, reason=""):
    """A series that was at `before` for twelve nights and is `factor` times that tonight; alerts are confirmed by five pairs."""
    where, watch = key(entry, metric), WATCHED[metric]
    if state in ("missing", "invalid"):
        return Finding(where, state, reason or "no record", Point(RUN, STARTED, COMMIT, state, reason=reason))
    tonight = point(metric, before * factor)
    if state in ("no baseline", "warming up"):
        return Finding(where, state, reason or "night 3; 10 earlier ones are needed", tonight)
    known = baseline(past(metric, before), watch) if watch.kind != "exact" else None
    again = None
    if state in ("alert", "open", "refuted") and known is not None:
        effect = watch.compared(before * factor) - watch.compared(before) if state != "refuted" else 0.0
        again = decide(effect + np.array([-0.02, 0.01, 0.0, 0.02, -0.01]), watch.smallest)
    alert = _alert(where, before, before * factor, again) if state in ("alert", "open", "resolved") else None
    gone = (alert,) if state == "resolved" else ()
    return Finding(where, state, reason, tonight, known, again if state != "open" else None, alert, gone, 12)


def _alert(where, before, after, again):
    watch = WATCHED[where.metric]
    more = {} if again is None else {
        "effect": again.effect, "low": again.low, "high": again.high, "p": again.p, "differences": again.differences,
        "base_commit": "cccc55556666",
    }  # fmt: skip
    return Alert(
        id=alert_id(where, RUN), series=where.id, entry=where.entry, metric=where.metric, kind=watch.kind, first_bad=RUN,
        first_bad_commit=COMMIT, last_good=GOOD_RUN, last_good_commit=GOOD_COMMIT, opened=RUN, opened_at=STARTED,
        how="exact" if watch.kind == "exact" else "re-run", before_raw=before, after_raw=after, before=repr(before),
        after=repr(after), **more,
    )  # fmt: skip


def night(**changes):
    return Night(
        **{"run": RUN, "started": STARTED, "commit": COMMIT, "suite": "nightly", "machine": MACHINE, "fingerprint": {}, **changes}
    )


def outcome(*findings, notices=(), problem="", **more):
    return Outcome(Judgement(night(problem=problem), tuple(findings), tuple(notices)), **more)


def acknowledged(found, until, reason="a known cost of the new sampler"):
    """Acknowledgements with one for this finding's alert."""
    return {found.alert.id: Acknowledgement(id=found.alert.id, reason=reason, until=until)}


def of_everything():
    """One night with every state, foreign text where there may be some, and a file that could not be read."""
    known = finding("open", "digits/ddpm/ddim-10", "sample_throughput_per_s", before=100.0, factor=0.8)
    findings = (
        finding("alert"),
        finding("alert", NASTY, "benchmark_s", before=0.5, factor=1.6),
        finding("alert", "digits/glow", "bits_per_dim", before=1.2, factor=1.2),
        finding("alert", "digits/glow", "parameters", before=1000.0, factor=1.5),
        known,
        finding("waiting", "digits/dcgan", reason="a second such night would be an alert; re-runs were not asked for"),
        finding("missing", "digits/vqvae", reason="cell digits.vqvae.s1 failed: out of memory"),
        finding("missing", "digits/vqvae", "fid", reason="cell digits.vqvae.s1 failed: out of memory"),
        finding("invalid", "digits/realnvp", reason="the control workload moved by 40 %"),
        finding("no baseline", "digits/pixelcnn", reason="another machine: cpu is 'A' tonight and 'B' before"),
        finding("warming up", "digits/pixelcnn", "fid", before=20.0),
        finding("moved", "digits/vae", "sample_latency_s", reason="environment changed: 3 of 5 series got worse on the same night"),
        finding("refuted", "digits/vae", "fid", before=20.0, reason="refuted by 5 pairs against cccc55556666"),
        finding("changed", "digits/vae", "train_samples", before=1000.0, factor=2, reason="1000.0 became 2000.0"),
        finding("improved", "digits/vae", "train_peak_rss_net_bytes", before=2e8, factor=0.7),
        finding("resolved", "digits/vae", "train_joules", before=20.0, factor=1.0),
        finding("ok", "digits/ddpm/ddim-10", "fid", before=30.0, factor=1.0),
    )
    return outcome(
        *findings, notices=("environment changed: 3 of 5 series got worse on the same night",),
        acknowledgements=acknowledged(known, "2026-04-01"), skipped=("old-run/run.json: truncated at byte 17",),
    )  # fmt: skip


def of_many(count, state="alert"):
    """A night on which so many series are in this state, each worse than the one before."""
    return outcome(*(finding(state, f"tests/perf.py::test_{k:04d}", "benchmark_s", factor=1.1 + k / 1000) for k in range(count)))
