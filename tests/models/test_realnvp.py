"""RealNVP's own truths: Jacobian, inverse, masks, dequantised bound, a density that integrates to one; and that it learns."""

import itertools
import math

import pytest
import torch

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_unit
from paragone.models import Batch, DataSpec
from paragone.models.flow.realnvp import CHANNELS, CHECKERBOARD, Chain, Flow, RealNVP, Scale, halves, scale_sizes, squeeze

DIGITS = DataSpec("image", (1, 8, 8), levels=17)
SHAPES = [(1, 8, 8), (3, 8, 4), (2, 12, 20)]  # dense tiles, a single scale, convolutions over several tiles


def randomised(module, seed=0, scale=0.3):
    """Every parameter away from where it starts: networks start at zero, where any coupling is the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return module


def random_flow(shape, width=5, scale=0.3):
    flow = randomised(Flow(shape, width).double(), scale=scale)
    flow.standardise(2 + 3 * torch.randn(9, *shape, generator=torch.Generator().manual_seed(1)).double())
    return flow


def normal(*shape, seed=2):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


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
    flow, x = random_flow(shape), 5 * normal(3, *shape)
    z, _ = flow(x)
    assert z.shape == (3, math.prod(shape))
    assert not torch.allclose(z.view_as(x), x, atol=0.1)
    assert (flow.inverse(z) - x).abs().max() < 1e-9
    single = random_flow(shape, scale=0.1).float()
    assert (single.inverse(single(x.float())[0]) - x).abs().max() < 1e-4


def test_pictures_come_back_from_their_latents():
    contender = RealNVP(DIGITS, 8)
    randomised(contender.average.module, scale=0.1)
    x = torch.randint(17, (50, 1, 8, 8), generator=torch.Generator().manual_seed(0)) / 8 - 1
    z = contender.encode(x)
    assert z.shape == (50, 64)
    assert (contender.decode(z) - x).abs().max() < 1e-4


def test_the_two_masks_alternate_and_cover_everything():
    row, column = torch.meshgrid(torch.arange(4), torch.arange(6), indexing="ij")
    place = torch.stack([row, column]).float()[None]  # (1, 2, 4, 6): each pixel says where it is
    for pairing, colour in ((CHECKERBOARD, (row + column) % 2), (CHANNELS, row % 2)):
        found = [half.unflatten(1, (2, 2)).transpose(1, 2).flatten(2)[0].T for half in halves(squeeze(place), pairing)]
        for wanted, pixels in enumerate(found):
            assert {colour[int(r), int(c)].item() for r, c in pixels} == {wanted}
        assert len({tuple(pixel.tolist()) for pixel in torch.cat(found)}) == 24


@pytest.mark.parametrize("couplings", [1, 2, 3])
def test_a_coupling_leaves_its_condition_as_it_is(couplings):
    chain = randomised(Chain((1, 1, 1), 4, couplings).double())
    a, b = normal(5, 1, 1, 1), normal(5, 1, 1, 1, seed=3)
    new_a, new_b, _ = chain(a, b)
    assert torch.equal(new_a, a) == (couplings == 1)
    assert not torch.equal(new_b, b)


def test_scales_keep_the_number_of_dimensions():
    assert scale_sizes((1, 8, 8)) == [(1, 8, 8), (2, 4, 4)]
    assert scale_sizes((1, 28, 28)) == [(1, 28, 28), (2, 14, 14)]
    assert scale_sizes((3, 64, 64))[-1] == (48, 4, 4)
    for shape in ((1, 8, 8), (1, 28, 28), (3, 64, 64), (3, 12, 20)):
        sizes = scale_sizes(shape)
        leaving = [math.prod(Scale(size, 1, last=size == sizes[-1]).leaving) for size in sizes]
        assert sum(leaving) == math.prod(shape)
        assert leaving[0] == math.prod(shape) // 2


def test_half_of_the_variables_leave_after_the_first_scale():
    """The last scale cannot reach what left before it."""
    flow, x = random_flow((1, 8, 8)), normal(1, 1, 8, 8)
    before, _ = flow(x)
    randomised(flow.scales[-1], seed=7)
    after, _ = flow(x)
    assert torch.equal(before[:, :32], after[:, :32])
    assert not torch.isclose(before[:, 32:], after[:, 32:]).any()


def test_a_density_integrates_to_one():
    """Two variables, four couplings: the integral over a grid that holds all but a negligible part of the mass."""
    chain = randomised(Chain((1, 1, 1), 6, 4).double(), scale=0.5)
    edges = torch.linspace(-20, 20, 601, dtype=torch.float64)
    a, b = torch.cartesian_prod(edges, edges)[:, :, None, None, None].unbind(1)
    z_a, z_b, log_scales = chain(a, b)
    log_density = torch.cat(log_scales, 1).sum(1) - 0.5 * (z_a**2 + z_b**2).flatten() - math.log(2 * math.pi)
    assert log_scales[0].abs().max() > 0.1
    assert log_density.exp().sum().item() * (40 / 600) ** 2 == pytest.approx(1, abs=1e-3)


class UniformFlow(torch.nn.Module):
    """Maps v = logit(a + (1 - 2 a) y), y uniform on [0, 1], to a normal z: its density gives every level the same."""

    def __init__(self, margin):
        super().__init__()
        self.margin = margin

    def forward(self, v):
        v = v.double()
        y = (torch.sigmoid(v) - self.margin) / (1 - 2 * self.margin)
        z = math.sqrt(2) * torch.erfinv(2 * y - 1)
        log_slope = torch.nn.functional.logsigmoid(v) + torch.nn.functional.logsigmoid(-v) - math.log(1 - 2 * self.margin)
        log_normal = -0.5 * (z**2 + math.log(2 * math.pi))
        return z.flatten(1), (log_slope - log_normal).flatten(1).sum(1)


def test_a_uniform_flow_needs_log2_of_the_levels():
    contender = RealNVP(DIGITS, 4)
    contender.average.module = UniformFlow(contender.margin)
    x = torch.randint(17, (6, 1, 8, 8), generator=torch.Generator().manual_seed(0)) / 8 - 1
    likelihood = contender.log_prob(x)
    assert not likelihood.exact
    bits_per_dim = -likelihood.log_prob / (64 * math.log(2))
    assert torch.allclose(bits_per_dim, torch.tensor(math.log2(17), dtype=bits_per_dim.dtype), atol=1e-4)


def test_the_bound_lies_below_the_probability_of_every_picture():
    """On 2x2 pictures of two levels all 16 probabilities can be added: what the margin leaks keeps the sum below 1."""
    contender = RealNVP(DataSpec("image", (1, 2, 2), levels=2), 4)
    contender.draws = 1000
    randomised(contender.average.module, scale=0.2)
    everything = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=4))).view(16, 1, 2, 2)
    bounds = contender.log_prob(everything).log_prob.exp()
    z = torch.randn(200_000, 4, generator=torch.Generator().manual_seed(1))
    v = contender.average.module.inverse(z)
    kept = ((torch.sigmoid(v) - 0.5).abs() <= 0.5 - contender.margin).flatten(1).all(1).float().mean()
    assert bounds.sum().item() == pytest.approx(kept.item(), rel=0.05)
    assert bounds.sum() < 1


def test_it_learns_real_digits():
    """A short training gives held-out digits more likely than under independent pixels, and samples whose covariance is off
    by at most 0.6 times as much as that of independent pixels."""
    data = embedded("digits")
    train, held_out = (torch.from_numpy(to_unit(part.items, 17)) for part in (data.train, data.validation))
    shares = torch.stack([(train == k / 8 - 1).float().mean(0) for k in range(17)]) * 0.99 + 0.01 / 17
    independent = sum(-(shares[k].log2() * (held_out == k / 8 - 1)).sum(dim=(1, 2, 3)) for k in range(17)).mean() / 64
    torch.manual_seed(0)
    contender = RealNVP(data.spec, 16)
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
