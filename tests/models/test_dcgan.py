"""The DCGAN: losses against closed forms, R1 against a linear and a second-order net, shapes, and that it learns digits."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from paragone.bench.data.digits import digits
from paragone.bench.metrics.encoder import load_encoder
from paragone.models import Batch, DataSpec
from paragone.models.gan.dcgan import DCGAN, discriminator_loss, generator_loss
from paragone.models.layers.adversarial import Discriminator, Generator, initialise, pyramid, r1_penalty

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 12, 20)]


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def build(shape=(1, 8, 8), width=8, seed=0, cls=DCGAN):
    torch.manual_seed(seed)
    model = cls(DataSpec("image", shape, levels=17), width)
    model.generator = torch.Generator().manual_seed(seed + 1)
    return model


def pictures(n, shape=(1, 8, 8), seed=0):
    return normal(n, *shape, seed=seed, dtype=torch.float32).tanh()


def test_losses_are_the_negative_log_likelihoods_of_the_labels():
    real, fake = normal(6), normal(6, seed=1)
    expected = F.binary_cross_entropy_with_logits(real, torch.ones(6).double()) + F.binary_cross_entropy_with_logits(
        fake, torch.zeros(6).double()
    )
    torch.testing.assert_close(discriminator_loss(real, fake), expected)
    torch.testing.assert_close(generator_loss(fake), -torch.log(torch.sigmoid(fake)).mean())


def test_the_generators_slope_is_steepest_where_the_discriminator_is_sure():
    """d/dl of -log S(l) is -S(-l): near -1 for a fake that is seen through, where the saturating loss has slope 0."""
    logits = torch.tensor([-40.0, -2.0, 0.0, 3.0], dtype=torch.float64, requires_grad=True)
    (4 * generator_loss(logits)).backward()
    torch.testing.assert_close(logits.grad, torch.tensor([-1 / (1 + math.exp(v)) for v in (-40, -2, 0, 3)]).double())
    assert logits.grad[0] == pytest.approx(-1)


def test_at_the_optimal_discriminator_of_equal_distributions_the_loss_is_log_four():
    """Goodfellow et al. 2014, theorem 1."""
    assert float(discriminator_loss(torch.zeros(5), torch.zeros(5))) == pytest.approx(math.log(4))


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weights():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 1, dtype=torch.float64), nn.Flatten(0))
    penalty = r1_penalty(net, normal(7, 3, 2, 2))
    weight = net[1].weight
    torch.testing.assert_close(penalty, weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_r1_of_a_quadratic_discriminator():
    """D(x) = a |x|^2 / 2 has slope a x: the penalty is a^2 E |x|^2, and its derivative in a is 2 a E |x|^2."""

    class Quadratic(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

        def forward(self, x):
            return self.a * x.square().flatten(1).sum(1) / 2

    net, x = Quadratic(), normal(5, 1, 4, 4)
    penalty = r1_penalty(net, x)
    mean_square = x.square().flatten(1).sum(1).mean()
    torch.testing.assert_close(penalty, 0.49 * mean_square)
    penalty.backward()
    torch.testing.assert_close(net.a.grad, 1.4 * mean_square)
    assert not x.requires_grad


def test_r1_of_the_real_discriminator_equals_finite_differences():
    torch.manual_seed(0)
    net, x, h = Discriminator((1, 8, 8), 3).double(), normal(1, 1, 8, 8), 1e-6
    steps = h * torch.eye(64, dtype=torch.float64).reshape(64, 1, 8, 8)
    with torch.no_grad():
        slope = (net(x + steps) - net(x - steps)) / (2 * h)
    torch.testing.assert_close(r1_penalty(net, x), slope.square().sum(), rtol=1e-6, atol=0)


def test_each_loss_moves_its_own_net_alone():
    model = build()
    x, fake = pictures(16), model.generator_net(model.draw_latents(16, model.generator))
    generator_before = [p.clone() for p in model.generator_net.parameters()]
    model._step_discriminator(x, fake.detach())
    assert all(torch.equal(a, b) for a, b in zip(generator_before, model.generator_net.parameters(), strict=True))
    critic_before = [p.clone() for p in model.discriminator.parameters()]
    model._step_generator(fake)
    assert all(torch.equal(a, b) for a, b in zip(critic_before, model.discriminator.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(generator_before, model.generator_net.parameters(), strict=True))


def test_the_lazy_penalty_is_as_strong_on_average_as_one_at_every_update():
    """At weights that rest and pictures that stay, k updates with k times the penalty at one equal k updates with it."""

    class Eager(DCGAN):
        penalty_interval = 1

    def penalised(cls):
        model = build(cls=cls)
        model.learning_rate_factor = 0.0
        total = torch.zeros(())
        for _ in range(DCGAN.penalty_interval):
            model.update(Batch(pictures(16)), 0.5)
            total = total + next(model.discriminator.parameters()).grad
        return total

    class Without(DCGAN):
        gamma = 0.0

    base = penalised(Without)  # the same draws and resting weights: what differs is the penalty
    torch.testing.assert_close(penalised(DCGAN) - base, penalised(Eager) - base, rtol=1e-3, atol=1e-4)


def test_r1_is_logged_when_it_is_taken():
    model = build()
    taken = ["r1" in model.update(Batch(pictures(4)), 0.0) for _ in range(2 * model.penalty_interval)]
    assert [k for k, yes in enumerate(taken) if yes] == [0, model.penalty_interval]


def test_samples_come_from_the_average_which_follows_its_recurrence():
    model = build()
    expected = [p.detach().clone() for p in model.generator_net.parameters()]
    for k in range(5):
        model.update(Batch(pictures(8, seed=k)), 0.1)
        d = min(model.average_decay, (1 + k) / (10 + k))
        expected = [d * e + (1 - d) * p.detach() for e, p in zip(expected, model.generator_net.parameters(), strict=True)]
    for mine, theirs in zip(model.average.module.parameters(), expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    z = model.draw_latents(3, torch.Generator().manual_seed(4))
    with torch.no_grad():
        assert torch.equal(model.sample(3, torch.Generator().manual_seed(4)), model.average.module(z))
        assert not torch.equal(model.generator_net(z), model.average.module(z))


@pytest.mark.parametrize("shape", SHAPES)
def test_nets_have_the_datas_shape_and_range(shape):
    torch.manual_seed(0)
    x = Generator(shape, 16, 4)(normal(5, 16, dtype=torch.float32))
    assert x.shape == (5, *shape)
    assert x.dtype == torch.float32
    assert x.abs().max() <= 1
    assert Discriminator(shape, 4)(x).shape == (5,)


@pytest.mark.parametrize(
    ("shape", "channels", "coarse"),
    [((1, 8, 8), [1, 5], (4, 4)), ((1, 28, 28), [1, 5, 10], (7, 7)), ((3, 64, 64), [3, 5, 10, 20, 40], (4, 4))],
)
def test_maps_halve_and_channels_double(shape, channels, coarse):
    assert pyramid(shape, 5) == (channels, coarse)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_maps_start_at_unit_scale(shape):
    """What keeps z alive on its way: pictures of different z start different."""
    torch.manual_seed(0)
    net = Generator(shape, 32, 16)
    h = net.dense(normal(256, 32, dtype=torch.float32))
    for layer in net.up:
        h = layer(h)
        if isinstance(layer, nn.ConvTranspose2d):
            inner = h[..., 1:-1, 1:-1]  # at the border fewer taps meet
            assert 0.3 < inner.std() < 3
    assert net(normal(256, 32, dtype=torch.float32)).std(0).mean() > 0.2


def test_initial_weights_have_the_variance_of_their_fan_in():
    net = nn.Sequential(nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.Conv2d(32, 64, 3), nn.Linear(500, 100))
    torch.manual_seed(0)
    initialise(net)
    for layer, variance in zip(net, (2 / (64 * 4), 2 / (32 * 9), 1 / 500), strict=True):
        assert layer.weight.var().item() == pytest.approx(variance, rel=0.05)
        assert not layer.bias.any()


def test_learns_digits():
    """500 updates bring its features four times nearer to the real ones than independent pixels are (Frechet distance)."""
    data = digits()
    encoder = load_encoder(data)
    x = torch.from_numpy(data.train.items).float().reshape(-1, 1, 8, 8) / 8 - 1
    model, order = build(width=24), torch.Generator().manual_seed(0)
    for k in range(500):
        model.update(Batch(x[torch.randperm(len(x), generator=order)[: model.batch_size]]), k / 500)
    with torch.no_grad():
        fake = model.sample(1000, torch.Generator().manual_seed(0))
        shuffled = torch.stack([column[torch.randperm(len(x), generator=order)] for column in x.flatten(1).T], dim=1)
        real, near, far = (encoder.features(v.reshape(-1, 1, 8, 8)).double() for v in (x, fake, shuffled))
    assert frechet(near, real) < frechet(far, real) / 4


def frechet(a, b):
    """Squared Frechet distance of the Gaussians fitted to features (N, d) (Dowson and Landau 1982)."""
    eigenvalues = torch.linalg.eigvals(torch.cov(a.T) @ torch.cov(b.T)).real.clamp(min=0)
    return float((a.mean(0) - b.mean(0)).square().sum() + a.var(0).sum() + b.var(0).sum() - 2 * eigenvalues.sqrt().sum())
