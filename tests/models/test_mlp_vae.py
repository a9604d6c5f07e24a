"""The VAE of points against a linear model whose marginal and posterior are known, and the mixtures that it is to learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from paragone.bench.data.mixture import ring8
from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec
from paragone.models.autoencoder.mlp_vae import MLPVAE, SMALLEST_SCALE, START_SCALE, importance_bound

POINTS = DataSpec("points", (2,))
TURN = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
MIX = TURN @ torch.diag(torch.tensor([1.5, 0.4], dtype=torch.float64))
"""Of orthogonal columns, so that the true posterior has a diagonal covariance, as q must."""
SHIFT = torch.tensor([0.3, -0.2], dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


class Linear(MLPVAE):
    """d(z) = MIX z + SHIFT, so that x ~ N(SHIFT, MIX MIX^T + s^2 I); q is the true posterior, moved and widened by `off`."""

    off = 0.0

    def decode(self, z):
        return z @ MIX.T.to(z.dtype) + SHIFT.to(z.dtype)

    def posterior(self, x):
        variance = 1 / (1 + MIX.square().sum(0) / self.scale**2)  # (2,), of the true posterior
        mean = (x - SHIFT) @ MIX / self.scale**2 * variance
        deviation = variance.sqrt() * (1 + self.off)
        return mean + self.off * variance.sqrt(), (2 * deviation.log()).expand_as(x)


@pytest.fixture
def linear():
    model = Linear(POINTS, 4).double()
    marginal = MultivariateNormal(SHIFT, MIX @ MIX.T + model.scale.detach() ** 2 * torch.eye(2, dtype=torch.float64))
    return model, marginal


@torch.no_grad()
def draws_of_the_bound(model, x, draws, seed=2):
    """The bound by `draws` latents at each of x, each by noise of its own, (n,)."""
    mean, log_variance = model.posterior(x)
    return importance_bound(model.log_weights(x, mean, log_variance, normal(draws, *x.shape, seed=seed)))


def test_with_the_true_posterior_every_draw_gives_the_marginal(linear):
    model, marginal = linear
    x = normal(50, 2)
    for draws in (1, 16):
        assert torch.allclose(draws_of_the_bound(model, x, draws), marginal.log_prob(x), atol=1e-9)
    assert torch.allclose(model.log_prob(x).log_prob, marginal.log_prob(x), atol=1e-9)


def test_elbo_importance_bound_and_marginal_are_in_order(linear):
    """With a posterior that is off: each expectation is below the next, by 3 standard errors of its 20,000 draws at one point."""
    model, marginal = linear
    model.off = 0.6
    x = torch.tensor([[0.7, -0.4]], dtype=torch.float64)
    truth = marginal.log_prob(x).item()
    found = [draws_of_the_bound(model, x.expand(20_000, -1), draws, seed=draws) for draws in (1, 4, 16)]
    means, errors = [f.mean().item() for f in found], [f.std().item() / 20_000**0.5 for f in found]
    for one, next_one, error in zip(means, [*means[1:], truth], errors, strict=True):
        assert one + 3 * error < next_one
    assert truth - means[-1] < 0.1 * (truth - means[0])
    weights = torch.exp(draws_of_the_bound(model, x.expand(20_000, -1), 1) - truth)
    assert abs(weights.mean() - 1) < 3 * weights.std() / 20_000**0.5  # w is unbiased for p(x)


def test_one_draw_is_in_expectation_the_elbo_in_closed_form(linear):
    """E log p(x|z) of a linear decoder, less the KL, with the KL of `torch.distributions`."""
    model, _ = linear
    model.off = 0.4
    x = normal(3, 2)
    with torch.no_grad():
        mean, log_variance = model.posterior(x)
        q = Independent(Normal(mean, (log_variance / 2).exp()), 1)
        prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
        errors = (x - model.decode(mean)).square().sum(1) + log_variance.exp() @ MIX.square().sum(0)
        likelihood = -errors / (2 * model.scale**2) - 2 * model.scale.log() - math.log(2 * math.pi)
    expected = likelihood - kl_divergence(q, prior)
    for i in range(3):
        draws = draws_of_the_bound(model, x[i : i + 1].expand(40_000, -1), 1)
        assert abs(draws.mean() - expected[i]) < 4 * draws.std() / 200


def test_update_logs_the_bound_and_the_kl_of_its_batch():
    torch.manual_seed(0)
    model = MLPVAE(POINTS, 16)
    model.generator = seeded(5)
    x = normal(64, 2).float()
    logged = model.update(Batch(x), 0.5)
    again = MLPVAE(POINTS, 16)  # all start as the same model, d(z) = z, whatever their weights
    mean, log_variance = again.posterior(x)
    noise = torch.randn(model.training_draws, 64, 2, generator=seeded(5))
    assert logged["loss"].item() == pytest.approx(-importance_bound(again.log_weights(x, mean, log_variance, noise)).mean().item())
    q = Independent(Normal(x, torch.full_like(x, START_SCALE)), 1)
    prior = Independent(Normal(torch.zeros_like(x), torch.ones_like(x)), 1)
    assert logged["kl"].item() == pytest.approx(kl_divergence(q, prior).mean().item(), rel=1e-5)


def test_it_starts_as_the_identity_with_little_noise_and_its_samples_as_a_gaussian():
    model, x, n = MLPVAE(POINTS, 8), normal(5, 2).float(), 40_000
    with torch.no_grad():
        assert torch.equal(model.encode(x), x)
        assert torch.equal(model.decode(x), x)
        variances = {sampler: model.sample(n, seeded(1), sampler=sampler).double().var(0) for sampler in model.samplers}
    error = 4 * (2 / n) ** 0.5
    assert (variances["mean"] - 1).abs().max() < error
    noise = variances["noise"] - variances["mean"]  # the latents are the same
    assert noise == pytest.approx(torch.full((2,), model.scale.item() ** 2), abs=8 * model.scale.item() / n**0.5)


def test_noise_has_the_scale_that_the_likelihood_has(linear):
    model, marginal = linear
    model = model.float()
    with torch.no_grad():
        x = model.sample(100_000, seeded(3)).double()
    expected = marginal.covariance_matrix
    tolerance = 5 * (2 / 100_000) ** 0.5 * expected.diagonal().max()
    assert (x.T.cov() - expected).abs().max() < tolerance
    assert (x.mean(0) - SHIFT).abs().max() < 4 * (expected.diagonal().max() / 100_000).sqrt()


def test_the_scale_keeps_above_its_floor():
    model = MLPVAE(POINTS, 4)
    model.log_scale.data.fill_(-100.0)
    assert model.scale.item() == pytest.approx(SMALLEST_SCALE)
    assert model.log_prob(torch.zeros(1, 2)).log_prob.isfinite().all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.integers(0, 100))
def test_bounds_of_more_draws_lie_between_the_least_and_the_greatest_weight(count, seed):
    log_weights = 30 * normal(count, 4, seed=seed)
    bound = importance_bound(log_weights)
    assert (bound <= log_weights.max(0).values + 1e-9).all()
    assert (bound >= log_weights.mean(0) - 1e-9).all()  # Jensen
    assert torch.allclose(bound, log_weights.exp().mean(0).log())


@pytest.mark.parametrize("parameters", [30_000, 200_000, 3_000_000])
def test_some_width_meets_the_budget(parameters):
    assert not outside_budget(solve_width(MLPVAE, POINTS, parameters)[1], parameters)


def test_it_learns_a_ring_of_points():
    """After 400 steps: a fifth of the samples within 3 standard deviations of a mode, where a Gaussian has 0.3 %, at all modes.

    The bound beats the best Gaussian by a nat, and, as no model's can, not the truth.
    """
    ring = ring8()
    x, held_out = (torch.tensor(ring.draw(n, np.random.default_rng(n)), dtype=torch.float32) for n in (4000, 1000))
    torch.manual_seed(0)
    model = MLPVAE(POINTS, 64)
    for i in range(400):
        model.update(Batch(x[torch.randint(len(x), (model.batch_size,), generator=seeded(i))]), i / 400)
    with torch.no_grad():
        mode, distance = ring.nearest(model.sample(2000, seeded(2)).double().numpy())
        found, again, alone = model.log_prob(held_out), model.log_prob(held_out), model.log_prob(held_out[7:8])
    good = distance < 3
    assert good.mean() > 0.2
    assert (np.bincount(mode[good], minlength=8) > 20).all()
    assert not found.exact
    gap = torch.from_numpy(ring.log_density(held_out.double().numpy())) - found.log_prob.double()
    assert gap.mean() > -3 * gap.std() / 1000**0.5
    assert found.log_prob.mean() > -(1 + math.log(2 * math.pi)) + 1  # the best Gaussian's, and a nat
    assert torch.equal(found.log_prob, again.log_prob)
    assert torch.allclose(found.log_prob[7:8], alone.log_prob, atol=1e-4)
