"""made: causal by gradients, densities that integrate to 1, samples with the mixture's moments, and that it finds every mode."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.metrics.mixture import grid25, ring8
from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec
from paragone.models.autoregressive.made import COMPONENTS, MADE, SCALE_FLOOR, Masked
from tests.models.autoregression import moved

POINTS = DataSpec("points", (2,))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_made(dimensions: int = 2, width: int = 12, scale: float = 0.5) -> MADE:
    """In float64, every parameter away from its start but the mixtures' scales, which a grid must resolve."""
    model = moved(MADE(DataSpec("points", (dimensions,)), width))
    for network in (model.network, model.average.module):
        start = MADE(DataSpec("points", (dimensions,)), width).network.start.detach().double()
        start[:, 0] = torch.randn(COMPONENTS, generator=generator(2))
        network.start.data = start
        network.leave.weight.data *= scale
    return model


@pytest.mark.parametrize("dimensions", [2, 3, 5])
def test_gradient_reaches_every_earlier_coordinate_and_no_other(dimensions):
    network = random_made(dimensions).network
    x = torch.randn(1, dimensions, generator=generator(), dtype=torch.float64, requires_grad=True)
    for kind in network(x):  # log weights, means, scales
        for d in range(dimensions):
            (gradient,) = torch.autograd.grad(kind[0, d] @ torch.randn(COMPONENTS).double(), x, retain_graph=True)
            seen = gradient[0] != 0
            assert not seen[d:].any(), f"coordinate {d} sees itself or a later one"
            assert seen[:d].all(), f"coordinate {d} does not see {(~seen[:d]).nonzero().flatten().tolist()}"


@given(degrees=st.lists(st.integers(1, 4), min_size=2, max_size=9), cut=st.integers(1, 8))
def test_a_masked_layer_passes_a_unit_what_has_its_degree_or_less(degrees, cut):
    before, after = torch.tensor(degrees[:cut] or [1]), torch.tensor(degrees[cut:] or [1])
    layer = Masked(before, after).double()
    torch.nn.init.ones_(layer.weight)
    x = torch.zeros(len(before), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(layer, x)
    assert torch.equal(jacobian.bool(), before[None] <= after[:, None])


@pytest.fixture(scope="module")
def integrated() -> tuple[MADE, torch.Tensor, torch.Tensor]:
    """A random model, the points of a grid over nearly all of its mass, and the mass of each cell."""
    model, reach, side = random_made(), 8.0, 501
    edges = torch.linspace(-reach, reach, side, dtype=torch.float64)
    points = torch.cartesian_prod(edges, edges)
    with torch.no_grad():
        likelihood = model.log_prob(points)
    assert likelihood.exact
    return model, points, likelihood.log_prob.exp() * (2 * reach / (side - 1)) ** 2


def test_the_density_integrates_to_one(integrated):
    model, _, mass = integrated
    assert mass.sum().item() == pytest.approx(1, abs=1e-4)
    x2_given = model.average.module(torch.tensor([[-1.0, 0.0], [1.0, 0.0]], dtype=torch.float64))[1][:, 1]
    assert (x2_given[0] - x2_given[1]).abs().max() > 0.1  # so that it is no product of two


def test_log_density_is_that_of_the_mixtures_written_out():
    """By torch.distributions, from the parameters of each coordinate."""
    model = random_made(3)
    x = torch.randn(7, 3, generator=generator(), dtype=torch.float64)
    log_weights, means, scales = model.average.module(x)
    parts = torch.distributions.Normal(means, scales)
    whole = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=log_weights), parts)
    torch.testing.assert_close(model.log_prob(x).log_prob, whole.log_prob(x).sum(1))


def test_samples_have_the_moments_of_the_density(integrated):
    """Means, variances and covariance, by an integral over a grid; tolerances of five standard errors."""
    model, points, mass = integrated
    n = 100_000
    with torch.no_grad():
        x = model.sample(n, generator(1))
    mean = mass @ points
    covariance = (points - mean).T @ ((points - mean) * mass[:, None])
    assert ((x.mean(0) - mean).abs() < 5 * (covariance.diagonal() / n).sqrt()).all()
    products = (x - mean)[:, :, None] * (x - mean)[:, None]  # (n, 2, 2)
    assert ((products.mean(0) - covariance).abs() < 5 * products.std(0) / n**0.5).all()


def test_the_second_coordinate_follows_the_first_as_the_density_says(integrated):
    """Means of x_2 in four ranges of x_1 against the density's."""
    model, points, mass = integrated
    with torch.no_grad():
        x = model.sample(100_000, generator(2))
    found = []
    for low, high in ((-3, -1), (-1, 0), (0, 1), (1, 3)):
        drawn = x[(x[:, 0] > low) & (x[:, 0] <= high), 1]
        of = mass * ((points[:, 0] > low) & (points[:, 0] <= high))
        expected = (of @ points[:, 1]) / of.sum()
        assert abs(drawn.mean() - expected) < 5 * drawn.std() / len(drawn) ** 0.5 + 0.02  # 0.02: cells reach over the ends
        found.append(expected.item())
    assert max(found) - min(found) > 0.1


def test_scales_stop_at_their_floor():
    """A thousand equal points: their density is as high as the floor lets it be, and finite."""
    torch.manual_seed(0)
    model = MADE(POINTS, 8)
    with torch.no_grad():
        model.average.module.start[:, 2] = -100.0
    scales = model.average.module(torch.zeros(1, 2))[2]
    torch.testing.assert_close(scales, torch.full_like(scales, SCALE_FLOOR))
    highest = -2 * math.log(SCALE_FLOOR * math.sqrt(2 * math.pi))
    assert model.log_prob(model.sample(1000, generator())).log_prob.max() <= highest


def test_before_training_every_coordinate_has_the_spread_mixture():
    model = MADE(POINTS, 8)
    x = model.sample(4000, generator())
    assert x.mean().abs() < 0.1
    assert x.std(0).sub(math.sqrt(np.linspace(-2, 2, COMPONENTS).var() + 0.25**2)).abs().max() < 0.05


@pytest.mark.parametrize("parameters", [20_000, 30_000, 200_000, 3_000_000])
def test_some_width_meets_every_budget(parameters):
    _, count = solve_width(MADE, POINTS, parameters)
    assert not outside_budget(count, parameters), count


def test_discrete_data_is_refused():
    with pytest.raises(ValueError, match="levels"):
        MADE(DataSpec("points", (2,), levels=17), 8)


@pytest.mark.parametrize("mixture", [grid25(), ring8()], ids=["grid25", "ring8"])
def test_finds_every_mode(mixture):
    """After 700 updates the log-density of held-out points is within 0.1 nats of the truth, where a Gaussian is 4 away."""
    draws = np.random.default_rng(0)
    x = torch.tensor(mixture.draw(20_000, draws), dtype=torch.float32)
    held_out = mixture.draw(2000, draws)
    torch.manual_seed(0)
    model = MADE(POINTS, 64)
    for k in range(700):
        at = torch.randint(len(x), (model.batch_size,), generator=generator(k))
        model.update(Batch(x[at]), k / 700)
    model.eval()
    with torch.no_grad():
        found = model.log_prob(torch.tensor(held_out, dtype=torch.float32)).log_prob.mean().item()
        samples = model.sample(2000, generator()).double().numpy()
    gap = mixture.log_density(held_out).mean() - found
    gaussian = mixture.log_density(held_out).mean() + math.log(2 * math.pi) + 1
    assert gap < 0.1 < 3 < gaussian, f"{gap:.3f} nats"
    nearest, distance = mixture.nearest(samples)
    good = distance < 3
    assert good.mean() > 0.95
    assert (np.bincount(nearest[good], minlength=len(mixture.means)) > 1000 / len(mixture.means)).all()
