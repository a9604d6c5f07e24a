"""Learning-rate schedules: ranges, ends and monotonicity, for every progress and share. Muon's weight decay."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.models.layers.muon import Muon
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

shares = st.floats(0, 1)
no_deadline = settings(deadline=None)  # a busy machine is no defect


@no_deadline
@given(progress=shares, share=shares)
def test_warm_up_is_a_positive_factor(progress, share):
    assert 0 < warm_up(progress, share) <= 1


@no_deadline
@given(share=st.floats(0, 0.5), a=shares, b=shares)
def test_warm_up_never_falls_and_ends_at_its_share(share, a, b):
    assert warm_up(min(a, b), share) <= warm_up(max(a, b), share)
    assert warm_up(share, share) == 1


@no_deadline
@given(share=st.floats(0.02, 1), progress=st.floats(0, 0.01))
def test_warm_up_is_linear_with_slope_one_over_share(share, progress):
    rise = warm_up(progress, share) - warm_up(0.0, share)
    assert rise == pytest.approx(progress / share, abs=1e-12)


def test_warm_up_starts_low_and_a_share_of_zero_means_none():
    assert warm_up(0.0) == pytest.approx(0.05)
    assert warm_up(0.0, 0.0) == 1


@no_deadline
@given(progress=shares, end=shares)
def test_cosine_stays_between_its_end_and_one(progress, end):
    assert end - 1e-12 <= cosine(progress, end) <= 1 + 1e-12


@no_deadline
@given(a=shares, b=shares, end=shares)
def test_cosine_never_rises(a, b, end):
    assert cosine(max(a, b), end) <= cosine(min(a, b), end) + 1e-12


@no_deadline
@given(end=shares, beyond=st.floats(1, 100))
def test_cosine_runs_from_one_through_the_middle_to_its_end_and_stays(end, beyond):
    assert cosine(0.0, end) == pytest.approx(1)
    assert cosine(0.5, end) == pytest.approx((1 + end) / 2)
    assert cosine(beyond, end) == end


@no_deadline
@given(progress=shares)
def test_cosine_is_half_a_cosine(progress):
    """A second form, by the half angle: (1 + cos t) / 2 = cos(t / 2)^2."""
    assert cosine(progress) == pytest.approx(math.cos(math.pi * progress / 2) ** 2, abs=1e-12)


@pytest.mark.parametrize("rate", [0.0, 1e-3, 2.0])
def test_a_learning_rate_reaches_every_group(rate):
    a, b = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimiser = torch.optim.SGD([{"params": [a]}, {"params": [b], "lr": 7.0}], lr=1.0)
    set_learning_rate(optimiser, rate)
    a.grad, b.grad = torch.ones(1), torch.ones(1)
    optimiser.step()
    assert float(a.detach()) == float(b.detach()) == pytest.approx(1 - rate, rel=1e-6, abs=1e-6)


@no_deadline
@given(rate=st.floats(0, 0.5), decay=st.floats(0, 1))
def test_muons_weight_decay_shrinks_every_weight_apart_from_its_gradient(rate, decay):
    """(1 - lr d) W, then the step that would have been made without decay."""
    start = torch.linspace(-1, 1, 12, dtype=torch.float64).view(3, 4)
    ended = {}
    for d in (0.0, decay):
        weights = [torch.nn.Parameter(start.clone()), torch.nn.Parameter(-2 * start)]
        for k, weight in enumerate(weights):
            weight.grad = torch.sin(start + k)
        Muon(weights, lr=rate, weight_decay=d).step()
        ended[d] = [weight.detach() for weight in weights]
    for k, before in enumerate((start, -2 * start)):
        torch.testing.assert_close(ended[decay][k], ended[0.0][k] - rate * decay * before)
