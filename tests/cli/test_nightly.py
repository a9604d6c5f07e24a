"""Nights on this very machine: paragone in a repository of its own, real cells, planted commits, real re-runs in git worktrees.

The short version makes eleven earlier nights of one real night, each number a little off; the long one runs every night.
"""

import json
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from paragone.bench.history.life import CHECK_FILE
from tests.history.real import HUNGRIER_SAMPLER, SLOWER_UPDATE, RealProject

CELLS = [word for seed in range(3) for word in ("--cell", f"digits.vae.s{seed}")]
RATE = {"old": "learning_rate = 1e-2", "new": "learning_rate = 2e-3"}
WOBBLE = {"_s": 0.1, "_bytes": 0.03}
"""By the end of a metric's name, how far earlier nights are off it: about what a shared machine shows."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The repository, with a real night and eleven earlier ones made of it."""
    made = RealProject(tmp_path_factory.mktemp("real"), seeds=3, steps=60)
    made.night("n11", *CELLS)
    for n in range(11):
        earlier(made.history, n)
    return made


def earlier(history, n):
    """The night n11, some days before: what is timed or weighed is a little off, what repeats to the bit is as it was."""
    folder = shutil.copytree(history / "n11", history / f"n{n:02d}", ignore=shutil.ignore_patterns("samples", "*.npz"))
    generator = np.random.default_rng(n)
    started = (datetime.now(UTC) - timedelta(days=11 - n)).isoformat()
    for path in [folder / "run.json", *(folder / "cells").glob("*.json")]:
        content = json.loads(path.read_text()) | {"started": started, "ended": started}
        for found in content.get("measurements", ()):
            spread = next((s for end, s in WOBBLE.items() if found["metric"].endswith(end)), 0.0)
            if found["value"] is not None:
                found["value"] *= float(np.exp(spread * generator.standard_normal()))
        path.write_text(json.dumps(content))


def opened(project, name):
    """(metrics, entries, first bad runs) of the alerts that a check opened."""
    alerts = json.loads((project.history / name / CHECK_FILE).read_text())["opened"]
    return tuple({alert[what] for alert in alerts} for what in ("metric", "entry", "first_bad"))


def remove(project, name):
    """Take a planted night out again: each is held against the same past."""
    shutil.rmtree(project.history / name)


def test_an_unchanged_commit_passes(project):
    project.change()
    project.night("same", *CELLS)
    done = project.check("same", "--confirm", "3")
    assert done.returncode == 0, done.stdout
    remove(project, "same")


def test_two_faults_are_found_and_nothing_else(project):
    """One commit breaks the learning rate and makes an update twice as slow; a machine too busy to time anything says so."""
    project.change(SLOWER_UPDATE.format(share=1.0), **RATE)
    project.night("faults", *CELLS)
    done = project.check("faults", "--fail-on", "quality", "--fail-on", "time", "--confirm", "3")
    assert done.returncode == 3, done.stdout + done.stderr
    metrics, entries, first = opened(project, "faults")
    assert metrics <= {"train_step_s", "fid", "bits_per_dim"}
    assert metrics & {"fid", "bits_per_dim"}, "quality is the same to the bit until the code changes: no machine hides it"
    busy = "invalid" in done.stdout or "says nothing of" in done.stderr
    assert "train_step_s" in metrics or busy, done.stdout + done.stderr
    assert entries <= {"digits/vae", "digits/vae/mean", "digits/vae/noise"}
    assert first == {"faults"}
    assert "pair 3" in done.stderr
    assert project.worktrees() == 0


@pytest.mark.long
def test_months_of_nights(tmp_path):
    """Twelve nights of one commit, twenty unchanged ones, then three faults, each alone: about an hour on two quiet cores."""
    project = RealProject(tmp_path, seeds=5, steps=300)

    def night(name):
        project.night(name)
        return project.check(name)

    for n in range(12):
        assert night(f"w{n:02d}").returncode == 0
    print(project.command("alerts", "calibrate", "--history", "history").stdout)
    for n in range(20):
        if n % 2 == 0:
            project.change()
        done = night(f"x{n:02d}")
        assert done.returncode == 0, done.stdout + done.stderr
    faults = {
        "train_step_s": {"text": SLOWER_UPDATE.format(share=0.2)},
        "sample_peak_rss_net_bytes": {"text": HUNGRIER_SAMPLER.format(bytes=4_900_000)},
        "fid": {"old": RATE["old"], "new": "learning_rate = 5e-3"},
    }
    for metric, change in faults.items():
        project.change(**change)
        done = night(f"y-{metric}")
        print(done.stdout, done.stderr)
        assert done.returncode == 3
        metrics, entries, first = opened(project, f"y-{metric}")
        assert metric in metrics
        assert metrics <= ({"fid", "bits_per_dim"} if metric == "fid" else {metric})
        assert entries <= {"digits/vae", "digits/vae/mean", "digits/vae/noise"}
        assert first == {f"y-{metric}"}
        remove(project, f"y-{metric}")
