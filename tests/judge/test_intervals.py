"""Intervals: seeds, scales, small numbers, bad input; that they equal other implementations is shown in test_agreement."""

import numpy as np
import pytest

from paragone.bench.judge.intervals import bca_limits, centre, clopper_pearson, middle


def test_clopper_pearson_refuses_what_is_no_share():
    with pytest.raises(ValueError, match="6 of 5"):
        clopper_pearson(6, 5)


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


@pytest.mark.parametrize("n", [0, 1, 2, 7, 19, 20, 33])
@pytest.mark.parametrize("scale", ["log", "identity"])
def test_middle_is_the_value_of_centre(n, scale):
    x = np.random.default_rng(n).lognormal(size=n)
    assert middle(x, scale) == pytest.approx(centre(x, scale).value, nan_ok=True, rel=1e-12)
