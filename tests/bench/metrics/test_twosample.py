"""The two-sample classifier: a coin toss between equals, certain between strangers."""

import numpy as np
import pytest

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.twosample import two_sample_accuracy


def test_is_a_coin_toss_between_draws_of_one_distribution(rng):
    accuracies = [two_sample_accuracy(rng.normal(size=(120, 16)), rng.normal(size=(100, 16)), s) for s in range(20)]
    assert np.mean(accuracies) == pytest.approx(0.5, abs=0.03)


def test_sees_a_shift_and_a_difference_of_spread_alone(rng):
    real = rng.normal(size=(200, 16))
    assert two_sample_accuracy(rng.normal(size=(200, 16)) + 1, real, 0) > 0.9
    assert two_sample_accuracy(1.8 * rng.normal(size=(200, 16)), real, 0) > 0.8  # a linear classifier is blind here


def test_takes_equal_numbers_so_that_more_items_are_no_hint(rng):
    assert two_sample_accuracy(rng.normal(size=(900, 8)), rng.normal(size=(100, 8)), 0) < 0.65


def test_follows_its_seed_and_bears_dead_features(rng):
    one, two = rng.normal(size=(100, 8)), rng.normal(size=(100, 8)) + 0.5
    one[:, 3] = two[:, 3] = 0.0
    assert two_sample_accuracy(one, two, 1) == two_sample_accuracy(one, two, 1)
    assert len({two_sample_accuracy(one, two, seed) for seed in range(5)}) > 1


def test_nine_items_are_too_few_for_five_folds(rng):
    with pytest.raises(NotMeasurable, match="too few items: 9, needs 10"):
        two_sample_accuracy(rng.normal(size=(9, 4)), rng.normal(size=(50, 4)), 0)
