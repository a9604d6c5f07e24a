"""Points of known density: the density is one, the draws follow it, and the datasets are scaled as contenders expect."""

import numpy as np
import pytest
from scipy import stats

from paragone.bench.data import embedded
from paragone.bench.data.mixture import MIXTURES, Mixture, grid25, ring8


@pytest.mark.parametrize("name", MIXTURES)
def test_each_coordinate_has_variance_one(name):
    data = embedded(name)
    assert data.spec.modality == "points"
    assert (data.spec.shape, data.spec.levels, data.spec.classes) == ((2,), None, None)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [20_000, 2_500, 10_000]
    assert data.train.items.dtype == np.float32
    assert data.to_unit(data.train.items).var(0) == pytest.approx([1, 1], abs=0.03)
    far = data.train.items * 10
    assert np.array_equal(data.to_items(data.to_unit(far)), far), "points are not clipped"


def test_published_shapes():
    grid, ring = grid25(), ring8()
    assert len(grid.means) == 25
    assert np.ptp(grid.means, 0) / grid.sd == pytest.approx([160, 160]), "modes 2 apart, sd .05"
    assert len(ring.means) == 8
    assert np.linalg.norm(ring.means, axis=1) / ring.sd == pytest.approx(np.full(8, 100)), "radius 1, sd .01"


@pytest.mark.parametrize("name", MIXTURES)
def test_log_density_is_that_of_the_mixture_by_scipy(name):
    mixture = MIXTURES[name]()
    x = np.random.default_rng(0).normal(0, 1, (50, 2)) * 0.1 + mixture.means[3]
    parts = [stats.multivariate_normal(mean, mixture.sd**2).pdf(x) for mean in mixture.means]
    expected = np.log(np.mean(parts, 0))
    finite = np.isfinite(expected)
    assert finite.any()
    assert mixture.log_density(x)[finite] == pytest.approx(expected[finite])
    assert np.isfinite(mixture.log_density(x * 1e3)).all()


def test_log_density_of_draws_has_the_entropy_of_separate_modes():
    mixture = grid25()
    entropy = np.log(25) + np.log(2 * np.pi * np.e * mixture.sd**2)
    found = mixture.log_density(mixture.draw(200_000, np.random.default_rng(0)))
    assert -found.mean() == pytest.approx(entropy, abs=4 * found.std() / np.sqrt(len(found)))


def test_nearest_mean_and_distance_in_standard_deviations():
    mixture = Mixture(np.array([[0.0, 0.0], [3.0, 4.0]]), 0.5)
    index, distance = mixture.nearest(np.array([[0.0, 1.0], [3.0, 3.0]]))
    assert index.tolist() == [0, 1]
    assert distance == pytest.approx([2, 2])


def test_equal_modes_are_drawn_equally_often():
    mixture = ring8()
    index, _ = mixture.nearest(mixture.draw(80_000, np.random.default_rng(1)))
    assert stats.chisquare(np.bincount(index)).pvalue > 1e-3
