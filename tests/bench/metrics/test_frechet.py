"""FID against closed forms of the distance between Gaussians."""

import numpy as np
import pytest
import scipy.linalg

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.frechet import floor_distances, frechet_distance, statistics


def exactly(rng, n, mean, covariance):
    """Features (n, D) whose sample mean and covariance are exactly these."""
    raw = rng.normal(size=(n, len(mean)))
    raw -= raw.mean(0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def covariance(rng, d):
    a = rng.normal(size=(d, d))
    return a @ a.T + np.eye(d)


def test_diagonal_gaussians_have_a_closed_form(rng):
    m1, m2, s1, s2 = rng.normal(size=4), rng.normal(size=4), rng.uniform(1, 3, 4), rng.uniform(1, 3, 4)
    one, two = exactly(rng, 300, m1, np.diag(s1**2)), exactly(rng, 200, m2, np.diag(s2**2))
    expected = ((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum()
    assert frechet_distance(statistics(one), statistics(two)) == pytest.approx(expected, rel=1e-9)


def test_agrees_with_the_symmetric_closed_form_on_the_same_features(rng):
    one = rng.normal(size=(500, 64)) @ covariance(rng, 64)
    two = rng.normal(size=(300, 64)) @ covariance(rng, 64) + 1
    s1, s2 = np.cov(one.T), np.cov(two.T)
    root = scipy.linalg.sqrtm(s1).real
    middle = np.sqrt(np.clip(scipy.linalg.eigvalsh(root @ s2 @ root), 0, None)).sum()
    traces = np.trace(s1) + np.trace(s2)
    expected = ((one.mean(0) - two.mean(0)) ** 2).sum() + traces - 2 * middle
    assert abs(frechet_distance(statistics(one), statistics(two)) - expected) < 1e-6 * traces


def test_a_set_against_itself_has_no_value_rather_than_a_rounding_error(rng):
    features = rng.normal(size=(100, 8))
    with pytest.raises(NotMeasurable, match="zero within rounding"):
        frechet_distance(statistics(features), statistics(features))


def test_one_item_has_no_covariance(rng):
    with pytest.raises(NotMeasurable, match="too few items: 1, needs 2"):
        statistics(rng.normal(size=(1, 8)))


def test_the_floor_takes_ten_different_subsets_and_follows_its_seed(rng):
    features, real = rng.normal(size=(400, 6)), statistics(rng.normal(size=(300, 6)))
    floor = floor_distances(features, real, 100, seed=1)
    assert len(set(floor)) == len(floor) == 10
    assert floor == floor_distances(features, real, 100, seed=1) != floor_distances(features, real, 100, seed=2)
    assert np.mean(floor) > frechet_distance(statistics(features), real)  # FID falls with N


def test_the_floor_of_held_out_real_is_its_fid_and_fewer_items_have_none(rng):
    features, real = rng.normal(size=(100, 6)), statistics(rng.normal(size=(300, 6)))
    assert floor_distances(features, real, 100, 0) == pytest.approx([frechet_distance(statistics(features), real)] * 10)
    with pytest.raises(NotMeasurable, match="too few items for a subset as large as held-out real: 100, needs 101"):
        floor_distances(features, real, 101, 0)
