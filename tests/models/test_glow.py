"""Glow's own truths: Jacobian, inverse, LU weight, actnorm's first batch, temperature, a bound on levels; and that it learns."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_unit
from paragone.models import Batch, DataSpec
from paragone.models.flow.glow import ActNorm, Flow, Glow, Scale, Step
from paragone.models.layers.mixing import Mixing
from paragone.models.layers.tiles import scale_sizes

DIGITS = DataSpec("image", (1, 8, 8), levels=17)
SHAPES = [(1, 8, 8), (3, 8, 4), (2, 12, 20)]  # dense tiles, a single scale, convolutions over several tiles


def normal(*shape, seed=2):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moved(module, seed=0, scale=0.3):
    """Every parameter moved from where it starts: networks and priors start at zero, where any coupling is the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(scale * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return module


def random_flow(shape, width=5, scale=0.3):
    torch.manual_seed(3)
    flow = moved(Flow(shape, width).double(), scale=scale)
    flow.initialise(2 + 3 * normal(9, *shape, seed=1))
    return flow


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_log_determinant_is_that_of_the_jacobian(shape):
    flow, x = random_flow(shape), normal(2, *shape)
    _, found = flow(x)
    for i in range(2):
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], x[i])
        expected = torch.linalg.slogdet(jacobian.reshape(x[i].numel(), -1)).logabsdet
        assert found[i].item() == pytest.approx(expected.item(), rel=1e-9)
        assert abs(expected) > 1


@pytest.mark.parametrize("shape", SHAPES)
def test_inverse_undoes_forward(shape):
    flow, x = random_flow(shape, scale=0.1 if shape == SHAPES[2] else 0.3), 2 + 3 * normal(3, *shape)
    z, _ = flow(x)
    assert z.shape == (3, math.prod(shape))
    assert not torch.allclose(z.view_as(x), x, atol=0.1)
    assert (flow.inverse(z) - x).abs().max() < 1e-8
    single = random_flow(shape, scale=0.05).float()
    assert (single.inverse(single(x.float())[0]) - x).abs().max() < 1e-4


def test_pictures_come_back_from_their_latents():
    contender = Glow(DIGITS, 8)
    moved(contender.average.module, scale=0.1)
    x = torch.randint(17, (50, 1, 8, 8), generator=torch.Generator().manual_seed(0)) / 8 - 1
    z = contender.encode(x)
    assert z.shape == (50, 64)
    assert (contender.decode(z) - x).abs().max() < 1e-4


@settings(deadline=None, max_examples=30)
@given(channels=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_the_weight_of_the_convolution_starts_as_a_rotation_and_stays_invertible(channels, seed):
    torch.manual_seed(seed)
    mixing = Mixing(channels).double()
    weight = mixing.weight()
    assert torch.allclose(weight @ weight.T, torch.eye(channels, dtype=torch.float64), atol=1e-5)
    assert mixing.log_determinant().item() == pytest.approx(0, abs=1e-5)
    moved(mixing, seed, scale=0.2)
    weight = mixing.weight()
    assert mixing.log_determinant().item() == pytest.approx(torch.linalg.slogdet(weight).logabsdet.item(), abs=1e-9)
    assert torch.allclose(mixing.inverse_weight() @ weight, torch.eye(channels, dtype=torch.float64), atol=1e-6)


def test_every_number_of_the_weight_is_learned():
    """L, U and the diagonal share one matrix: each of its numbers moves the weight, and the signs and the permutation stay."""
    torch.manual_seed(0)
    mixing = Mixing(4).double()
    mixing.weight().mul(normal(4, 4)).sum().backward()
    assert (mixing.packed.grad != 0).all()
    assert set(dict(mixing.named_parameters())) == {"packed"}


def test_the_convolution_is_the_same_at_every_place_and_mixes_no_places():
    torch.manual_seed(0)
    step = Step((4, 3, 2), 5).double()  # its coupling is still the identity
    moved(step.actnorm)
    moved(step.mixing)
    x = normal(2, 4, 3, 2)
    scale, offset = step.actnorm.affine()
    expected = torch.einsum("dc,bcij->bdij", step.mixing.weight(), x * scale[:, None, None] + offset[:, None, None])
    assert torch.allclose(step(x)[0], expected)


def test_actnorm_standardises_the_first_batch_at_every_depth():
    """With couplings that do something, each step's input comes out of its actnorm with mean 0 and deviation 1 a channel."""
    shape = (2, 8, 8)
    torch.manual_seed(0)
    flow = Flow(shape, 6).double()
    for step in (m for m in flow.modules() if isinstance(m, Step)):
        moved(step.coupling)
    seen = []
    for step in (m for m in flow.modules() if isinstance(m, Step)):
        step.register_forward_pre_hook(lambda module, inputs: seen.append((module.actnorm, inputs[0])))
    v = 5 + 3 * normal(40, *shape)
    flow.initialise(v)
    seen.clear()
    flow(v)
    assert len(seen) == 9
    for norm, x in seen:
        scale, offset = norm.affine()
        y = x * scale[:, None, None] + offset[:, None, None]
        assert y.mean((0, 2, 3)).abs().max() < 1e-9
        assert (y.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-9


def test_actnorm_stretches_a_channel_without_ink_by_a_finite_factor():
    norm = ActNorm(2)
    x = torch.stack([torch.zeros(3, 4, 4), torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))], 1)
    norm.initialise(x)
    assert norm.affine()[0].max() <= 1000


def test_the_first_update_alone_initialises_the_actnorms():
    contender = Glow(DIGITS, 6)
    norm = contender.flow.scales[0].steps[0].actnorm
    x = torch.randint(17, (32, 1, 8, 8), generator=torch.Generator().manual_seed(0)) / 8 - 1
    contender.update(Batch(x), 0.0)
    first = norm.mean.clone()
    assert first.abs().max() > 0
    contender.update(Batch(-x), 0.5)
    assert torch.equal(norm.mean, first)
    assert torch.equal(contender.average.module.scales[0].steps[0].actnorm.mean, first)


def test_a_coupling_leaves_half_of_the_channels_as_they_are():
    torch.manual_seed(0)
    step = Step((4, 4, 4), 6).double()
    x = normal(3, 4, 4, 4)
    mixed, _ = step(x)
    moved(step.coupling)
    changed, _ = step(x)
    assert torch.equal(mixed[:, :2], changed[:, :2])
    assert not torch.isclose(mixed[:, 2:], changed[:, 2:]).any()


def test_scales_squeeze_and_half_of_the_channels_leave():
    flow = Flow((3, 16, 32), 4)
    assert flow.leaving == [(6, 8, 16), (12, 4, 8), (48, 2, 4)]
    for shape in ((1, 8, 8), (1, 28, 28), (3, 64, 64), (3, 12, 20)):
        sizes = scale_sizes(shape)
        leaving = [math.prod(Scale(size, 1, last=size == sizes[-1]).leaving) for size in sizes]
        assert sum(leaving) == math.prod(shape)
    x, z, log_determinant = Scale((3, 8, 4), 4, last=False)(torch.zeros(2, 3, 8, 4))
    assert (x.shape, z.shape, log_determinant.shape) == ((2, 6, 4, 2), (2, 6, 4, 2), (2,))


def test_the_last_scale_cannot_reach_what_left_before_it():
    flow, x = random_flow((1, 8, 8)), normal(1, 1, 8, 8)
    before, _ = flow(x)
    moved(flow.scales[-1], seed=7)
    after, _ = flow(x)
    assert torch.equal(before[:, :32], after[:, :32])
    assert not torch.isclose(before[:, 32:], after[:, 32:]).any()


def test_the_learned_prior_standardises_what_leaves():
    """What leaves is normal given what goes on: at z = e its value is (e - t) exp(-s), of which s and t are the convolution's."""
    torch.manual_seed(0)
    scale = Scale((1, 8, 8), 4, last=False).double()
    plain_x, plain_z, plain_determinant = scale(normal(3, 1, 8, 8))
    moved(scale.prior)
    x, z, log_determinant = scale(normal(3, 1, 8, 8))
    s, t = scale.prior(x)
    assert torch.equal(x, plain_x)
    assert torch.allclose(z, plain_z * s.exp() + t)
    assert torch.allclose(log_determinant, plain_determinant + s.flatten(1).sum(1))
    assert s.abs().max() > 0.1


def test_a_temperature_scales_the_latents_and_nothing_else():
    contender = Glow(DIGITS, 8)
    moved(contender.average.module, scale=0.1)
    z = contender.draw_latents(20, torch.Generator().manual_seed(5))
    for sampler in contender.samplers:
        found = contender.sample(20, torch.Generator().manual_seed(5), sampler=sampler)
        assert torch.equal(found, contender.decode(float(sampler[2:]) * z)), sampler
    assert [float(sampler[2:]) for sampler in contender.samplers] == [1.0, 0.7, 0.5]


def test_the_bound_lies_below_the_probability_of_every_picture():
    """On 2x2 pictures of two levels all 16 probabilities can be added: the sum falls short of 1 by what the margin leaks alone."""
    torch.manual_seed(0)
    contender = Glow(DataSpec("image", (1, 2, 2), levels=2), 4)
    contender.draws = 1000
    moved(contender.average.module, scale=0.2)
    everything = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=4))).view(16, 1, 2, 2)
    bounds = contender.log_prob(everything).log_prob.exp()
    v = contender.average.module.inverse(torch.randn(200_000, 4, generator=torch.Generator().manual_seed(1)))
    kept = ((torch.sigmoid(v) - 0.5).abs() <= 0.5 - contender.margin).flatten(1).all(1).float().mean()
    assert bounds.sum().item() == pytest.approx(kept.item(), rel=0.05)
    assert bounds.sum() < 1


def test_after_training_the_bound_loses_less_than_a_tenth_of_all_probability():
    """Trained on the four pictures with one white pixel of four: the bounds of all 16 sum to 0.94, and most of it is theirs."""
    torch.manual_seed(0)
    contender = Glow(DataSpec("image", (1, 2, 2), levels=2), 16)
    contender.generator = torch.Generator().manual_seed(1)
    drops = (2 * torch.eye(4) - 1).view(4, 1, 2, 2)
    for k in range(150):
        contender.update(Batch(drops.repeat(32, 1, 1, 1)), k / 150)
    contender.draws = 500
    everything = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=4))).view(16, 1, 2, 2)
    with torch.no_grad():
        found = contender.log_prob(everything).log_prob.exp()
        of_drops = contender.log_prob(drops).log_prob.exp()
    assert 0.9 < found.sum() < 1
    assert of_drops.sum() > 0.55


def test_it_learns_real_digits():
    """A short training gives held-out digits more likely than under independent pixels, and samples whose covariance is off
    by at most 0.6 times as much as that of independent pixels."""
    data = embedded("digits")
    train, held_out = (torch.from_numpy(to_unit(part.items, 17)) for part in (data.train, data.validation))
    shares = torch.stack([(train == k / 8 - 1).float().mean(0) for k in range(17)]) * 0.99 + 0.01 / 17
    independent = sum(-(shares[k].log2() * (held_out == k / 8 - 1)).sum(dim=(1, 2, 3)) for k in range(17)).mean() / 64
    torch.manual_seed(0)
    contender = Glow(data.spec, 16)
    contender.generator = torch.Generator().manual_seed(1)
    steps = 120
    for k in range(steps):
        start = (k * 128) % (len(train) - 128)
        contender.update(Batch(train[start : start + 128]), k / steps)
    contender.eval()
    with torch.no_grad():
        found = -contender.log_prob(held_out).log_prob.mean() / (64 * math.log(2))
        samples = contender.sample(1000, torch.Generator().manual_seed(2))
    true, sampled = held_out.flatten(1).T.cov(), samples.flatten(1).T.cov()
    hopeless = train.flatten(1).T.cov().diag().diag()
    assert found < independent
    assert (sampled - true).norm() < 0.6 * (hopeless - true).norm()
