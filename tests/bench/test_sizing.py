"""The width found is the best there is, by looking at all of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import DataSpec

SPEC = DataSpec("image", (1, 8, 8), levels=17)


class Counted:
    """Stands for a contender of which only the count is asked."""

    def __init__(self, count):
        self._count = count
        torch.rand(3)

    def trained_parameter_count(self):
        return self._count


@given(target=st.integers(1, 500_000), linear=st.integers(0, 500), square=st.integers(1, 30))
def test_nearest_width(target, linear, square):
    def count(width):
        return square * width * width + linear * width + 7

    width, found = solve_width(lambda spec, w: Counted(count(w)), SPEC, target)
    assert found == count(width)
    best = min(abs(count(w) - target) for w in range(1, 800))
    assert abs(found - target) == best


def test_fixed_size_keeps_the_starting_width():
    assert solve_width(lambda spec, w: Counted(123), SPEC, 10_000) == (16, 123)


def test_random_state_is_untouched():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    solve_width(lambda spec, w: Counted(w), SPEC, 40)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("count", "outside"), [(1000, False), (1100, False), (900, False), (1101, True), (899, True)])
def test_ten_percent(count, outside):
    assert outside_budget(count, 1000) is outside
