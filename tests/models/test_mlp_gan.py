"""The GAN of points: its losses against closed forms, R1, averaged weights, latents, and that it learns a grid of modes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from paragone.bench.metrics.energy import Reference
from paragone.bench.metrics.mixture import grid25
from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec
from paragone.models.gan.dcgan import discriminator_loss, generator_loss
from paragone.models.gan.mlp_gan import MLPGAN, perceptron
from paragone.models.layers.embeddings import Waves

POINTS = DataSpec("points", (2,))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


def build(width=16, seed=0, cls=MLPGAN, spec=POINTS):
    torch.manual_seed(seed)
    model = cls(spec, width)
    model.generator = seeded(seed + 1)
    return model


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.1, 8.0))
def test_what_an_update_logs_is_the_game_in_closed_form(seed, scale):
    """With weights that rest, the losses of an update are those of its own fakes, written by probabilities."""
    model, x = build(), scale * normal(32, 2, seed=seed)
    model.learning_rate_factor = 0.0
    model.generator = seeded(seed)
    logs = model.update(Batch(x), 0.5)
    with torch.no_grad():
        fake = model.generator_net(model.draw_latents(32, seeded(seed)))
        real_odds, fake_odds = (model.discriminator(v).double().squeeze(1) for v in (x, fake))
    expected = -F.logsigmoid(real_odds).mean() - (1 - fake_odds.sigmoid()).log().mean()
    assert float(logs["discriminator_loss"]) == pytest.approx(float(expected), rel=1e-4)
    assert float(logs["generator_loss"]) == pytest.approx(float(-fake_odds.sigmoid().log().mean()), rel=1e-4)


def test_losses_at_the_optimum_of_two_known_gaussians():
    """Where p = N(a, 1) is real and q = N(-a, 1) generated, the log-odds 2 a x are optimal, and moving them raises the loss.

    Of that loss log 4 - 2 JSD(p, q) is the value (Goodfellow et al. 2014, theorem 1), here by numerical integration.
    """
    a, x = 0.8, torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    p, q = (torch.exp(-((x - s * a) ** 2) / 2) / math.sqrt(2 * math.pi) for s in (1, -1))
    middle = (p + q) / 2
    divergence = float(torch.trapezoid(p * (p / middle).log() + q * (q / middle).log(), x)) / 2
    real, fake = (s * a + normal(400_000, seed=k).double() for k, s in enumerate((1, -1)))
    best = float(discriminator_loss(2 * a * real, 2 * a * fake))
    assert best == pytest.approx(math.log(4) - 2 * divergence, abs=0.01)  # 5 standard errors are 0.008
    for moved in (1.5, 2.5):
        assert float(discriminator_loss(moved * a * real, moved * a * fake)) > best


def test_the_penalty_is_on_the_slope_at_real_and_generated_points_and_lazy():
    """gamma k / 2 times the mean squares of the slopes enter every k-th update: seen in the gradient that Adam gets."""
    x, fake = normal(16, 2), normal(16, 2, seed=1)

    def gradient(gamma):
        model = build()
        model.learning_rate_factor = 0.0
        _, logs = model._step_discriminator(x, fake, gamma)
        return model, logs, [p.grad.clone() for p in model.discriminator.parameters()]

    model, logs, with_it = gradient(0.6)
    _, _, without = gradient(0.0)
    twin = build()  # the same weights, before the step
    penalties = []
    for points in (x.clone().requires_grad_(), fake.clone().requires_grad_()):
        (slope,) = torch.autograd.grad(twin.discriminator(points).sum(), points, create_graph=True)
        penalties.append(slope.square().sum(1).mean())
    assert [float(logs[name]) for name in ("r1", "r2")] == pytest.approx([p.item() for p in penalties], rel=1e-5)
    weights = [p for p in twin.discriminator.parameters() if p.ndim == 2]  # biases move kinks alone, not the slope between them
    expected = torch.autograd.grad(model.penalty_interval * 0.6 / 2 * sum(penalties), weights)
    found = [a - b for a, b in zip(with_it, without, strict=True) if a.ndim == 2]
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    taken = ["r1" in build_at(k)._step_discriminator(x, fake, 0.1)[1] for k in range(2 * model.penalty_interval)]
    assert [k for k, yes in enumerate(taken) if yes] == [0, model.penalty_interval]


def build_at(updates):
    model = build()
    model.updates = updates
    return model


def test_the_penalty_falls_by_equal_factors():
    model = build()
    first, last = model.gammas
    assert model.gamma_at(0.0) == pytest.approx(first)
    assert model.gamma_at(1.0) == pytest.approx(last)
    assert model.gamma_at(0.5) == pytest.approx(math.sqrt(first * last))
    assert model.gamma_at(0.25) / model.gamma_at(0.0) == pytest.approx(model.gamma_at(0.75) / model.gamma_at(0.5))


def test_each_loss_moves_its_own_net_alone():
    model = build()
    fake = model.generator_net(model.draw_latents(16, model.generator))
    kept = [p.clone() for p in model.generator_net.parameters()]
    model._step_discriminator(normal(16, 2), fake.detach(), 0.1)
    assert all(torch.equal(a, b) for a, b in zip(kept, model.generator_net.parameters(), strict=True))
    critic = [p.clone() for p in model.discriminator.parameters()]
    model._step(1, generator_loss(model.discriminator(fake)), model.generator_net)
    assert all(torch.equal(a, b) for a, b in zip(critic, model.discriminator.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(kept, model.generator_net.parameters(), strict=True))


def test_points_come_from_the_average_of_the_weights_seen():
    model = build()
    expected = [p.detach().clone() for p in model.generator_net.parameters()]
    for k in range(5):
        model.update(Batch(normal(8, 2, seed=k)), 0.1)
        d = min(model.average_decay, (1 + k) / (10 + k))
        expected = [d * e + (1 - d) * p.detach() for e, p in zip(expected, model.generator_net.parameters(), strict=True)]
    for mine, theirs in zip(model.average.module.parameters(), expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    with torch.no_grad():
        z = model.draw_latents(3, seeded(4))
        assert torch.equal(model.sample(3, seeded(4)), model.average.module(z))
        assert not torch.equal(model.generator_net(z), model.average.module(z))


def test_kinks_start_all_over_the_plane():
    """A rectifier of no bias has its kink through the origin, and such a net is linear along each ray from there."""
    torch.manual_seed(0)
    net = perceptron(Waves(2, 0), 64, 1, nn.ReLU())
    ray = torch.linspace(0, 3, 301)[:, None] * torch.tensor([[0.6, 0.8]])
    bends = net(ray).detach().squeeze(1).diff(n=2).abs() > 1e-4
    assert bends.sum() > 20


@pytest.mark.parametrize("parameters", [30_000, 200_000, 3_000_000])
def test_some_width_meets_the_parameter_budget(parameters):
    _, count = solve_width(MLPGAN, POINTS, parameters)
    assert not outside_budget(count, parameters)


def test_items_of_any_size_are_points():
    model = build(spec=DataSpec("points", (5,)))
    model.update(Batch(normal(8, 5)), 0.0)
    assert model.sample(3, seeded()).shape == (3, 5)


def test_learns_a_grid_of_modes():
    """2,000 updates bring it twice nearer to the grid than a Gaussian of the data's moments is, by energy distance.

    Not the ring: at this width and so few updates three of four seeds were farther from it than that bound.
    """
    mix = grid25()
    x = torch.tensor(mix.draw(5_000, np.random.default_rng(0)), dtype=torch.float32)
    model, order = build(width=128), seeded()
    for k in range(2000):
        model.update(Batch(x[torch.randint(len(x), (model.batch_size,), generator=order)]), k / 2000)
    with torch.no_grad():
        found = model.sample(2_000, seeded(1)).double().numpy()
    true = mix.draw(2_000, np.random.default_rng(1))
    truth = Reference(true)
    blurred = np.random.default_rng(2).multivariate_normal(true.mean(0), np.cov(true.T), 2_000)
    assert truth.distance(found) < truth.distance(blurred) / 2
