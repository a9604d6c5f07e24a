"""Intervals against scipy, and their seeds."""

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, trim_mean, ttest_1samp

from paragone.bench.judge.intervals import bca_limits, centre, clopper_pearson, interquartile_mean, t_limits


def test_t_limits_equal_scipy():
    x = np.random.default_rng(1).normal(2, 1, (3, 7))
    value, low, high = t_limits(x)
    for i, row in enumerate(x):
        theirs = ttest_1samp(row, 0).confidence_interval(0.95)
        assert (value[i], low[i], high[i]) == pytest.approx((row.mean(), theirs.low, theirs.high))


@pytest.mark.parametrize(("k", "n"), [(0, 5), (3, 5), (5, 5), (17, 360), (360, 360)])
def test_clopper_pearson_equals_scipy(k, n):
    theirs = binomtest(k, n).proportion_ci(0.95, "exact")
    assert clopper_pearson(k, n) == pytest.approx((theirs.low, theirs.high))


def test_clopper_pearson_refuses_what_is_no_share():
    with pytest.raises(ValueError, match="6 of 5"):
        clopper_pearson(6, 5)


@pytest.mark.parametrize("n", [20, 21, 23, 40])
def test_interquartile_mean_is_a_quarter_trimmed_mean(n):
    x = np.random.default_rng(2).standard_normal((4, n))
    assert interquartile_mean(x) == pytest.approx(trim_mean(x, 0.25, axis=-1))


@pytest.mark.parametrize("estimator", [interquartile_mean, lambda x: x.mean(axis=-1)])
def test_bca_equals_scipy_up_to_its_draws(estimator):
    x = np.random.default_rng(3).exponential(1.0, 24)
    value, low, high = bca_limits(x, estimator=estimator, resamples=20_000)
    theirs = bootstrap(
        (x,), lambda s, axis: estimator(np.moveaxis(s, axis, -1)), n_resamples=20_000, method="BCa", rng=np.random.default_rng(4)
    ).confidence_interval
    assert value == pytest.approx(estimator(x))
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_draws_are_seeded_and_leave_the_global_state_alone():
    x = np.random.default_rng(5).standard_normal(25)
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must stay
    assert bca_limits(x) == bca_limits(x)
    assert bca_limits(x, generator=np.random.default_rng(1)) != bca_limits(x, generator=np.random.default_rng(2))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_centre_is_geometric_on_log_and_trimmed_from_twenty_on():
    assert centre([1.0, 4.0, 16.0], "log").value == pytest.approx(4.0)
    few = np.r_[np.zeros(18), 100.0]
    many = np.r_[np.zeros(19), 100.0]
    assert centre(few).value == pytest.approx(100 / 19)
    assert centre(many).value == 0


def test_centre_of_one_value_and_of_none():
    assert centre([3.0], "log").value == pytest.approx(3.0)
    assert np.isnan(centre([3.0], "log").low)
    assert np.isnan(centre([]).value)


def test_centre_refuses_what_has_no_logarithm():
    with pytest.raises(ValueError, match="-1 has no logarithm"):
        centre([1.0, -1.0], "log")
