"""Flow matching's own truths: straight paths, the velocity of Gaussian data in closed form, the solvers' orders; that it learns."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_unit
from paragone.bench.data.mixture import ring8
from paragone.bench.metrics.encoder import load_encoder
from paragone.models import Batch, DataSpec
from paragone.models.diffusion.flow_matching import FlowMatching, along, euler, heun, logit_normal_times

MEAN, SCALE = 0.3, 0.5
DIGITS, POINTS = DataSpec("image", (1, 8, 8), levels=17), DataSpec("points", (2,))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def gaussian_velocity(x, t):
    """E(x_1 - x_0 | x_t = x) for data N(MEAN, SCALE^2): a line, by the regression of one Gaussian on another."""
    t = t.reshape(-1, *[1] * (x.dim() - 1))
    variance = (1 - t) ** 2 + (t * SCALE) ** 2  # of x_t
    return MEAN + (t * SCALE**2 - (1 - t)) / variance * (x - t * MEAN)


# Paths and times


@given(st.floats(0, 1), st.integers(1, 5))
def test_paths_are_straight_from_noise_to_data(t, count):
    noise, data = normal(count, 2, 3), normal(count, 2, 3, seed=2)
    time = torch.full((count,), t, dtype=torch.float64)
    assert torch.equal(along(noise, data, torch.zeros(1)), noise)
    assert torch.equal(along(noise, data, torch.ones(1)), data)
    expected = noise + t * (data - noise)  # started at noise with the velocity that the network is to predict
    assert torch.allclose(along(noise, data, time), expected, atol=1e-12)


def test_a_step_of_eulers_to_the_end_of_a_path_is_its_data():
    """x_t + (1 - t) v is the data: what a predicted velocity says of the data."""
    noise, data, t = normal(4, 2), normal(4, 2, seed=2), torch.tensor([0.0, 0.3, 0.9, 1.0], dtype=torch.float64)
    assert torch.allclose(along(noise, data, t) + (1 - t[:, None]) * (data - noise), data)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.floats(-1, 2), st.floats(0.3, 2), st.integers(0, 1000))
def test_times_take_one_from_each_equal_share_of_their_law(count, m, s, seed):
    t = logit_normal_times(count, m, s, seeded(seed))
    assert t.shape == (count,)
    assert ((t > 0) & (t < 1)).all()
    shares = torch.special.ndtr((torch.logit(t.double()) - m) / s) * count
    stratum = shares.sort().values - torch.arange(count)
    assert stratum.min() > -0.01 * count - 0.01  # float32 at the ends
    assert stratum.max() < 1 + 0.01 * count + 0.01


def test_one_time_alone_is_logit_normal():
    t = torch.cat([logit_normal_times(1, 0.5, 0.8, seeded(s)) for s in range(2000)]).double()
    normals = (torch.logit(t) - 0.5) / 0.8
    assert normals.mean().abs() < 4 / 2000**0.5
    assert (normals.var() - 1).abs() < 4 * (2 / 2000) ** 0.5


# Gaussian data: the field, its loss, and the solvers' errors are known


def test_closed_form_velocity_is_the_regression_of_the_paths():
    """At each of several times, least squares of x_1 - x_0 on x_t gives its slope and its value at the mean."""
    n = 200_000
    noise, data = normal(n), MEAN + SCALE * normal(n, seed=2)
    for t in (0.1, 0.5, 0.9):
        x_t = along(noise, data, torch.tensor([t], dtype=torch.float64))
        slope = torch.cov(torch.stack([x_t, data - noise]))[0, 1] / x_t.var()
        ends = gaussian_velocity(torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor([t], dtype=torch.float64))
        assert slope.item() == pytest.approx((ends[1] - ends[0]).item(), abs=0.02)
        assert (data - noise).mean().item() == pytest.approx(MEAN, abs=0.02)


class _Field(torch.nn.Module):
    """The closed-form velocity, off by a number: 0 is the best."""

    def __init__(self):
        super().__init__()
        self.off = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x, t, classes=None):
        return gaussian_velocity(x, t) + self.off


def logged_loss(off):
    """The mean of the loss that `update` logs, and its standard error, with the field in the network's place."""
    model = FlowMatching(POINTS, 8)
    model.network, model.optimisers, model.generator = _Field(), (), seeded(3)
    model.average.follow = lambda source: None
    model.network.off.data.fill_(off)
    x = (MEAN + SCALE * normal(100_000, 2)).float()
    losses = torch.tensor([float(model.update(Batch(part), 0.5)["loss"]) for part in x.split(1000)])
    return losses.mean().item(), losses.std().item() / len(losses) ** 0.5


def test_the_objective_of_the_best_field_is_its_known_minimum():
    """Var(x_1 - x_0 | x_t) = SCALE^2 / Var(x_t), over the law of the times; any constant off adds its square."""
    t = torch.sigmoid(1.0 + 1.0 * torch.special.ndtri((torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000))
    minimum = (SCALE**2 / ((1 - t) ** 2 + (t * SCALE) ** 2)).mean().item()
    for off in (0.0, 0.3, -0.3):
        loss, error = logged_loss(off)
        assert abs(loss - minimum - off**2) < 4 * error, off
        assert error < 0.01


def test_both_solvers_carry_gaussian_noise_to_gaussian_data():
    """The exact flow of a Gaussian is linear, x(1) = MEAN + SCALE x(0): Euler's error falls as 1 / N, Heun's as 1 / N^2."""
    noise = normal(1000, 1)
    exact = MEAN + SCALE * noise
    for solve, order in ((euler, 1), (heun, 2)):
        errors = [(solve(gaussian_velocity, noise, steps) - exact).square().mean().sqrt().item() for steps in (40, 80, 160)]
        ratios = [math.log2(a / b) for a, b in pairwise(errors)]
        assert ratios == pytest.approx([order, order], abs=0.15), solve.__name__
    assert errors[-1] < 1e-4


@pytest.mark.parametrize("solve", [euler, heun])
def test_one_datum_is_reached_exactly_in_any_number_of_steps(solve):
    """All paths then end at one place c, and are straight as flows too: v = (c - x) / (1 - t)."""
    for steps in (1, 2, 7):
        end = solve(lambda x, t: (2.0 - x) / (1 - t), normal(5, 3), steps)
        assert torch.allclose(end, torch.full_like(end, 2.0)), steps


def test_network_passes_are_one_a_step_or_two_but_for_the_last():
    model = FlowMatching(DIGITS, 8).eval()
    passes = []
    model.average.module.register_forward_pre_hook(lambda module, inputs: passes.append(float(inputs[1])))
    for sampler in model.samplers:
        kind, steps = sampler.split("-")
        passes.clear()
        model.sample(1, seeded(), sampler=sampler)
        assert len(passes) == (int(steps) if kind == "euler" else 2 * int(steps) - 1), sampler
        assert passes[0] == 0, "noise is at time 0"
        assert max(passes) == pytest.approx(1 - 1 / int(steps)), sampler


# The contender


def test_corruption_walks_the_path_back():
    x = normal(3, 1, 8, 8).float()
    model = FlowMatching(DIGITS, 8)
    noise = model.corrupt(x, 1.0, seeded(4))
    assert torch.allclose(model.corrupt(x, 0.25, seeded(4)), 0.75 * x + 0.25 * noise, atol=1e-6)


def test_classes_that_are_asked_for_are_given():
    """Two classes of points, left and right: after 150 steps what is asked for comes, and None draws both."""
    torch.manual_seed(0)
    model = FlowMatching(DataSpec("points", (2,), classes=2), 32)
    classes = torch.arange(64) % 2
    for i in range(150):
        x = 0.1 * torch.randn(64, 2, generator=seeded(i))
        x[:, 0] += 2.0 * classes - 1
        model.update(Batch(x, classes), i / 150)
    model.eval()
    with torch.no_grad():
        given_class = model.sample(64, seeded(), classes, "heun-10")
        free = model.sample(400, seeded(1), None, "heun-10")
    assert torch.equal(given_class[:, 0] > 0, classes.bool())
    assert 0.35 < (free[:, 0] > 0).float().mean() < 0.65


def test_samples_of_images_lie_where_images_do():
    torch.manual_seed(0)
    model = FlowMatching(DIGITS, 8)
    with torch.no_grad():
        for p in model.average.module.parameters():
            p.add_(0.2 * torch.randn(p.shape))
        x = model.sample(8, seeded(), sampler="euler-4")
    assert x.abs().max() == 1


def test_it_learns_digits():
    """After 80 steps: a fourth of independent pixels' squared distance of mean features."""
    data = embedded("digits")
    encoder = load_encoder(data)
    real = torch.from_numpy(to_unit(data.train.items, data.level_count))
    torch.manual_seed(0)
    model = FlowMatching(DIGITS, 20)
    order, steps = seeded(1), 80
    for i in range(steps):
        model.update(Batch(real[torch.randperm(len(real), generator=order)[: model.batch_size]]), i / steps)
    shuffled = real.flatten(1).gather(0, torch.randint(len(real), (200, 64), generator=order)).reshape(-1, 1, 8, 8)
    with torch.no_grad():
        centre = encoder.features(real).mean(0)
        made, hopeless = (encoder.features(x).mean(0) for x in (model.sample(200, seeded(2), sampler="heun-5"), shuffled))
    assert (made - centre).square().sum() < (hopeless - centre).square().sum() / 4


def test_it_learns_a_ring_of_points():
    """After 200 steps all 8 modes, and most samples within 3 standard deviations of one; a Gaussian has 0.3 % there."""
    ring = ring8()
    x = torch.tensor(ring.draw(4000, np.random.default_rng(0)), dtype=torch.float32)
    torch.manual_seed(0)
    model = FlowMatching(POINTS, 64)
    for i in range(200):
        model.update(Batch(x[torch.randperm(len(x), generator=seeded(i))[: model.batch_size]]), i / 200)
    with torch.no_grad():
        made = model.sample(1000, seeded(2)).double().numpy()
    mode, distance = ring.nearest(made)
    good = distance < 3
    assert good.mean() > 0.5
    assert (np.bincount(mode[good], minlength=8) > 20).all()
