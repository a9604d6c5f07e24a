"""Clipped density and coverage: the properties that the paper states, and its formula against simulation."""

import numpy as np
import pytest
from scipy.stats import betabinom

from paragone.bench.metrics.clipped import clip_squared, clipped_share, expected_coverage, share_of_good
from paragone.bench.metrics.neighbours import RealBalls

K = 5


def plain(generated, real, k=K):
    """Clipped density and C by the definitions, one item at a time."""
    own = np.linalg.norm(real[:, None] - real[None], axis=2)
    across = np.linalg.norm(generated[:, None] - real[None], axis=2)
    radii = np.sort(own, axis=1)[:, k]
    cut = np.minimum(radii, np.median(radii))
    score = np.mean([min(1, sum(across[g] <= cut) / k) for g in range(len(generated))])
    ideal = np.mean([min(1, (sum(own[i] <= cut) - 1) / k) for i in range(len(real))])
    covered = np.mean([min(k, sum(across[:, i] < radii[i])) / k for i in range(len(real))])
    return min(1.0, score / ideal), covered


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (0.3, 1.5), (1.0, 0.8)])
def test_are_those_of_the_definition(rng, shift, spread):
    real, generated = rng.normal(size=(121, 4)), spread * rng.normal(size=(90, 4)) + shift
    density, covered = plain(generated, real)
    found = RealBalls(real).measure(generated)
    assert found.clipped_density == pytest.approx(density, rel=1e-12)
    assert found.clipped_coverage == pytest.approx(share_of_good(covered, 121, 90, K), rel=1e-12)


def test_equal_distributions_give_one(rng):
    found = RealBalls(rng.normal(size=(1500, 8))).measure(rng.normal(size=(1500, 8)))
    assert found.clipped_density == pytest.approx(1.0, abs=0.03)
    assert found.clipped_coverage == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("bad", [0.2, 0.5, 0.8])
def test_fall_in_proportion_to_bad_samples(rng, bad):
    real, generated = rng.normal(size=(1500, 8)), rng.normal(size=(1500, 8))
    generated[: int(1500 * bad)] += 1000.0
    found = RealBalls(real).measure(generated)
    assert found.clipped_density == pytest.approx(1 - bad, abs=0.04)
    assert found.clipped_coverage == pytest.approx(1 - bad, abs=0.04)


def test_real_outliers_open_no_ball_to_bad_samples(rng):
    """One real item in twenty far away: its ball takes in everything, which density counts and clipped density does not."""
    real = rng.normal(size=(1000, 8))
    real[:50] *= 20.0
    bad = rng.normal(size=(1000, 8)) * 8.0
    found = RealBalls(real).measure(bad)
    assert found.density > 0.5
    assert found.clipped_density < 0.05
    assert found.clipped_coverage < 0.1


def test_samples_heaped_on_the_centre_make_up_for_no_bad_ones(rng):
    """The centre of a Gaussian lies in dozens of balls: density takes a quarter of such samples for more than all."""
    real = rng.normal(size=(1000, 16))
    generated = np.concatenate([np.zeros((250, 16)), np.full((750, 16), 1e6)])
    found = RealBalls(real).measure(generated)
    assert found.density > 2
    assert found.clipped_density < 0.6


@pytest.mark.parametrize(("real", "generated"), [(20, 7), (100, 300)])
def test_expected_coverage_is_the_beta_binomial_mean_and_rises(real, generated):
    good = np.arange(generated + 1)
    direct = [betabinom(m, K, real - K).expect(lambda j: np.minimum(j, K)) / K if m else 0.0 for m in good]
    found = expected_coverage(good, real, K)
    assert found == pytest.approx(direct, abs=1e-9)
    assert (np.diff(found) > 0).all()


def test_expected_coverage_is_the_mean_over_draws_of_one_distribution(rng):
    draws = []
    for _ in range(60):
        real, generated = rng.uniform(size=(60, 1)), rng.uniform(size=(40, 1))
        draws.append(plain(generated, real)[1])
    error = np.std(draws) / np.sqrt(len(draws))
    assert np.mean(draws) == pytest.approx(expected_coverage(np.array([40]), 60, K)[0], abs=3 * error)


def test_share_of_good_inverts_and_stays_in_bounds():
    values = expected_coverage(np.array([0, 10, 50, 100]), 200, K)
    assert [share_of_good(v, 200, 100, K) for v in values] == pytest.approx([0.0, 0.1, 0.5, 1.0])
    assert share_of_good(1.0, 200, 100, K) == 1.0


def test_clipping_cuts_at_the_median_radius_and_leaves_the_rest_exact(rng):
    squared = rng.uniform(size=11)
    cut = clip_squared(squared)
    middle = np.sort(squared)[5]
    assert np.array_equal(cut[squared <= middle], squared[squared <= middle])
    assert cut[squared > middle] == pytest.approx(middle)
    assert clipped_share(np.array([0, 3, 9]), 5) == pytest.approx((0 + 0.6 + 1) / 3)
