"""FID under resampling: bootstraps that all share, and a line that reaches what many more samples would give."""

import numpy as np
import pytest

from paragone.bench.data import embedded
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.frechet import Gaussians, frechet_distance, frechet_distances, statistics
from paragone.bench.metrics.resampling import (
    bootstrap_counts,
    bootstrap_distances,
    bootstrap_gaussians,
    infinite_distance,
)


def skewed(rng, n, d=16):
    """Features that are no Gaussian, correlated, some dead, as an encoder's are."""
    mixing = np.random.default_rng(3).normal(size=(d, d)) / np.sqrt(d)
    features = np.clip(rng.normal(size=(n, d)) @ mixing + 0.3, 0, None)
    features[:, -2:] = 0.0
    return features


def test_many_at_once_equal_torch_fidelity_one_by_one(rng):
    one = statistics(skewed(rng, 300))
    sets = [skewed(rng, n) * scale + shift for n, scale, shift in ((20, 1, 0), (400, 1.3, 0), (200, 1, 0.2))]
    many = Gaussians(np.stack([x.mean(0) for x in sets]), np.stack([np.cov(x.T) for x in sets]))
    assert frechet_distances(one, many) == pytest.approx([frechet_distance(one, statistics(x)) for x in sets], rel=1e-6)


def test_bootstraps_are_those_of_the_drawn_items(digits, panel, rng):
    features = panel.features(digits.test.items).values
    own = statistics(panel.features(digits.validation.items).values)
    counts = bootstrap_counts(digits)[:5]
    found = bootstrap_distances(own, bootstrap_gaussians(features, counts))
    drawn = [np.repeat(features, count, axis=0) for count in counts]
    assert found == pytest.approx([frechet_distance(own, statistics(x)) for x in drawn], rel=1e-6)


def test_the_dataset_alone_decides_the_bootstraps(digits):
    counts = bootstrap_counts(digits)
    np.random.default_rng(0).normal(size=10)
    assert counts.shape == (200, 360)
    assert (counts.sum(1) == 360).all()
    assert len(np.unique(counts, axis=0)) == 200
    assert np.array_equal(counts, bootstrap_counts(embedded("digits")))
    assert counts.mean(0).std() == pytest.approx(200**-0.5, rel=0.2)  # each item once on average, Poisson noise


def test_the_bootstraps_spread_is_that_of_new_references(rng):
    """On Gaussians the standard deviation over bootstraps estimates that over fresh draws of the reference."""
    own = statistics(rng.normal(size=(2000, 6)) + 0.5)
    reference = rng.normal(size=(300, 6))
    counts = rng.multinomial(300, np.full(300, 1 / 300), 200)
    spread = np.std(bootstrap_distances(own, bootstrap_gaussians(reference, counts)))
    fresh = np.std([frechet_distance(own, statistics(rng.normal(size=(300, 6)))) for _ in range(200)])
    assert spread == pytest.approx(fresh, rel=0.25)


def test_infinity_is_nearer_to_the_truth_than_any_finite_number(rng):
    """Closed form: N(0, I) against N(0, s^2 I) is D (1 - s)^2; the mean over 40 sets of 200 lies within its noise of it."""
    d, scale = 10, 1.2
    reference = {"mu": np.zeros(d), "sigma": np.eye(d)}
    truth = d * (1 - scale) ** 2
    sets = [rng.normal(scale=scale, size=(200, d)) for _ in range(40)]
    at_infinity = [infinite_distance(x, reference, seed=1) for x in sets]
    finite = np.mean([frechet_distance(statistics(x), reference) for x in sets])
    error = np.std(at_infinity) / np.sqrt(len(sets))
    assert abs(np.mean(at_infinity) - truth) < 3 * error + 0.02
    assert finite > truth + 0.15
    assert abs(np.mean(at_infinity) - truth) < 0.25 * (finite - truth)


def test_infinity_follows_its_seed(rng):
    features, reference = rng.normal(size=(100, 4)), statistics(rng.normal(size=(90, 4)) + 1)
    first, again, other = (infinite_distance(features, reference, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_infinity_below_zero_has_no_value_and_says_so(rng):
    reference = statistics(rng.normal(size=(500, 3)))
    sets = [rng.normal(size=(60, 3)) for _ in range(40)]
    found = [at_infinity(features, reference) for features in sets]
    refused = [reason for reason in found if isinstance(reason, str)]
    assert 0 < len(refused) < 40
    assert all("below any distance" in reason for reason in refused)
    assert min(value for value in found if isinstance(value, float)) > 0
    with pytest.raises(NotMeasurable, match="too few items to extrapolate from: 49, needs 50"):
        infinite_distance(sets[0][:49], reference, 0)


def at_infinity(features, reference):
    try:
        return infinite_distance(features, reference, 0)
    except NotMeasurable as error:
        return str(error)
