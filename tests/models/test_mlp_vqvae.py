"""mlp-vqvae: nearest codes level by level, straight-through, its codebooks, stages, the prior's sum, the density; it learns."""

import math

import numpy as np
import pytest
import torch

from paragone.bench.metrics.mixture import grid25
from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec, NotTrained
from paragone.models.hybrid.mlp_vqvae import CODES, COMMITMENT, LENGTH, MLPVQVAE, SMALLEST_SCALE, START_SCALE, ResidualQuantiser

POINTS = DataSpec("points", (2,))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def trained(steps, width=8, first=0.0, last=1.0, batch=128):
    """A model after updates on points of the grid, spread evenly over this part of the budget."""
    x = torch.tensor(grid25().draw(4000, np.random.default_rng(0)), dtype=torch.float32)
    torch.manual_seed(0)
    model = MLPVQVAE(POINTS, width)
    for i in range(steps):
        at = torch.randint(len(x), (batch,), generator=generator(i))
        model.update(Batch(x[at]), first + (last - first) * i / steps)
    return model.eval()


@pytest.fixture(scope="module")
def short():
    """Trained through both stages, but little, in float64; and its sequences' means and chances."""
    model = trained(60).double()
    with torch.no_grad():
        codes, log_chances = model.code_distribution()
        return model, codes, log_chances


def settled_quantiser():
    quantiser = ResidualQuantiser(2).double()
    for t, level in enumerate(quantiser.levels):
        level.codebook[:] = normal(CODES, 2, seed=t + 3) / (1 + 4 * t)
        level.count[:] = 100.0
        level.total[:] = 100.0 * level.codebook
    return quantiser


def test_each_code_is_the_nearest_to_what_those_before_have_left():
    quantiser, z = settled_quantiser(), normal(50, 2)
    q, codes = quantiser(z)
    left, total = z, torch.zeros_like(z)
    for t, level in enumerate(quantiser.levels):
        assert torch.equal(codes[:, t], torch.cdist(left, level.codebook).argmin(1))
        left, total = left - level.codebook[codes[:, t]], total + level.codebook[codes[:, t]]
    assert torch.allclose(q, total)
    assert torch.allclose(q, quantiser.vectors(codes))
    assert (z - q).norm(dim=1).mean() < (z - quantiser.levels[0].codebook[codes[:, 0]]).norm(dim=1).mean()


def test_each_codebook_follows_what_those_before_have_left():
    """One step: the code's vector is the running mean of the residuals that were assigned to it."""
    quantiser, z = settled_quantiser(), normal(200, 2)
    before = [level.codebook.clone() for level in quantiser.levels]
    _, codes = quantiser(z)
    usage = quantiser.follow(z, codes, generator())
    assert usage == 1
    left = z
    for t, level in enumerate(quantiser.levels):
        for j in (0, 7):
            mine = left[codes[:, t] == j]
            expected = (0.97 * 100 * before[t][j] + 0.03 * mine.sum(0)) / (0.97 * 100 + 0.03 * len(mine))
            torch.testing.assert_close(level.codebook[j], expected)
        left = left - before[t][codes[:, t]]


def test_the_encoder_is_trained_through_the_codes():
    """Its gradient is the decoder's at the codes' vectors, plus that of the commitment."""
    torch.manual_seed(0)
    model = MLPVQVAE(POINTS, 8).double()
    for p in model.parameters():
        p.data += 0.05 * torch.randn_like(p)
    x = normal(16, 2)
    z = model._vectors(x).detach()
    q = model.quantiser(z)[0].requires_grad_()
    (-model.log_likelihood(x, model._points(q)).mean()).backward()
    at_codes = q.grad + COMMITMENT * 2 * (z - q.detach()) / z.numel()
    expected = torch.autograd.grad(model._vectors(x), model.encoder.enter.weight, at_codes)[0]
    model.zero_grad()
    loss, _ = model._codes_loss(x)
    loss.backward()
    torch.testing.assert_close(model.encoder.enter.weight.grad, expected)


def test_stages_switch_at_their_share_and_the_codes_freeze():
    share = MLPVQVAE.stages[0][1]
    model = trained(5, last=share - 0.01)
    with pytest.raises(NotTrained):
        model.sample(1, generator())
    with pytest.raises(NotTrained):
        model.log_prob(torch.zeros(1, 2))
    start = {key: value.clone() for key, value in model.state_dict().items()}
    model.update(Batch(torch.randn(8, 2, generator=generator())), share)
    moved = {key.split(".")[0] for key, value in model.state_dict().items() if not torch.equal(value, start[key])}
    assert moved == {"prior", "prior_steps", "average"}
    assert model.sample(1, generator()).shape == (1, 2)


def test_probabilities_of_all_sequences_sum_to_one_and_are_the_sampled_shares(short):
    model, codes, log_chances = short
    assert codes.shape == (CODES**LENGTH, LENGTH)
    assert len(codes.unique(dim=0)) == CODES**LENGTH
    chances = log_chances.exp()
    assert chances.sum().item() == pytest.approx(1, abs=1e-9)
    with torch.no_grad():
        drawn = model.average.module.sample(20_000, generator(1))
    index = drawn[:, 0] * CODES + drawn[:, 1]
    for part in (torch.arange(CODES**LENGTH) // CODES, torch.arange(CODES**LENGTH) % CODES):  # the first code, the second
        shares = torch.zeros(CODES, dtype=torch.float64).index_add_(0, part, chances)
        found = torch.bincount(part[index], minlength=CODES) / 20_000
        assert ((found - shares).abs() < 5 * (shares * (1 - shares) / 20_000).sqrt() + 1e-4).all()


def test_density_is_that_of_the_mixture_and_integrates_to_one(short):
    model, codes, log_chances = short
    x = normal(5, 2)
    with torch.no_grad():
        found = model.log_prob(x)
        means, s = model.decode(codes), model.scale
        squares = (x[:, None] - means).square().sum(2) / s**2
        expected = torch.log((log_chances.exp() * torch.exp(-squares / 2) / (2 * math.pi * s**2)).sum(1))
        assert found.exact
        torch.testing.assert_close(found.log_prob, expected)
        # the integral on a grid much finer than s, over all that is within 6 s of a mean
        step, low, high = s / 3, means.min(0).values - 6 * s, means.max(0).values + 6 * s
        axes = [torch.arange(low[i].item(), high[i].item(), step.item(), dtype=torch.float64) for i in range(2)]
        total = sum(model.log_prob(torch.cartesian_prod(part, axes[1])).log_prob.exp().sum() for part in axes[0].split(20))
    assert (total * step**2).item() == pytest.approx(1, abs=1e-3)


def test_samples_have_the_moments_of_the_density(short):
    model, codes, log_chances = short
    n = 40_000
    with torch.no_grad():
        means, weight, s = model.decode(codes), log_chances.exp()[:, None], model.scale
        x = model.sample(n, generator(2))
        plain = model.sample(n, generator(2), sampler="mean")
    mean, square = (weight * means).sum(0), (weight * means.square()).sum(0)
    assert ((x.mean(0) - mean).abs() < 4 * (square - mean**2 + s**2).sqrt() / n**0.5).all()
    # the noise alone, as both samplers draw the same codes
    assert (x - plain).var().item() == pytest.approx(s.item() ** 2, rel=4 * (2 / (2 * n)) ** 0.5)
    assert torch.cdist(plain[:200], means).min(1).values.max() < 1e-6


def test_it_starts_with_points_near_their_codes_vectors():
    """After one update, whose batch revives all codes, two codes a point place points of the batch far better than the mean."""
    model = trained(1, batch=256)
    x = torch.tensor(grid25().draw(256, np.random.default_rng(1)), dtype=torch.float32)
    with torch.no_grad():
        assert (model.decode(model.encode(x)) - x).square().mean() < 0.02


def test_the_scale_keeps_above_its_floor():
    model = MLPVQVAE(POINTS, 4)
    model.log_scale.data.fill_(-100.0)
    assert model.scale.item() == pytest.approx(SMALLEST_SCALE)


@pytest.mark.parametrize("parameters", [30_000, 200_000, 3_000_000])
def test_some_width_meets_the_budget(parameters):
    assert not outside_budget(solve_width(MLPVQVAE, POINTS, parameters)[1], parameters)


def test_it_learns_a_grid_of_points():
    """After 500 steps: all 25 modes, most samples within 3 standard deviations of one (a Gaussian has 1.5 %), and the density.

    It comes within a nat and a half of the true density, where the best Gaussian is 4.8 away, and does not exceed it.
    """
    grid = grid25()
    model = trained(500, width=48)
    held_out = grid.draw(1000, np.random.default_rng(1))
    with torch.no_grad():
        mode, distance = grid.nearest(model.sample(2000, generator(2)).double().numpy())
        log_prob = model.log_prob(torch.tensor(held_out, dtype=torch.float32)).log_prob.double()
    good = distance < 3
    assert good.mean() > 0.6
    assert (np.bincount(mode[good], minlength=25) > 10).all()
    gap = torch.from_numpy(grid.log_density(held_out)) - log_prob
    assert gap.mean() > -3 * gap.std() / 1000**0.5
    assert gap.mean() < 1.5
    assert model.scale.item() < START_SCALE
