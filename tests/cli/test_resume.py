"""Killed at any moment and started again, a run is complete, has no cell twice, and equals an undisturbed one."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest

from paragone.bench.metrics.table import METRICS, split_share
from paragone.bench.records import read_manifest, read_records
from tests.cli.conftest import CONTENDERS, ROOT, bench


def quality(out):
    table = pd.read_csv(out / "tables" / "measurements.csv")
    kinds = table.metric.map(lambda name: METRICS[split_share(name)[0]].group if split_share(name)[0] in METRICS else "")
    keys = ["track", "contender", "sampler", "seed", "metric", "value"]
    return table[kinds.isin(["quality", "likelihood"])][keys].sort_values(keys).reset_index(drop=True)


def kill_at(command, cwd, delay_s):
    """Start the command in a process group of its own and kill -9 the group after a delay; whether it was still running."""
    process = subprocess.Popen(command, cwd=cwd, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay_s)
    running = process.poll() is None
    children = psutil.Process(process.pid).children(recursive=True) if running else []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive, "cells outlived the run"
    return running


def killed_and_resumed(tmp_path, suite, kills, longest_s):
    draw = random.Random(4)
    out = tmp_path / "out"
    arguments = ["run", suite, "--add", CONTENDERS, "--only", "good", "--only", "good-twin", "--out", out, "--resume"]
    command = [sys.executable, str(ROOT / "run_bench.py"), *map(str, arguments)]
    interrupted = sum(kill_at(command, tmp_path, draw.uniform(0.5, longest_s)) for _ in range(kills))
    bench(*arguments, cwd=tmp_path, check=0)
    calm = tmp_path / "calm"
    bench(*arguments[:-3], "--out", calm, cwd=tmp_path, check=0)
    assert interrupted > 0
    ids = [record.cell.id for record in read_records(out)]
    assert sorted(ids) == sorted(read_manifest(out).order) == sorted(record.cell.id for record in read_records(calm))
    assert not list(out.rglob("*.tmp"))
    pd.testing.assert_frame_equal(quality(out), quality(calm), check_exact=True)


def test_killed_three_times(tmp_path, tiny):
    killed_and_resumed(tmp_path, tiny(seeds=2, budget="100 steps"), kills=3, longest_s=12)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_killed_ten_times(tmp_path, tiny):
    killed_and_resumed(tmp_path, tiny(seeds=6, budget="2000 steps"), kills=10, longest_s=20)


def test_resume_of_a_finished_run_does_nothing_and_a_changed_one_is_refused(tmp_path, tiny):
    out, source = tmp_path / "out", tmp_path / "mine.py"
    source.write_text(CONTENDERS.read_text())
    arguments = ["run", tiny(), "--add", source, "--only", "good", "--out", out]
    bench(*arguments, cwd=tmp_path, check=0)
    before = {p: p.read_bytes() for p in (out / "cells").iterdir()}
    assert "is not empty" in bench(*arguments, cwd=tmp_path, check=2).stderr
    bench(*arguments, "--resume", cwd=tmp_path, check=0)
    assert {p: p.read_bytes() for p in (out / "cells").iterdir()} == before
    assert "budget" in bench(*arguments, "--resume", "--budget", "21 steps", cwd=tmp_path, check=2).stderr
    source.write_text(source.read_text() + "\n# another source\n")
    refused = bench(*arguments, "--resume", cwd=tmp_path, check=2)
    assert "'good'" in refused.stderr
