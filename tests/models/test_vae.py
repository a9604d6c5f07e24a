"""The VAE against closed forms, quadrature over its latent, and the data it is to learn."""

import copy
import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from paragone.bench.data.digits import digits
from paragone.models import Batch, ContractError, DataSpec
from paragone.models.autoencoder.vae import VAE, kl_to_standard_normal, logistic_log_mass, reparameterise

LEVELS = 5


class Narrow(VAE):
    """One latent dimension: its likelihood is an integral that can be done by quadrature."""

    latent = 1


def random_levels(n: int, shape: tuple[int, ...], levels: int = LEVELS) -> torch.Tensor:
    k = torch.randint(levels, (n, *shape), generator=torch.Generator().manual_seed(3))
    return (2 * k / (levels - 1) - 1).double()


def train(model: VAE, x: torch.Tensor, steps: int) -> list[dict[str, torch.Tensor | float]]:
    model.generator = torch.Generator().manual_seed(1)
    order = torch.Generator().manual_seed(2)
    size = min(model.batch_size, len(x))
    return [model.update(Batch(x[torch.randperm(len(x), generator=order)[:size]]), i / steps) for i in range(steps)]


@pytest.fixture(scope="module")
def narrow() -> tuple[Narrow, torch.Tensor]:
    """A trained model of one latent dimension in float64, and its data: bright or dark pictures with noise."""
    torch.manual_seed(0)
    shape = (1, 4, 4)
    x = random_levels(64, shape)
    bright = torch.arange(64).reshape(64, 1, 1, 1) % 2 == 0
    x = torch.where(bright, x.clamp(min=0), x.clamp(max=0))
    model = Narrow(DataSpec("image", shape, levels=LEVELS), width=4).double()
    torch.set_default_dtype(torch.float64)
    try:
        train(model, x, 60)
    finally:
        torch.set_default_dtype(torch.float32)
    return model, x[:8]


@torch.no_grad()
def log_likelihood_by_quadrature(model: Narrow, x: torch.Tensor) -> torch.Tensor:
    """log of the integral of P(x|z) N(z; 0, 1) dz by the rectangle rule: exponentially exact for smooth integrands."""
    grid = torch.linspace(-10, 10, 2001, dtype=torch.float64)
    location = model.decoder(grid[:, None])
    log_prior = -0.5 * grid.square() - 0.5 * math.log(2 * math.pi) + math.log(20 / 2000)
    terms = [logistic_log_mass(item, location, model.scale, LEVELS).flatten(1).sum(1) + log_prior for item in x]
    return torch.logsumexp(torch.stack(terms), dim=1)


@pytest.fixture(scope="module")
def loose(narrow: tuple[Narrow, torch.Tensor]) -> tuple[Narrow, torch.Tensor, torch.Tensor]:
    """The same with a posterior that is off, so that the bounds lie apart; and 960 draws of log P(x, z) / q(z|x), (960, 8)."""
    model, x = copy.deepcopy(narrow[0]), narrow[1]
    noise = torch.randn(960, 1, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    with torch.no_grad():
        model.encoder.out.bias += torch.tensor([0.1, 0.7])  # mean, logarithm of the variance
        return model, x, torch.stack([model.importance_bound(x, e[None]) for e in noise])


def test_elbo_importance_bound_and_exact_likelihood_are_in_order(
    loose: tuple[Narrow, torch.Tensor, torch.Tensor],
) -> None:
    model, x, log_weights = loose
    exact = log_likelihood_by_quadrature(model, x)
    noise = torch.randn(30, model.draws, 1, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    with torch.no_grad():
        bound = torch.stack([model.importance_bound(x, e) for e in noise]).mean(0)
    elbo, nearly_closed = log_weights.mean(0), torch.logsumexp(log_weights, 0) - math.log(960)
    assert (elbo < bound).all()
    assert (bound < exact).all()
    assert torch.allclose(nearly_closed, exact, atol=0.08)
    assert ((exact - elbo).mean() > 3 * (exact - bound).mean()).all()


def test_one_draw_is_in_expectation_the_elbo_with_the_closed_form_kl(
    loose: tuple[Narrow, torch.Tensor, torch.Tensor],
) -> None:
    model, x, log_weights = loose
    with torch.no_grad():
        mean, log_variance = model.posterior(x)
        kl = kl_to_standard_normal(mean, log_variance)
        # the expected reconstruction by quadrature over the noise
        grid = torch.linspace(-8, 8, 401, dtype=torch.float64)
        density = torch.exp(-0.5 * grid.square()) / math.sqrt(2 * math.pi) * (16 / 400)
        terms = [model.log_likelihood(x, reparameterise(mean, log_variance, e)) for e in grid]
    reconstruction = (torch.stack(terms) * density[:, None]).sum(0)
    error = log_weights.mean(0) - (reconstruction - kl)
    assert (error.abs() < 5 * log_weights.std(0) / math.sqrt(960)).all()  # five standard errors


def test_log_prob_is_a_finite_repeatable_bound_that_no_neighbour_changes(narrow: tuple[Narrow, torch.Tensor]) -> None:
    model, x = narrow
    with torch.no_grad():
        first, again, alone = model.log_prob(x), model.log_prob(x), model.log_prob(x[3:4])
    assert not first.exact
    assert torch.equal(first.log_prob, again.log_prob)
    assert torch.allclose(first.log_prob[3:4], alone.log_prob, atol=1e-9)
    bits_per_dim = -first.log_prob / (math.log(2) * 16)
    assert (bits_per_dim > 0).all()
    assert (bits_per_dim < math.log2(LEVELS)).all()  # better than all levels alike


def test_kl_equals_the_one_of_torch_and_monte_carlo() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    posterior = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    ours = kl_to_standard_normal(mean, log_variance)
    assert torch.allclose(ours, kl_divergence(posterior, prior), atol=1e-12)
    z = reparameterise(mean, log_variance, torch.randn(40_000, 6, 3, generator=generator, dtype=torch.float64))
    log_ratio = posterior.log_prob(z) - prior.log_prob(z)
    assert ((log_ratio.mean(0) - ours).abs() < 5 * log_ratio.std(0) / 200).all()  # five standard errors, 40,000 draws


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("scale", [1e-3, 0.1, 3.0])
def test_masses_of_the_levels_sum_to_one(levels: int, scale: float) -> None:
    x = torch.linspace(-1, 1, levels, dtype=torch.float64)[:, None]
    location = torch.tensor([-2.0, -1.0, -0.013, 0.4, 1.0, 1.7], dtype=torch.float64)
    log_mass = logistic_log_mass(x, location.expand(levels, -1), torch.tensor(scale, dtype=torch.float64), levels)
    assert log_mass.isfinite().all()
    assert torch.allclose(log_mass.exp().sum(0), torch.ones(6, dtype=torch.float64), atol=1e-9)


def test_mass_of_a_bin_is_the_difference_of_the_distribution_function() -> None:
    x = torch.linspace(-1, 1, LEVELS, dtype=torch.float64)
    cdf = torch.sigmoid((torch.tensor([-0.75, -0.25, 0.25, 0.75], dtype=torch.float64) - 0.1) / 0.3)
    masses = torch.cat([cdf[:1], cdf[1:] - cdf[:-1], 1 - cdf[-1:]])
    ours = logistic_log_mass(x, torch.full_like(x, 0.1), torch.tensor(0.3, dtype=torch.float64), LEVELS)
    assert torch.allclose(ours.exp(), masses, atol=1e-12)


def test_far_locations_give_finite_masses_and_gradients() -> None:
    location = torch.tensor([-50.0, 50.0], requires_grad=True)
    log_mass = logistic_log_mass(torch.zeros(2), location, torch.tensor(0.01), 17)
    log_mass.sum().backward()
    assert log_mass.isfinite().all()
    assert torch.allclose(location.grad, torch.tensor([100.0, -100.0]), rtol=1e-4)  # the tail's slope 1 / s, inwards


def test_reparameterisation_carries_the_gradient_of_an_expectation() -> None:
    """E z^2 = m^2 + v for z ~ N(m, v): gradients 2 m to the mean and v to the logarithm of the variance."""
    mean = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    log_variance = torch.tensor(-0.4, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(200_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    reparameterise(mean, log_variance, noise).square().mean().backward()
    assert mean.grad.item() == pytest.approx(1.4, abs=0.02)
    assert log_variance.grad.item() == pytest.approx(math.exp(-0.4), abs=0.02)


def test_noise_sampler_draws_levels_with_the_masses_that_are_scored(narrow: tuple[Narrow, torch.Tensor]) -> None:
    """Share of each level over many noisy samples, after rounding, against the decoder's masses at the same latents."""
    model, _ = narrow
    n = 40_000
    z = torch.randn(n, 1, generator=torch.Generator().manual_seed(8))
    single = Narrow(DataSpec("image", (1, 4, 4), levels=LEVELS), width=4)
    single.load_state_dict(model.state_dict())
    with torch.no_grad():
        x = single.sample(n, torch.Generator().manual_seed(8), sampler="noise")
        location = single.decoder(z)
        k = ((x + 1) / 2 * (LEVELS - 1)).round()
        for level in range(LEVELS):
            value = torch.full_like(x, 2 * level / (LEVELS - 1) - 1)
            expected = logistic_log_mass(value, location, single.scale, LEVELS).exp().mean()
            assert (k == level).float().mean().item() == pytest.approx(expected.item(), abs=3e-3)


def test_loss_is_reconstruction_plus_kl_and_they_are_those_of_the_batch() -> None:
    torch.manual_seed(0)
    model = VAE(DataSpec("image", (1, 8, 8), levels=17), width=4)
    model.input_noise = 0.0
    x = random_levels(16, (1, 8, 8), 17).float()
    mean, log_variance = model.posterior(x)
    logged = model.update(Batch(x), 0.5)
    assert torch.allclose(logged["loss"], logged["reconstruction"] + logged["kl"])
    assert torch.allclose(logged["kl"], kl_to_standard_normal(mean, log_variance).mean())
    assert not logged["loss"].requires_grad


def test_any_number_of_levels_is_asked_for() -> None:
    with pytest.raises(ContractError, match="levels"):
        VAE(DataSpec("image", (1, 8, 8)), width=4)


def test_it_learns_real_digits() -> None:
    """After 300 steps: far fewer nats than independent pixels, and samples whose pixels vary together as the data's do."""
    data = digits()
    train_x, held_out = (torch.from_numpy(p.items / 8.0 - 1).float() for p in (data.train, data.validation))
    torch.manual_seed(0)
    model = VAE(data.spec, width=24)
    train(model, train_x, 300)
    with torch.no_grad():
        samples = model.sample(2000, torch.Generator().manual_seed(0))
        nats = -model.log_prob(held_out).log_prob.mean().item()
    counts = torch.stack([(train_x.flatten(1) == k / 8 - 1).float().mean(0) for k in range(17)]) + 1e-3
    level = ((held_out.flatten(1) + 1) * 8).long()
    independent_nats = -counts.log().gather(0, level).sum(1).mean().item()
    assert nats < 0.95 * independent_nats  # 300 steps of the few thousand that it needs
    real, ours = train_x.flatten(1).T.cov(), samples.flatten(1).T.cov()
    hopeless = real.diagonal().diag()
    assert (ours - real).norm() < 0.5 * (hopeless - real).norm()
