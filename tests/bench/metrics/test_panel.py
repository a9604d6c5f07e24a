"""The panel: every measure on every set, one row each, none taking another with it."""

import numpy as np
import pytest
import torch

from paragone.bench.data.dataset import ImageDataset, Split
from paragone.bench.metrics import encoder
from paragone.bench.metrics import image_panel as panel_module
from paragone.bench.metrics.image_panel import ImagePanel
from paragone.bench.metrics.modalities import MODALITIES
from paragone.bench.metrics.references import MAKERS
from paragone.bench.metrics.table import METRICS

CURVE = ["fid", "validation_fid"]
FULL = [name for name, metric in METRICS.items() if metric.group == "quality" and metric.data == "image"]


def by_name(measurements):
    return {m.metric: m for m in measurements}


@pytest.fixture(scope="module")
def rows(digits, panel):
    return {name: by_name(panel.measure(MAKERS[name](digits, 400, 0), "default", 0)) for name in MODALITIES["image"].references}


def test_full_and_curve_hold_their_metrics_once_with_unit_source_n(panel, digits):
    levels = digits.validation.items
    full, curve = panel.measure(levels, "ddim-50", 3), panel.measure(levels, "ddim-50", 3, full=False)
    assert sorted(m.metric for m in full) == sorted(FULL)
    assert [m.metric for m in curve] == CURVE
    assert all(m.n == 360 and m.source and m.sampler == "ddim-50" and m.unit == METRICS[m.metric].unit for m in full)
    assert by_name(full)["fid"] == by_name(curve)["fid"]


def test_references_lie_where_they_should(rows):
    value = {name: {metric: m.value for metric, m in row.items()} for name, row in rows.items()}
    real, copies, mixture, blurred, noisy, hopeless = value.values()
    assert real["fid"] < mixture["fid"] < hopeless["fid"] / 10
    assert abs(real["kid"]) < hopeless["kid"] / 10
    assert real["coverage"] > 0.95 > 0.4 > hopeless["coverage"]
    assert real["two_sample_accuracy"] == pytest.approx(0.5, abs=0.06)
    assert hopeless["two_sample_accuracy"] > 0.9
    assert (copies["copied_share"], copies["near_copy_share"]) == (1.0, pytest.approx(1.0, abs=0.01))
    assert real["copied_share"] == real["near_copy_share"] == 0.0
    for metric in ("fid_second_encoder", "fid_bootstrap"):
        assert real[metric] < mixture[metric] < hopeless[metric]
    assert mixture["fid_infinity"] < mixture["fid"] < hopeless["fid_infinity"] * 2
    for metric in ("clipped_density", "clipped_coverage"):
        assert real[metric] > 0.9 > 0.2 > hopeless[metric]
    assert copies["nearest_train_ratio"] == 0.0
    assert mixture["nearest_train_ratio"] == pytest.approx(real["nearest_train_ratio"], rel=0.05)
    assert blurred["high_frequency_ratio"] < 0.9 < 1.1 < noisy["high_frequency_ratio"]
    assert real["fid_floor"] == pytest.approx(real["fid"])
    assert rows["independent pixels"]["fid_floor"].repeats[0] > 0


def test_held_out_real_against_itself_is_empty_with_the_reason(rows):
    held = rows["held-out real"]["validation_fid"]
    assert held.value is None
    assert "zero within rounding" in held.source


def test_bootstraps_are_common_to_all_sets_and_seeds(panel, digits, rows):
    mixture = MAKERS["gaussian mixture"](digits, 400, 0)
    repeats = rows["gaussian mixture"]["fid_bootstrap"].repeats
    assert len(repeats) == 200
    assert by_name(panel.measure(mixture, "", 7))["fid_bootstrap"].repeats == repeats
    assert by_name(ImagePanel(digits).measure(mixture, "", 0))["fid_bootstrap"].repeats == repeats
    pairs = np.corrcoef(np.log(repeats), np.log(rows["independent pixels"]["fid_bootstrap"].repeats))
    assert pairs[0, 1] > 0.3, "what a bootstrap does to one set it does to another"


def test_a_seed_decides_and_global_states_stay(panel, digits):
    levels = MAKERS["gaussian mixture"](digits, 400, 0)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (by_name(panel.measure(levels, "", seed)) for seed in (1, 1, 2))
    assert first == again
    assert first["fid"] == other["fid"]
    assert first["fid_floor"] != other["fid_floor"]
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_samples_empty_some_rows_and_no_others(panel, digits, n):
    row = by_name(panel.measure(digits.validation.items[:n], "", 0))
    assert sorted(row) == sorted(FULL)
    assert row["fid_floor"].value is None
    assert "too few" in row["fid_floor"].source
    assert row["copied_share"].value == 0.0
    assert (row["fid"].value is None) == (n < 2)


def test_equal_samples_are_measured(panel, digits):
    row = by_name(panel.measure(np.repeat(digits.validation.items[:1], 400, 0), "", 0))
    assert row["fid"].value > 10
    assert row["coverage"].value < 0.2


def test_one_failing_metric_takes_no_other_with_it(panel, digits, monkeypatch):
    def fails(*_):
        raise np.linalg.LinAlgError("singular")

    levels = MAKERS["gaussian mixture"](digits, 400, 0)
    monkeypatch.setattr(panel_module, "kernel_distance", fails)
    monkeypatch.setattr(panel_module, "high_frequency_ratio", lambda *_: float("nan"))
    row = by_name(panel.measure(levels, "", 0))
    assert (row["kid"].value, row["kid"].source) == (None, "LinAlgError: singular")
    assert (row["high_frequency_ratio"].value, row["high_frequency_ratio"].source) == (None, "not finite (nan)")
    empty = {name for name, m in row.items() if m.value is None}
    assert empty == {"kid", "high_frequency_ratio"}


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (np.full((4, 1, 8, 8), np.nan, np.float32), "samples are float32; round them to uint8 levels 0..16 first"),
        (np.zeros((4, 1, 8, 9), np.uint8), r"samples have shape \(4, 1, 8, 9\); expected \(N, 1, 8, 8\)"),
        (np.zeros((0, 1, 8, 8), np.uint8), "N >= 1"),
        (np.full((4, 1, 8, 8), 17, np.uint8), r"samples hold level 17; this dataset has 0\.\.16"),
    ],
)
def test_what_are_no_levels_is_refused(panel, levels, message):
    with pytest.raises(ValueError, match=message):
        panel.measure(levels, "", 0)


def test_data_without_labels_has_no_class_balance(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(encoder, "STEPS", 3)
    parts = (Split(part.items) for part in (digits.train, digits.validation, digits.test))
    unlabelled = ImagePanel(ImageDataset("unlabelled", *parts, level_count=17, source="test"))
    row = by_name(unlabelled.measure(digits.validation.items, "", 0))
    assert (row["class_balance"].value, row["class_balance"].source) == (None, "the dataset has no labels")
    assert row["fid"].value is not None
