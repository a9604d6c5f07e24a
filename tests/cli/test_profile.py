"""Whole cells of contenders whose memory, pace and work are known: the record says so, phase by phase."""

from pathlib import Path

import pytest

from paragone.bench.metrics.table import METRICS, split_share
from paragone.bench.records import read_manifest, read_records
from tests.cli.conftest import bench

WEIGHED = Path(__file__).parent / "weighed.py"
MIB = 1 << 20
FLOPS = 2 * (2 * 64 * 4 * 8)
"""Of one update of a linear layer 4 to 8 on 64 items: forward, and backward to the weights."""
SUITE = """
name = "weighed"
seeds = 1
[budget]
train = "{budget}"
parameters = 40
[evaluation]
samples = 50
shares = [0.5]
curve_samples = 50
[[tracks]]
name = "digits"
data = "digits"
contenders = []
"""


def run(folder, budget, *arguments, env=None):
    suite = folder / "weighed.toml"
    suite.write_text(SUITE.format(budget=budget))
    return bench("run", suite, "--add", WEIGHED, "--out", folder / "out", *arguments, cwd=folder, env=env)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weighed")
    done = run(folder, "1 s", env={"OMP_WAIT_POLICY": "passive"})  # else waiting OpenMP threads spin through each sleep
    assert done.returncode == 0, done.stderr
    return {record.cell.contender: record for record in read_records(folder / "out")}, folder / "out"


def values(record):
    return {m.metric: m.value for m in record.measurements}


def test_memory_of_each_phase_is_its_own(records):
    found = values(records[0]["holds-memory"])
    assert found["train_peak_rss_net_bytes"] == pytest.approx(512 * MIB, rel=0.05)
    assert found["sample_peak_rss_net_bytes"] == pytest.approx(1024 * MIB, rel=0.05)
    light = values(records[0]["sleeps"])
    for phase in ("train", "sample"):
        assert (light[f"{phase}_peak_rss_net_bytes"] or 0) < 25 * MIB
        assert found[f"{phase}_peak_rss_bytes"] > light[f"{phase}_peak_rss_bytes"]


def test_the_twin_stands_in_the_manifest(records):
    twin = read_manifest(records[1]).twins["digits"]
    assert set(twin) == {"train", "evaluate", "sample", "sample again"}
    record = records[0]["holds-memory"]
    assert values(record)["train_peak_rss_bytes"] - twin["train"] == values(record)["train_peak_rss_net_bytes"]


def test_seconds_are_those_of_updates_and_samples_alone(records):
    record = records[0]["sleeps"]
    found, audit = values(record), record.audit
    expected = {"train_step_s": 0.010, "sample_latency_s": 0.050, "sample_throughput_per_s": 20}
    if record.timing.valid:  # the record itself says whether the machine was quiet
        assert {name: found[name] for name in expected} == pytest.approx(expected, rel=0.15)  # a sleep may last longer
    else:
        assert found["train_step_s"] >= 0.0095
        assert found["sample_latency_s"] >= 0.0475
        assert found["sample_throughput_per_s"] <= 21
    assert 1.0 <= audit.spent_s <= 1.0 + audit.last_update
    assert record.seconds_by_phase["evaluate"] > 2.4  # fifty items at the look: in no budget
    assert found["train_cpu_s"] < 0.5 * audit.spent_s  # it sleeps


def test_flops_are_those_of_the_updates(records):
    for record in (records[0]["sleeps"], records[0]["holds-memory"]):
        assert record.audit.spent_flops == record.audit.spent_steps * FLOPS
        found = values(record)
        assert found["train_flops"] == record.audit.spent_flops
        assert found["flops_utilisation"] == pytest.approx(
            found["train_flops"] / found["train_s"] / found["control_flops_per_s"], rel=0.9
        )
        assert found["sample_flops"] == 0  # nothing in it multiplies


def test_every_cell_says_how_fast_the_machine_was_and_what_profiling_cost(records):
    for record in records[0].values():
        found = values(record)
        assert found["control_s"] ** 2 == pytest.approx(record.timing.control_s[0] * record.timing.control_s[1])
        assert found["profile_thread_share"] <= 0.01
        assert all(m.unit == METRICS[split_share(m.metric)[0]].unit for m in record.measurements)


def test_what_no_counter_tells_is_empty_and_says_why(records):
    for record in records[0].values():
        for m in record.measurements:
            assert m.value is not None or m.source, m.metric
            assert not (m.metric.endswith("_joules") and m.value == 0)


def test_a_budget_in_flops(tmp_path):
    done = run(tmp_path, f"{100 * FLOPS - 3} flops", "--only", "holds-memory")
    assert done.returncode == 0, done.stderr
    audit = next(r.audit for r in read_records(tmp_path / "out") if r.audit)
    assert (audit.spent_steps, audit.spent_flops) == (100, 100 * FLOPS)
    assert audit.held


def test_a_budget_in_joules_is_refused_where_nothing_counts_them(tmp_path):
    from paragone.bench.profile.energy import Refusal, energy_counter

    torch = pytest.importorskip("torch")
    if not isinstance(energy_counter(torch.device("cpu")), Refusal):
        pytest.skip("this machine has a counter of the processor's energy")
    done = run(tmp_path, "200 J", "--device", "cpu")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: a budget in joules cannot be kept on cpu: ")
    assert "seconds, steps, samples or flops" in line
    assert not (tmp_path / "out").exists()
