"""Consistency's own truths: the boundary, neighbours on one trajectory, the function of Gaussian data, its stages, and learning."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_unit
from paragone.bench.metrics.encoder import load_encoder
from paragone.models import Batch, DataSpec
from paragone.models.diffusion.consistency import FIRST_GRID, LAST_GRID, TAUGHT_ABOVE, Consistency, grid_size, neighbours
from paragone.models.layers.distillation import TIMESTEPS, Diffusion, MuonAdam, even_times, pseudo_huber
from paragone.models.layers.noise import stratified_times
from paragone.models.layers.unet import UNet

DIGITS = DataSpec("image", (1, 8, 8), levels=17)
FREE = Diffusion()  # nothing clipped, so that closed forms hold everywhere
A, S = FREE.schedule.a, FREE.schedule.s


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def images(n, seed=0):
    return torch.rand(n, 1, 8, 8, generator=seeded(seed)) * 2 - 1


def shaken(model, size=0.1):
    """The model with all weights moved, so that no layer is at zero."""
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.add_(size * torch.randn(p.shape, generator=seeded(i)))
    return model


# The function


def test_at_the_smallest_time_f_is_x_itself_whatever_the_network():
    torch.manual_seed(0)
    network, x = shaken(UNet(1, (16, 16, 24), embedding=32)), images(5)
    zero, later = torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64)
    with torch.no_grad():
        assert torch.equal(FREE.clean(network, x, zero), x)
        assert not torch.equal(FREE.clean(network, x, later), x)
        assert network(x, zero / TIMESTEPS).abs().mean() > 0.01  # not because the network is silent


@given(st.integers(1, TIMESTEPS), st.integers(0, TIMESTEPS))
def test_jumps_keep_the_noise_and_compose(t, u):
    """With one predicted x, DDIM from t to u keeps e; two jumps are one."""
    x, e, u = normal(2, 3), normal(2, 3, seed=2), min(t, u)
    between = (t + u) // 2
    t, u, between = (torch.tensor([k]) for k in (t, u, between))
    x_t = FREE.schedule.add_noise(x, e, t)
    once = FREE.jump(x_t, x, t, u)
    assert torch.allclose(once, FREE.schedule.add_noise(x, e, u), atol=1e-8)
    if between > 0:
        assert torch.allclose(FREE.jump(FREE.jump(x_t, x, t, between), x, between, u), once, atol=1e-8)


def test_jumps_are_the_schedules_ddim_step_with_a_time_for_each_item():
    x, x_t = normal(3, 1, 2, 2), normal(3, 1, 2, 2, seed=2)
    t, u = torch.tensor([1024, 700, 3]), torch.tensor([900, 350, 0])
    found = FREE.jump(x_t, x, t, u)
    for i in range(3):
        assert torch.allclose(found[i], FREE.schedule.ddim_step(x_t[i], x[i], int(t[i]), int(u[i]))[0])


# Data N(0, SCALE^2): the best denoiser is a line, and the ODE scales: x_t stays the same multiple of its deviation
SCALE = 0.5


def deviation(t):
    return (A[t] ** 2 * SCALE**2 + S[t] ** 2).sqrt()


def gaussian_teacher(x_t, time):
    """The velocity whose predicted x is E(x | x_t)."""
    t = (time * TIMESTEPS).round().long()
    a, s = FREE.schedule.at(t, x_t)
    return (a * x_t - a * SCALE**2 * x_t / (a**2 * SCALE**2 + s**2)) / s


def gaussian_consistency(x_t, time):
    """The velocity whose f is the start of the trajectory, SCALE x_t / deviation_t."""
    t = (time * TIMESTEPS).round().long()
    a, s = FREE.schedule.at(t, x_t)
    start = SCALE * x_t / deviation(t).reshape(-1, *[1] * (x_t.dim() - 1))
    return torch.where(s > 0, (a * x_t - start) / s.clamp(min=1e-12), 0.0)


def distillation_gap(grid):
    """|f(x_t, t) - f(x_u, u)| at each time of a grid, x_u by the exact teacher's DDIM step, f the exact function."""
    t = torch.arange(1, grid + 1) * TIMESTEPS // grid
    u = torch.arange(grid) * TIMESTEPS // grid
    x_t = deviation(t)[:, None]  # one deviation out at each time
    x_u = FREE.jump(x_t, FREE.clean(gaussian_teacher, x_t, t), t, u)
    f_t, f_u = FREE.clean(gaussian_consistency, x_t, t), FREE.clean(gaussian_consistency, x_u, u)
    assert torch.allclose(f_t, torch.full_like(f_t, SCALE))
    return (f_t - f_u).abs()[:, 0]


def test_the_exact_function_of_gaussian_data_loses_nothing_as_neighbours_close():
    """The gap is that of a DDIM step, of second order: halved steps have a fourth of it (away from the schedule's ends)."""
    grids = (64, 128, 256, 512)
    gaps = [distillation_gap(grid) for grid in grids]
    assert gaps[-1].max() < 2e-4 * SCALE
    middles = [gap[grid // 8 : -grid // 8].max() for grid, gap in zip(grids, gaps, strict=True)]
    ratios = [float(a / b) for a, b in pairwise(middles)]
    assert all(3.6 < ratio < 4.4 for ratio in ratios), ratios


def test_multistep_sampling_with_the_exact_function_draws_the_data():
    """Each pass ends in N(0, SCALE^2), however many there are; and they differ from one pass."""
    n, ends = 40_000, {}
    for steps in (1, 2, 4):
        ends[steps] = FREE.multistep(gaussian_consistency, normal(n, 1), steps, seeded(4))
        assert abs(ends[steps].mean()) < 4 * SCALE / n**0.5
        assert abs(ends[steps].var() / SCALE**2 - 1) < 4 * (2 / n) ** 0.5
    assert abs(torch.corrcoef(torch.stack([ends[1][:, 0], ends[4][:, 0]]))[0, 1]) < 0.9
    assert abs(ends[1] / normal(n, 1) - SCALE / deviation(TIMESTEPS)).max() < 1e-9  # one pass is f of the noise itself


def test_multistep_visits_its_times_from_t_down_and_never_zero():
    seen = []

    def network(x, time):
        seen.append(float(time))
        return torch.zeros_like(x)

    FREE.multistep(network, normal(2, 1), 4, seeded())
    assert seen == [1.0, 0.75, 0.5, 0.25]
    assert [int(t) for t in even_times(8, torch.device("cpu"))] == list(range(1024, -1, -128))


# The objective


@pytest.mark.parametrize("grid", [6, 7, 20])
def test_neighbours_are_adjacent_and_cover_the_grid(grid):
    times = [k * TIMESTEPS // grid for k in range(grid + 1)]
    t, u = neighbours(40 * grid, grid, seeded())
    assert {(int(a), int(b)) for a, b in zip(t, u, strict=True)} == {(times[k + 1], times[k]) for k in range(grid)}
    assert abs(torch.bincount(t).max() - torch.bincount(t)[times[1:]].min()) <= 2  # stratified: equally often


def test_the_grid_grows_from_first_to_last():
    sizes = [grid_size(k / 100) for k in range(101)]
    assert (sizes[0], sizes[-1]) == (FIRST_GRID, LAST_GRID)
    assert sizes == sorted(sizes)
    assert sizes[50] == round((FIRST_GRID * LAST_GRID) ** 0.5)


def test_neighbours_in_state_lie_on_one_trajectory():
    """Of little noise the same x and e; of much noise the teacher's DDIM step, which does not look at them."""
    torch.manual_seed(0)
    model = shaken(Consistency(DIGITS, 16))
    x, e = images(3), torch.randn(3, 1, 8, 8, generator=seeded(5))
    border = int(TAUGHT_ABOVE * TIMESTEPS)
    t, u = torch.tensor([border, border + 1, 1024]), torch.tensor([border - 100, border - 100, 900])
    x_t = model.diffusion.schedule.add_noise(x, e, t)
    with torch.no_grad():
        found = model.neighbour(x, e, x_t, t, u)
        assert torch.allclose(found[0], (A[u[0]] * x[0] + S[u[0]] * e[0]).float(), atol=1e-6)
        taught = model.diffusion.clean(model.teacher.module, x_t, t).clamp(-1, 1)
        for i in (1, 2):
            step = model.diffusion.schedule.ddim_step(x_t[i], taught[i], int(t[i]), int(u[i]))[0]
            assert torch.allclose(found[i], step.float(), atol=1e-5)
            assert not torch.allclose(found[i], (A[u[i]] * x[i] + S[u[i]] * e[i]).float(), atol=1e-2)
        same = model.neighbour(images(3, seed=9), torch.zeros_like(e), x_t, t, u)
    assert torch.equal(found[1:], same[1:])


def test_the_target_takes_no_gradient_and_the_teacher_none():
    model = Consistency(DIGITS, 8)
    model.consistency_loss(images(8), 6).backward()
    assert any(p.grad is not None for p in model.network.parameters())
    assert all(p.grad is None for part in (model.teacher, model.average) for p in part.parameters())


@given(st.floats(1e-4, 1.0), st.integers(1, 50), st.floats(0.01, 100.0))
def test_pseudo_huber_is_quadratic_near_zero_and_linear_far_away(softness, size, scale):
    difference = torch.full((2, size), scale, dtype=torch.float64)
    found = pseudo_huber(difference, softness)
    assert torch.allclose(found, torch.tensor(math.hypot(scale, softness) - softness, dtype=torch.float64))
    near = pseudo_huber(difference * 1e-4 * softness / scale, softness)
    assert torch.allclose(near, torch.tensor(1e-8 * softness / 2, dtype=torch.float64), rtol=1e-6, atol=1e-16)


def test_the_velocity_weight_makes_an_error_of_f_one_of_the_velocity():
    x_t, t = normal(4, 3), torch.tensor([1, 100, 600, 1024])
    one, other = normal(4, 3, seed=3), normal(4, 3, seed=4)
    in_f = FREE.schedule.clean_from_velocity(x_t, one, t) - FREE.schedule.clean_from_velocity(x_t, other, t)
    weighted = FREE.velocity_weight(t).double() * in_f.square().sum(1)
    assert torch.allclose(weighted, (one - other).square().sum(1), rtol=1e-5)


def test_denoising_loss_is_the_weighted_error_of_the_velocity():
    """Against the formula, at the times and the noise that the generator gives."""
    x = images(6)
    found = FREE.denoising_loss(lambda x_t, time: torch.zeros_like(x_t), x, seeded(3))
    draws = seeded(3)
    t = stratified_times(6, TIMESTEPS, draws)
    e = torch.randn(x.shape, generator=draws)
    v = FREE.schedule.velocity(x, e, t)
    snr = (A[t] / S[t]) ** 2
    expected = (snr.clamp(max=5) / (snr + 1) * v.square().flatten(1).mean(1)).mean()
    assert found == pytest.approx(expected.item(), rel=1e-5)


# Stages and learning


def test_the_student_starts_as_the_teacher_and_its_average_follows_the_recurrence():
    torch.manual_seed(0)
    model = Consistency(DIGITS, 8)
    for k in range(20):
        assert "teacher_loss" in model.update(Batch(images(16, seed=k)), k / 40)
    taught = [p.clone() for p in model.teacher.module.parameters()]
    model.learning_rate_factor = 0.0
    assert "student_loss" in model.update(Batch(images(16)), 0.5)
    for part in (model.network, model.average.module):
        assert all(torch.allclose(p, q, atol=1e-6) for p, q in zip(part.parameters(), taught, strict=True))
    model.learning_rate_factor = 1.0
    decay = min(0.95, (1 + model.average.steps) / (10 + model.average.steps))
    before = [p.clone() for p in model.average.module.parameters()]
    model.update(Batch(images(16)), 0.6)
    for old, new, source in zip(before, model.average.module.parameters(), model.network.parameters(), strict=True):
        assert torch.allclose(new, decay * old + (1 - decay) * source, atol=1e-6)
    assert all(torch.equal(p, q) for p, q in zip(model.teacher.module.parameters(), taught, strict=True))
    assert any(not torch.equal(p, q) for p, q in zip(model.network.parameters(), taught, strict=True))


def test_parameters_count_once_and_are_all_stepped():
    model = Consistency(DIGITS, 16)
    count = sum(p.numel() for p in model.network.parameters())
    assert model.trained_parameter_count() == count
    optimiser = MuonAdam(list(model.network.parameters()), model.network.inner_weights())
    stepped = [p for part in optimiser.pair for group in part.param_groups for p in group["params"]]
    assert len({id(p) for p in stepped}) == len(stepped)
    assert sum(p.numel() for p in stepped) == count


def test_it_learns_digits_for_one_step():
    """After 200 steps, sampled in 1 and 4 passes: a fourth of independent pixels' squared distance of mean features, and of the
    teacher's own predicted x in one pass."""
    data = embedded("digits")
    encoder = load_encoder(data)
    real = torch.from_numpy(to_unit(data.train.items, data.level_count))
    torch.manual_seed(0)
    model = Consistency(DIGITS, width=16)
    order, steps = seeded(1), 200
    for i in range(steps):
        if i == steps // 2:
            early = model.sample(200, seeded(2), sampler="consistency-1")
        model.update(Batch(real[torch.randperm(len(real), generator=order)[: model.batch_size]]), i / steps)
    shuffled = real.flatten(1).gather(0, torch.randint(len(real), (200, 64), generator=order)).reshape(-1, 1, 8, 8)
    with torch.no_grad():
        centre = encoder.features(real).mean(0)
        one, four = (model.sample(200, seeded(2), sampler=f"consistency-{k}") for k in (1, 4))
        far = [(encoder.features(x).mean(0) - centre).square().sum() for x in (one, four, shuffled, early)]
    assert max(far[:2]) < min(far[2:]) / 4, far
