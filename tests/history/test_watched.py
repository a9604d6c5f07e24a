"""What the history watches: larger is worse everywhere, and a slower machine with the same ratio gives the same compared value."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.history.series import Key, digest, hash_of, ratio
from paragone.bench.history.watched import BENCHMARK, KINDS, SAMPLES_HASH, SMALLEST, WATCHED, WORSE_WHEN_MORE
from paragone.bench.metrics.table import METRICS

MEASURED = {metric: watch for metric, watch in WATCHED.items() if metric in METRICS}
OVER_CONTROL = {
    "train_step_s": 1, "sample_latency_s": 1, "sample_throughput_per_s": -1, "train_joules": 1, "sample_joules": 1,
}  # fmt: skip
"""What is held against the control workload: as the machine gets slower by a factor, raw values go with its power of this."""
raws = st.floats(1e-6, 1e6)
factors = st.floats(0.1, 10)


def test_every_watched_metric_is_a_metric():
    assert set(WATCHED) - set(METRICS) == {SAMPLES_HASH, BENCHMARK}


@pytest.mark.parametrize("metric", sorted(MEASURED))
def test_metrics_and_watches_agree(metric):
    watch, known = WATCHED[metric], METRICS[metric]
    assert (watch.metric, watch.label, watch.unit, watch.scale) == (metric, known.label, known.unit, known.scale)
    assert watch.sign == (-1 if known.direction == "higher" else 1)
    assert known.direction != "none" or watch.kind == "exact"  # without a better direction nothing is worse


@pytest.mark.parametrize("metric", sorted(WATCHED))
def test_kinds_and_smallest_effects(metric):
    watch = WATCHED[metric]
    assert watch.kind in KINDS
    percent = {"time": 1.03, "memory": 1.02, "energy": 1.05}
    if watch.kind in percent:
        assert math.exp(watch.smallest) == pytest.approx(percent[watch.kind])
        assert watch.relative
    assert (watch.smallest == 0) is (watch.kind == "exact")


def test_quality_has_smallest_effects_of_its_own():
    assert {m: ratio(w.smallest) if w.relative else w.smallest for m, w in WATCHED.items() if w.kind == "quality"} == pytest.approx(
        {"fid": 1.1, "bits_per_dim": 0.03}
    )
    assert set(SMALLEST) == set(KINDS) - {"quality", "exact"}


def test_of_exact_metrics_costs_are_worse_when_more():
    exact = {metric for metric, watch in WATCHED.items() if watch.kind == "exact"}
    assert exact - WORSE_WHEN_MORE == {SAMPLES_HASH, "train_samples"}
    assert exact >= WORSE_WHEN_MORE
    assert all(METRICS[metric].direction != "higher" for metric in WORSE_WHEN_MORE)


def test_control_workload_is_for_times_and_energies_of_cells_only():
    assert {metric for metric, watch in WATCHED.items() if watch.over_control} == set(OVER_CONTROL)


@pytest.mark.parametrize("metric", sorted(WATCHED))
@given(raws, factors)
def test_larger_is_worse(metric, raw, factor):
    watch = WATCHED[metric]
    better_is_more = metric in METRICS and METRICS[metric].direction == "higher"
    change = watch.compared(raw * factor) - watch.compared(raw)
    assert math.copysign(1, change) == math.copysign(1, factor - 1) * (-1 if better_is_more else 1) or abs(factor - 1) < 1e-9
    if watch.relative:
        assert ratio(abs(change)) == pytest.approx(max(factor, 1 / factor))


@pytest.mark.parametrize("metric", sorted(OVER_CONTROL))
@given(raws, st.floats(1e-3, 1e3), factors)
def test_a_slower_machine_with_the_same_ratio_compares_the_same(metric, raw, control_s, factor):
    watch, power = WATCHED[metric], OVER_CONTROL[metric]
    assert watch.compared(raw * factor**power, control_s * factor) == pytest.approx(watch.compared(raw, control_s), abs=1e-9)


@pytest.mark.parametrize("metric", sorted(OVER_CONTROL))
@given(raws, factors)
def test_a_slower_cell_beside_an_unmoved_control_workload_is_worse_by_its_factor(metric, raw, factor):
    watch, power = WATCHED[metric], OVER_CONTROL[metric]
    change = watch.compared(raw * factor**power, 0.1) - watch.compared(raw, 0.1)
    assert ratio(change) == pytest.approx(factor)


@pytest.mark.parametrize("metric", sorted(set(WATCHED) - set(OVER_CONTROL)))
@given(raws, st.floats(1e-3, 1e3))
def test_nothing_else_knows_the_control_workload(metric, raw, control_s):
    assert WATCHED[metric].compared(raw, control_s) == WATCHED[metric].compared(raw)


@pytest.mark.parametrize(
    ("metric", "raw", "control_s", "value"),
    [
        ("train_step_s", 0.2, 0.1, math.log(2)),
        ("sample_throughput_per_s", 20.0, 0.1, -math.log(2)),  # 2 items in the time of one control workload
        ("train_joules", 5.0, 0.5, math.log(10)),
        ("train_peak_rss_net_bytes", 1e8, 0.1, math.log(1e8)),
        ("fid", 20.0, 0.1, math.log(20)),
        ("bits_per_dim", 1.25, 0.1, 1.25),
        ("bits_per_dim", -0.5, 0.1, -0.5),  # densities may have fewer than no bits
        ("benchmark_s", 0.01, 0.1, math.log(0.01)),
    ],
)
def test_compared_values_by_hand(metric, raw, control_s, value):
    assert WATCHED[metric].compared(raw, control_s) == pytest.approx(value)


@pytest.mark.parametrize("raw", [0.0, -1.0])
def test_what_has_no_ratio_has_no_compared_value(raw):
    with pytest.raises(ValueError, match=r"math domain|positive"):
        WATCHED["train_step_s"].compared(raw)
    assert WATCHED["bits_per_dim"].compared(raw) == raw


@given(st.floats(-1e6, 1e6), factors)
def test_on_the_identity_scale_the_sign_alone_turns_a_value(raw, control_s):
    assert replace(WATCHED["bits_per_dim"], sign=-1).compared(raw, control_s) == -raw


def test_a_fingerprint_has_one_hash_whatever_the_order_of_its_keys():
    keys = {"cpu": "A", "threads": "2", "gpu": ""}
    assert hash_of(keys) == hash_of(dict(reversed(keys.items()))) == digest("cpu=A", "gpu=", "threads=2")
    assert hash_of(keys) != hash_of({**keys, "threads": "4"})
    assert Key("a", "b", "c", "d").id == digest("a", "b", "c", "d")
    assert Key("a", "b", "c", "d").name == "a b"
