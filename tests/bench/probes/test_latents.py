"""Probes of latents and codes on contenders whose answers are known: principal components, banks of pictures, planes."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from paragone.bench.data.dataset import ImageDataset, Split, to_unit
from paragone.bench.probes.codes import CODES, anomalies, area_under_curve
from paragone.bench.probes.latents import LATENTS, cross_validated, nearest_distance, ratios_to_ends
from tests.bench.probes.planted import ClassGAN, Linear, Silent, found, subject


def rows(split):
    return to_unit(split.items, 17).reshape(len(split), -1).astype(np.float64)


@pytest.fixture(scope="module")
def components(digits):
    return PCA(12).fit(rows(digits.train))


@pytest.fixture(scope="module")
def linear(digits, components):
    return Linear(digits.spec, components.components_, components.mean_)


def test_an_autoencoder_that_is_pca_gains_and_loses_nothing(digits, linear):
    measured = found(CODES, subject(linear, digits))
    assert measured["compression_ratio_to_pca"].value == pytest.approx(1, abs=1e-6)
    assert measured["denoising_ratio_to_pca"].value == pytest.approx(1, abs=1e-6)
    assert measured["anomaly_gain_over_pca"].value == pytest.approx(0, abs=1e-4)
    assert measured["code_probe_gain"].value == pytest.approx(0, abs=0.003)


def test_fewer_and_wrong_axes_are_worse_than_as_many_components(digits, components):
    wrong = Linear(digits.spec, np.eye(64)[:12], components.mean_)
    measured = found(CODES, subject(wrong, digits))
    x = rows(digits.test)
    mine = ((x - components.mean_)[:, 12:] ** 2).sum() / x.size
    theirs = ((np.clip(components.inverse_transform(components.transform(x)), -1, 1) - x) ** 2).mean()
    assert measured["compression_ratio_to_pca"].value == pytest.approx(mine / theirs, rel=1e-3)
    assert measured["code_probe_gain"].value < -0.2, "the upper rows say less of the class than components do"


def test_the_anomalies_are_hard_for_components_but_not_hopeless(digits, components):
    x = rows(digits.test)
    strange = anomalies(subject(None, digits).unit(digits.test), np.random.default_rng(0)).numpy().reshape(2 * len(x), -1)
    errors = [((components.inverse_transform(components.transform(part)) - part) ** 2).mean(1) for part in (x, strange)]
    assert 0.6 < area_under_curve(*errors) < 0.95
    upper, lower = strange[len(x) :, :32], strange[len(x) :, 32:]
    assert (upper == x[:, :32]).all()
    assert sorted(map(tuple, lower)) == sorted(map(tuple, x[:, 32:]))


def test_area_under_the_curve_is_that_of_scikit_learn_and_of_mann_and_whitney():
    draws = np.random.default_rng(0)
    usual, odd = draws.integers(20, size=50).astype(float), draws.integers(5, 25, size=80).astype(float)
    expected = roc_auc_score(np.repeat([0, 1], [50, 80]), np.concatenate([usual, odd]))
    assert area_under_curve(usual, odd) == pytest.approx(expected)
    assert area_under_curve(usual, odd) == pytest.approx(mannwhitneyu(odd, usual).statistic / (50 * 80))


def test_codes_that_spare_nothing_have_no_value(digits):
    whole = Linear(digits.spec, np.eye(64), np.zeros(64))
    assert {m.source for m in found(CODES, subject(whole, digits)).values()} == {"codes are as many numbers as the data has"}
    discrete = Linear(digits.spec, np.eye(64)[:12], np.zeros(64))
    discrete.encode = lambda x: Linear.encode(discrete, x).long()
    assert all("discrete" in m.source and m.value is None for m in found(CODES, subject(discrete, digits)).values())


def bank(digits):
    """One training digit of each of nine classes."""
    return to_unit(np.stack([digits.train.items[digits.train.labels == k][0] for k in range(9)]), 17)


def test_a_class_that_z_holds_is_read_from_it_and_one_that_is_shuffled_is_not(digits, panel):
    held = found(LATENTS, subject(ClassGAN(digits.spec, bank(digits)), digits, panel))["latent_probe_accuracy"]
    assert held.value > 0.95
    shuffled = found(LATENTS, subject(ClassGAN(digits.spec, bank(digits), shuffled=True), digits, panel))
    majority = float(shuffled["latent_probe_accuracy"].source.split("share is ")[1])
    assert abs(shuffled["latent_probe_accuracy"].value - majority) < 0.05


def test_lines_through_a_bank_of_real_pictures_stay_as_near_as_their_ends(digits, panel):
    same = ClassGAN(digits.spec, np.repeat(bank(digits)[3:4], 9, 0))
    measured = found(LATENTS, subject(same, digits, panel))
    assert measured["interpolation_distance"].value == pytest.approx(1)
    assert measured["interpolation_confidence"].value == pytest.approx(1)
    assert measured["latent_probe_accuracy"].value is None
    assert "classes" in measured["latent_probe_accuracy"].source


def test_lines_that_blend_pixels_leave_the_data(digits, panel):
    """An autoencoder that keeps the picture as its code mixes pixels: far from digits and unsure of a class, most in the middle."""
    measured = found(LATENTS, subject(Linear(digits.spec, np.eye(64), np.zeros(64)), digits, panel))
    distance, confidence = measured["interpolation_distance"], measured["interpolation_confidence"]
    assert distance.value > 1.1
    assert confidence.value < 0.95
    assert len(distance.repeats) == 9
    assert max(distance.repeats[3:6]) == max(distance.repeats)
    assert min(confidence.repeats[3:6]) == min(confidence.repeats)
    assert "encoded validation items" in distance.source


def test_ends_are_held_out_items_whose_original_is_not_among_the_real_ones(digits, panel):
    """A perfect copy of every item makes its own ends no nearer than held-out real is."""
    copier = subject(Linear(digits.spec, np.eye(64), np.zeros(64)), digits, panel)
    real = panel.features(digits.test.items).values
    held_out = nearest_distance(panel.features(digits.validation.items).values, real)
    assert np.median(held_out) > 0.1
    assert found(LATENTS, copier)["interpolation_distance"].n == 150


def test_ratios_by_hand():
    values = np.ones((11, 4))
    values[[0, -1]] = [[1.0, 4.0, 1.0, 4.0], [4.0, 1.0, 4.0, 1.0]]  # geometric mean 2
    values[5] = 6.0
    assert ratios_to_ends(values) == pytest.approx([0.5] * 4 + [3.0] + [0.5] * 4)


def test_without_labels_only_distances_are_measured(digits, panel):
    parts = (Split(part.items) for part in (digits.train, digits.validation, digits.test))
    unlabelled = ImageDataset("digits", *parts, level_count=17, source="digits without labels")
    measured = found(LATENTS, subject(ClassGAN(digits.spec, bank(digits)), unlabelled, panel))
    assert measured["interpolation_distance"].value > 0
    for metric in ("interpolation_confidence", "latent_probe_accuracy"):
        assert (measured[metric].value, measured[metric].source) == (None, "the dataset has no labels")


def test_discrete_latents_have_no_lines(digits, panel):
    class Discrete(Silent):
        def encode(self, x):
            return x.long()

        def decode(self, z):
            return z.float()

    measured = found(LATENTS, subject(Discrete(digits.spec, 1), digits, panel))
    assert "no straight line" in measured["interpolation_distance"].source
    assert "does not offer draw_latents" in measured["latent_probe_accuracy"].source


def test_cross_validation_is_of_held_out_rows():
    draws = np.random.default_rng(0)
    z, classes = draws.standard_normal((400, 30)), draws.integers(2, size=400)
    assert abs(cross_validated(z, classes, np.random.default_rng(1)) - 0.5) < 0.1, "noise is not learnt by heart"
