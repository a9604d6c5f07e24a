"""Long histories: what is done once a run, and what a check costs beside it; the full size is marked `long`."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from paragone.bench.history.importing import import_benchmarks
from paragone.bench.history.index import Index
from paragone.bench.history.reading import read_night
from paragone.bench.records import Cell, Manifest, Measurement, Record, Timing
from tests.history.nights import SUITE, benchmark_content, write

METRICS = (
    "train_step_s", "sample_latency_s", "sample_throughput_per_s", "train_peak_rss_net_bytes", "sample_peak_rss_net_bytes", "fid",
    "bits_per_dim", "train_joules", "parameters", "sample_flops",
)  # fmt: skip
# VmHWM and not ru_maxrss, which a child inherits from whoever started it
CHECK = """
import json, re, sys, time
from pathlib import Path
from paragone.bench.history.index import Index
from paragone.bench.history.judging import judge_night
from paragone.bench.history.reading import read_night
history = Path(sys.argv[1])
begin = time.perf_counter()
index = Index.open(history)
opened = time.perf_counter()
tonight, past = index.before(read_night(max(p for p in history.iterdir() if p.is_dir())).night)
found = judge_night(tonight, past, None).findings
judged = time.perf_counter()
print(json.dumps({"open_s": opened - begin, "check_s": judged - opened, "findings": len(found), "nights": len(index.nights),
                  "bytes": 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])}))
"""


def long_history(folder, runs, cells):
    """`runs` nights of `cells` contenders of ten metrics each."""
    generator = np.random.default_rng(3)
    for n in range(runs):
        started = (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=n)).isoformat()
        records = [_record(k, generator.lognormal(0, 0.03, len(METRICS)), started) for k in range(cells)]
        manifest = Manifest(
            run="", suite=SUITE | {"seeds": 1}, command=(), fingerprint={"cpu": "A"}, versions={}, commit=f"c{n}",
            order=tuple(r.cell.id for r in records), references=(), started=started, ended=started,
        )  # fmt: skip
        write(folder / f"night-{n:04d}", manifest, records)


def _record(k, values, started):
    measured = [Measurement(metric=m, value=float(v), unit="", source="") for m, v in zip(METRICS, values, strict=True)]
    return Record(
        cell=Cell(track="digits", contender=f"c{k}", seed=0), dataset="digits", modality="image", family="gan",
        samplers=("default",), status="ok", timing=Timing(control_s=(0.1, 0.1)), measurements=tuple(measured),
        seconds_by_phase={}, hashes={}, fingerprint={}, position=k, started=started, ended=started,
    )  # fmt: skip


def check(history):
    done = subprocess.run([sys.executable, "-c", CHECK, history], check=True, capture_output=True)
    return json.loads(done.stdout)


def test_a_check_costs_little_beside_reading_the_runs(tmp_path):
    long_history(tmp_path / "h", 100, 6)
    first, again = check(tmp_path / "h"), check(tmp_path / "h")
    assert (first["findings"], first["nights"]) == (60, 100)
    assert again["open_s"] < first["open_s"] / 2
    assert again["open_s"] + again["check_s"] < first["open_s"] + first["check_s"]


def test_adding_a_run_reads_that_run_alone(tmp_path, monkeypatch):
    for day in range(1, 6):
        (tmp_path / "f.json").write_text(json.dumps(benchmark_content(day=day)))
        import_benchmarks(tmp_path / "f.json", tmp_path / "h")
        read = []
        monkeypatch.setattr(
            "paragone.bench.history.index.read_night", lambda path, read=read: read.append(path) or read_night(path)
        )
        Index.open(tmp_path / "h").close()
        assert len(read) == 1


@pytest.mark.long
def test_a_thousand_runs_of_three_hundred_series(tmp_path):
    long_history(tmp_path / "h", 1000, 30)
    first, again = check(tmp_path / "h"), check(tmp_path / "h")
    print(first, again)
    assert (first["findings"], first["nights"]) == (300, 1000)
    assert first["open_s"] <= 60
    assert again["open_s"] + again["check_s"] <= 5
    assert max(first["bytes"], again["bytes"]) <= 500e6
    with Index.open(tmp_path / "h") as index:
        assert sum(len(series.points) for series in index.all_series()) == 300_000
