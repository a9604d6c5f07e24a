"""Levels, their values and coordinates, and draws of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paragone.models.layers.levels import draw_level, hats, level_of, value_of


@given(levels=st.integers(2, 256))
def test_levels_and_values_are_inverse_and_span_the_range(levels):
    every = torch.arange(levels)
    values = value_of(every, levels)
    assert torch.equal(level_of(values, levels), every)
    torch.testing.assert_close(values, torch.linspace(-1, 1, levels))


@given(knots=st.integers(2, 17), x=st.floats(-1, 1))
def test_hats_tell_a_value_exactly(knots, x):
    """They sum to 1 and give the value back as the mean of the knots."""
    places = torch.linspace(-1, 1, knots, dtype=torch.float64)
    coordinates = hats(torch.tensor([x], dtype=torch.float64), places)[0]
    assert coordinates.sum().item() == pytest.approx(1, abs=1e-9)
    assert (coordinates @ places).item() == pytest.approx(x, abs=1e-9)
    assert (coordinates > 1e-9).sum() <= 2


def test_draws_follow_the_probabilities():
    n, p = 100_000, torch.tensor([0.5, 0.0, 0.3, 0.2])
    levels = draw_level(p.log().expand(n, 4), torch.Generator().manual_seed(0))
    share = torch.bincount(levels, minlength=4) / n
    assert ((share - p).abs() <= 4 * (p * (1 - p) / n).sqrt()).all()  # four standard errors; none where p is 0
