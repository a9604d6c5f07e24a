"""Measurements that follow from others: slopes over samplers, shares put right, agreement of metrics."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from paragone.bench.judge.blocks import EVERYBODY, tracks
from paragone.bench.judge.derived import derived_measurements
from paragone.bench.judge.ranking import ranking
from paragone.bench.records import Measurement
from tests.builders import CONTENDERS, Way, make_run, planned, with_values


def derived(records):
    return derived_measurements(records, EVERYBODY.contender)


def test_time_proportional_to_steps_has_exponent_one():
    plans = {"ddpm": planned("ddpm", samplers={f"ddim-{n}": Way(5.0, 1.0, n) for n in (10, 50, 1000)})}
    _, records = make_run(seeds=2, contenders=plans, failures=[])
    changed = [
        with_values(r, {("sample_latency_s", f"ddim-{n}"): 0.001 * n for n in (10, 50, 1000)}) if r.cell.contender == "ddpm" else r
        for r in records
    ]
    found = derived(changed)["ddpm", 0, "", "latency_steps_exponent"]
    assert found.value == pytest.approx(1.0)
    assert np.diff(found.repeats) == pytest.approx(np.log([5, 20]))


def test_memory_that_does_not_depend_on_steps_has_exponent_zero():
    _, records = make_run(seeds=1, failures=[])
    found = derived(records)["ddpm", 0, "", "memory_steps_exponent"]
    assert found.value == pytest.approx(0.0, abs=1e-12)
    steps = {"ddim-50": 50, "ddpm-1000": 1000}
    grown = [with_values(r, {("sample_peak_rss_net_bytes", s): 1e5 * n**0.5 for s, n in steps.items()}) for r in records]
    assert derived(grown)["ddpm", 0, "", "memory_steps_exponent"].value == pytest.approx(0.5)


def test_own_memory_is_the_allocators_where_there_is_one():
    _, records = make_run(seeds=1, failures=[])
    net = derived(records)
    assert net["dcgan", 0, "", "train_own_memory_bytes"].value == CONTENDERS["dcgan"].own_memory_bytes
    assert net["dcgan", 0, "default", "sample_own_memory_bytes"].value == CONTENDERS["dcgan"].own_memory_bytes / 2
    assert ("dcgan", 0, "", "sample_own_memory_bytes") not in net
    cuda = Measurement(metric="train_cuda_allocated_bytes", value=4e8, unit="bytes", source="allocator")
    for value, told, source in ((4e8, 4e8, "allocator"), (None, CONTENDERS["dcgan"].own_memory_bytes, "built")):
        given = cuda.model_copy(update={"value": value})
        found = derived([r.model_copy(update={"measurements": (*r.measurements, given)}) for r in records])
        own = found["dcgan", 0, "", "train_own_memory_bytes"]
        assert (own.value, own.source) == (told, source)


def test_own_memory_that_could_not_be_read_says_why():
    _, records = make_run(seeds=1, failures=[])
    lost = [with_values(r, {("train_peak_rss_net_bytes", ""): None}, "no permission: clear_refs") for r in records]
    found = derived(lost)["dcgan", 0, "", "train_own_memory_bytes"]
    assert (found.value, found.source) == (None, "no permission: clear_refs")
    rows = ranking(tracks(lost)[0], "train_own_memory_bytes")
    assert {row.status for row in rows} == {"no permission: clear_refs"}


def test_samplers_with_equal_steps_have_no_slope():
    _, records = make_run(seeds=1, failures=[])
    assert ("vae", 0, "", "latency_steps_exponent") not in derived(records)
    assert ("ddpm", 0, "", "latency_steps_exponent") in derived(records)


def test_share_right_puts_generation_and_classification_on_one_scale():
    _, records = make_run(seeds=1, failures=[])
    changed = []
    for r in records:
        if r.cell.contender == "dcgan":
            r = with_values(r, {("two_sample_accuracy", "default"): 0.75})
        if r.cell.contender == "held-out real":
            accuracy = r.measurements[0].model_copy(update={"metric": "classifier_accuracy", "value": 0.96, "sampler": ""})
            r = r.model_copy(update={"measurements": (*r.measurements, accuracy)})
        changed.append(r)
    found = derived(changed)
    assert found["dcgan", 0, "default", "share_right"].value == pytest.approx(0.5)
    assert found["held-out real", 0, "default", "share_right"].value == 0.96
    track = tracks(changed)[0]
    assert track.outcomes(track.entry("held-out real"), "share_right") == {0: 0.96}


def test_agreement_is_the_lowest_spearman_correlation_with_fid():
    _, records = make_run(seeds=1, failures=[])
    recall = iter(np.random.default_rng(3).permutation(20) / 20)
    changed = []
    for r in records:
        judged = [m.sampler for m in r.measurements if m.metric == "fid" and r.family != "reference"]
        changed.append(with_values(r, {("recall", s): float(next(recall)) for s in judged}))
    rows = [
        (m.value, next(o.value for o in r.measurements if o.metric == "recall" and o.sampler == m.sampler))
        for r in changed for m in r.measurements if m.metric == "fid" and r.family != "reference"
    ]  # fmt: skip
    fid, recalls = np.array(rows).T
    found = derived(changed)[EVERYBODY.contender, 0, "", "rank_agreement"]
    assert found.value == pytest.approx(spearmanr(fid, -recalls).statistic)
    assert "recall" in found.source


def test_failed_cells_derive_nothing():
    _, records = make_run(seeds=2, failures=[("ddpm", 1)])
    found = derived(records)
    assert ("ddpm", 0, "", "latency_steps_exponent") in found
    assert ("ddpm", 1, "", "latency_steps_exponent") not in found


def test_slopes_over_guidance_are_those_planted():
    """Accuracy rises by .1 and coverage falls by .2 a unit of log w; w = 0, which has no logarithm, is left out."""
    plans = {"ddpm": planned("ddpm", samplers={f"cfg-{w}": Way(5.0, 1.0, 50) for w in (0, 1, 3, 7)})}
    _, records = make_run(seeds=1, contenders=plans, failures=[])
    own = next(r for r in records if r.cell.contender == "ddpm")
    planted = [
        Measurement(metric=metric, value=0.5 + slope * np.log(w) if w else 0.0, unit="share", source="planted", sampler=f"cfg-{w}")
        for metric, slope in (("class_accuracy", 0.1), ("class_coverage", -0.2))
        for w in (0, 1, 3, 7)
    ]
    found = derived([own.model_copy(update={"measurements": (*own.measurements, *planted)})])
    for sampler in ("cfg-1", "cfg-3", "cfg-7"):
        assert found["ddpm", 0, sampler, "class_accuracy_guidance_slope"].value == pytest.approx(0.1)
        assert found["ddpm", 0, sampler, "coverage_guidance_slope"].value == pytest.approx(-0.2)
    assert ("ddpm", 0, "cfg-0", "coverage_guidance_slope") not in found
    assert not [key for key in derived(records) if key[3].endswith("guidance_slope")]
