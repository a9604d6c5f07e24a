"""Precision, recall, density, coverage against the package of the metrics' authors, and against published figures."""

import numpy as np
import pytest
from prdc import compute_prdc

from paragone.bench.metrics import neighbours
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.neighbours import density_coverage, precision_recall, radii


def all_four(generated, real, k):
    precision, recall = precision_recall(generated, real, k)
    density, coverage = density_coverage(generated, real, radii(real, k), k)
    return {"precision": precision, "recall": recall, "density": density, "coverage": coverage}


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (0.6, 0.7), (0.3, 1.5)])
def test_agrees_with_prdc(rng, shift, spread):
    real, generated = rng.normal(size=(300, 12)), spread * rng.normal(size=(410, 12)) + shift
    expected = compute_prdc(real_features=real, fake_features=generated, nearest_k=5)
    assert all_four(generated, real, 5) == pytest.approx(expected, abs=1e-6)


def test_does_not_hang_on_blocks(rng, monkeypatch):
    real, generated = rng.normal(size=(100, 6)), rng.normal(size=(130, 6)) + 0.5
    whole = all_four(generated, real, 5)
    monkeypatch.setattr(neighbours, "BLOCK", 17)
    assert all_four(generated, real, 5) == pytest.approx(whole, abs=1e-6)


def test_one_point_repeated_has_precision_and_no_coverage(rng):
    real = rng.normal(size=(200, 3))
    precision, recall = precision_recall(np.repeat(real[:1], 50, 0), real)
    density, coverage = density_coverage(np.repeat(real[:1], 50, 0), real, radii(real))
    assert precision == 1.0
    assert recall < 0.02
    assert coverage < 0.1
    assert density > 0


def test_too_few_items_for_neighbours(rng):
    with pytest.raises(NotMeasurable, match="too few items: 3, needs 4"):
        precision_recall(rng.normal(size=(3, 4)), rng.normal(size=(50, 4)))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_gaussians_in_a_thousand_dimensions(rng):
    """10,000 draws of N(0, I) twice, k = 5: figures of the authors' README."""
    found = all_four(rng.normal(size=(10_000, 1000)), rng.normal(size=(10_000, 1000)), 5)
    assert found["precision"] == pytest.approx(0.4772, abs=0.03)
    assert found["recall"] == pytest.approx(0.4705, abs=0.03)
    assert found["density"] == pytest.approx(1.0555, abs=0.2)
    assert found["coverage"] == pytest.approx(0.9735, abs=0.02)
