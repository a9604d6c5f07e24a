"""The spline flow's own truths: its splines, its Jacobian, a density that integrates to one; and that it finds every mode."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.bench.data.mixture import grid25
from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec
from paragone.models.flow.spline_flow import BINS, BOUND, Coupling, Flow, SplineFlow
from paragone.models.layers.spline import SMALLEST_SLOPE, spline

POINTS = DataSpec("points", (2,))
seeds = st.integers(0, 2**31)


def normal(*shape, seed=2):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moved(module, seed=0, scale=0.3):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(scale * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return module


def random_spline(seed, items, bins=6, bound=2.0, spread=2.0):
    return spline(spread * normal(items, 3 * bins - 1, seed=seed), bound)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, bins=st.integers(1, 40), bound=st.floats(0.5, 20))
def test_a_spline_rises_everywhere_and_its_inverse_undoes_it(seed, bins, bound):
    one = random_spline(seed, 1, bins, bound)
    x = torch.linspace(-1.5 * bound, 1.5 * bound, 301, dtype=torch.float64)
    many = spline(2.0 * normal(1, 3 * bins - 1, seed=seed).expand(301, -1), bound)
    y, log_slopes = many.forward(x)
    assert (y.diff() > 0).all()
    assert log_slopes.isfinite().all()
    assert (many.inverse(y) - x).abs().max() < 1e-7 * bound
    assert (one.y[0, 0], one.y[0, -1]) == (-bound, bound)


@settings(deadline=None, max_examples=40)
@given(seed=seeds)
def test_the_log_slope_is_autograds(seed):
    many = random_spline(seed, 200)
    x = (3 * normal(200, seed=seed + 1)).requires_grad_()
    y, log_slopes = many.forward(x)
    (slopes,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(log_slopes.exp(), slopes, rtol=1e-8)


def test_a_spline_goes_through_its_knots_with_their_slopes():
    many = random_spline(0, 5, spread=1.0)
    for k in range(7):
        x = many.x[:, k].clone()
        y, log_slopes = many.forward(x)
        assert torch.allclose(y, many.y[:, k], atol=1e-12)
        assert torch.allclose(log_slopes.exp(), many.slopes[:, k], rtol=1e-9)
        for step in (-1e-7, 1e-7):  # the slope is continuous: nearly the same at both sides
            near, log_slopes = many.forward(x + step)
            assert torch.allclose(log_slopes.exp(), many.slopes[:, k], rtol=1e-3)
            assert torch.allclose((near - y) / step, many.slopes[:, k], rtol=1e-3)


def test_within_a_bin_a_spline_is_the_rational_quadratic_of_its_knots():
    """One bin from (-1, -1) to (1, 1) with slopes 1 and 1 is the line; two bins are checked against the formula by hand."""
    line = spline(torch.zeros(1, 2), 1.0)
    assert line.forward(torch.tensor([0.3]))[0].item() == pytest.approx(0.3)
    two = spline(torch.tensor([[0.0, math.log(3), math.log(3), 0.0, 1.0]]), 2.0)  # knots near (-2, -2), (-1, 1), (2, 2)
    w, h, d = (two.x[0, 1] + 2).item(), (two.y[0, 1] + 2).item(), two.slopes[0, 1].item()
    assert (w, h) == pytest.approx((1, 3), rel=1e-3)
    q, s = 0.25 / w, h / w
    expected = -2 + h * (s * q**2 + 1 * q * (1 - q)) / (s + (d + 1 - 2 * s) * q * (1 - q))
    assert two.forward(torch.tensor([-1.75]))[0].item() == pytest.approx(expected, rel=1e-5)


def test_beyond_the_interval_a_spline_is_the_identity_and_meets_it_smoothly():
    many = random_spline(1, 4)
    for x in (-7.5, -2.0, 2.0, 3.25):
        y, log_slopes = many.forward(torch.full((4,), x, dtype=torch.float64))
        assert torch.equal(y, torch.full_like(y, x))
        assert log_slopes.abs().max() < 1e-12
        assert torch.equal(many.inverse(y), y)
    for x in (-2 + 1e-9, 2 - 1e-9):
        y, log_slopes = many.forward(torch.full((4,), x, dtype=torch.float64))
        assert (y - x).abs().max() < 1e-7
        assert log_slopes.abs().max() < 1e-4


def test_numbers_however_large_leave_a_slope_above_zero_and_gradients_finite():
    for size in (-200.0, 200.0):
        free = torch.zeros(3, 17)
        free[:, [0, 7, 13]] = size
        free.requires_grad_()
        x = torch.tensor([-1.999, 0.0, 1.5])
        y, log_slopes = spline(free, 2.0).forward(x)
        (y.sum() + log_slopes.sum()).backward()
        assert log_slopes.isfinite().all()
        assert free.grad.isfinite().all()
        assert spline(free, 2.0).slopes.min() >= SMALLEST_SLOPE


def random_flow(dimensions=2, layers=1, scale=0.4):
    torch.manual_seed(0)
    flow = Flow(dimensions, 6, layers).double()
    moved(flow, scale=scale)
    for layer in flow.layers:
        layer.free.data.mul_(0.2)
    return flow


@pytest.mark.parametrize(("dimensions", "layers"), [(2, 1), (2, 3), (5, 2)])
def test_log_determinant_is_that_of_the_jacobian(dimensions, layers):
    flow, x = random_flow(dimensions, layers), 1.5 * normal(6, dimensions)
    _, found = flow(x)
    for i in range(6):
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], x[i])
        assert found[i].item() == pytest.approx(torch.linalg.slogdet(jacobian).logabsdet.item(), abs=1e-9)
    assert found.abs().max() > 0.3


@pytest.mark.parametrize(("dimensions", "layers"), [(2, 1), (2, 3), (5, 2)])
def test_inverse_undoes_forward(dimensions, layers):
    flow, x = random_flow(dimensions, layers), 1.5 * normal(500, dimensions)
    z, _ = flow(x)
    assert not torch.allclose(z, x, atol=0.1)
    assert (flow.inverse(z) - x).abs().max() < 1e-8
    single = random_flow(dimensions, layers, scale=0.1).float()
    assert (single.inverse(single(x.float())[0]) - x).abs().max() < 1e-4


def test_one_layer_is_triangular_and_between_two_the_coordinates_change_places():
    x = normal(1, 2)
    flows = [random_flow(2, layers) for layers in (1, 2)]
    first, second = (torch.autograd.functional.jacobian(lambda v, f=flow: f(v)[0], x)[0, :, 0] for flow in flows)
    assert first[1, 1] == 0  # the second output is the first coordinate's, as the order is reversed
    assert (first[[0, 0, 1], [0, 1, 0]] != 0).all()
    assert (second != 0).all()


def test_before_training_it_is_the_identity():
    contender = SplineFlow(POINTS, 8)
    x = 2 * normal(100, 2).float()
    assert (contender.encode(x) - x.flip(1)).abs().max() < 1e-5
    expected = -0.5 * x.square().sum(1) - math.log(2 * math.pi)
    found = contender.log_prob(x)
    assert found.exact
    assert torch.allclose(found.log_prob, expected, atol=1e-5)


def test_the_splines_are_those_of_a_layers_own_numbers_and_of_its_network():
    """The first coordinate's spline is the same for all points; the second's changes with the first coordinate."""
    layer = moved(Coupling(2, 6).double())
    a = normal(4, 1)
    assert layer._first(a).x.shape == (4, 1, BINS + 1)
    assert torch.equal(layer._first(a).x[0], layer._first(a).x[1])
    assert not torch.isclose(layer._given(a).x[0, 0, 1:-1], layer._given(a).x[1, 0, 1:-1]).any()
    assert layer._given(a).x.abs().max() == BOUND


def trained(points, steps, width, batch=128, seed=0):
    torch.manual_seed(seed)
    contender = SplineFlow(POINTS, width)
    contender.generator = torch.Generator().manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    for k in range(steps):
        contender.update(Batch(points[torch.randint(len(points), (batch,), generator=draws)]), k / steps)
    return contender.eval()


def test_a_trained_density_integrates_to_one():
    """Over a grid that covers [-5, 5]^2, fine enough for the modes, four blobs of deviation 0.1."""
    draws = torch.Generator().manual_seed(0)
    blobs = torch.randint(2, (4000, 2), generator=draws) * 2.0 - 1.0 + 0.1 * torch.randn(4000, 2, generator=draws)
    contender = trained(blobs, 150, width=24)
    side = torch.linspace(-5, 5, 801)
    with torch.no_grad():
        log_p = torch.cat([contender.log_prob(torch.cartesian_prod(some, side)).log_prob for some in side.split(100)])
        held = contender.log_prob(blobs).log_prob.mean()
    assert log_p.double().exp().sum().item() * (10 / 800) ** 2 == pytest.approx(1, abs=1e-2)
    assert held > -0.5  # the blobs' own is 0.41, a normal's of their mean and deviation -2.8: the density has learnt its shape


def test_it_finds_all_modes_of_the_grid():
    """A normal as wide as the data has 0.4 % of its samples at a mode and a density 4.2 nats below the true one."""
    mixture = grid25()
    points = torch.tensor(mixture.draw(20_000, np.random.default_rng(0)), dtype=torch.float32)
    held_out = mixture.draw(2000, np.random.default_rng(1))
    contender = trained(points, 500, width=48)
    with torch.no_grad():
        found = contender.sample(2500, torch.Generator().manual_seed(1)).double().numpy()
        log_p = contender.log_prob(torch.tensor(held_out, dtype=torch.float32)).log_prob.mean().item()
    near, far = mixture.nearest(found)
    counts = np.bincount(near[far < 3], minlength=25)
    assert (counts >= 20).all()
    assert (far < 3).mean() > 0.7
    assert mixture.log_density(held_out).mean() - log_p < 0.5


def test_what_it_decodes_is_what_it_encoded():
    points = torch.tensor(grid25().draw(3000, np.random.default_rng(0)), dtype=torch.float32)
    contender = trained(points, 60, width=16)
    with torch.no_grad():
        z = contender.encode(points)
        assert (contender.decode(z) - points).abs().max() < 1e-3
        assert z.std() > 0.5


@pytest.mark.parametrize("parameters", [10_000, 20_000, 200_000, 3_000_000])
def test_some_width_meets_every_parameter_budget(parameters):
    _, count = solve_width(SplineFlow, POINTS, parameters)
    assert not outside_budget(count, parameters)
