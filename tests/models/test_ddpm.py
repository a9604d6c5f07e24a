"""DDPM's own truths: schedules and posteriors in closed form, samplers and bound whose answers are known, and that it learns."""

import math
from itertools import pairwise

import pytest
import torch

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_unit
from paragone.bench.metrics.encoder import load_encoder
from paragone.models import Batch, DataSpec
from paragone.models.diffusion.ddpm import DDPM
from paragone.models.layers.denoising import ancestral, ddim, dpm_solver, times
from paragone.models.layers.embeddings import sinusoidal
from paragone.models.layers.noise import NoiseSchedule, cosine_alpha_bar, linear_alpha_bar, stratified_times
from paragone.models.layers.unet import UNet
from paragone.models.layers.variational import _log_normal_mass, variational_bound

SCHEDULES = {"cosine": NoiseSchedule(cosine_alpha_bar()), "linear": NoiseSchedule(linear_alpha_bar())}
COSINE = SCHEDULES["cosine"]
both_schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


# Schedules


@both_schedules
def test_schedule_preserves_variance_and_runs_from_clean_to_noise(schedule):
    assert schedule.a.shape == (1001,)
    assert torch.allclose(schedule.a**2 + schedule.s**2, torch.ones(1001, dtype=torch.float64), atol=1e-14)
    assert schedule.a[0] == 1
    assert schedule.s[0] == 0
    assert (schedule.a.diff() < 0).all()
    assert schedule.a[-1] < 0.01


def test_linear_schedule_is_the_product_of_its_betas():
    product = 1.0
    for t in (1, 2, 3):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * (t - 1) / 999)
        assert linear_alpha_bar()[t].item() == pytest.approx(product, rel=1e-12)
    assert linear_alpha_bar()[-1].item() == pytest.approx(4.036e-5, rel=1e-3)  # from the sum of log(1 - beta), by hand


def test_cosine_schedule_follows_its_formula():
    def f(time):
        return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    found = cosine_alpha_bar()
    for t in (1, 250, 500, 900):
        assert found[t].item() == pytest.approx(f(t / 1000) / f(0), rel=1e-9)
    assert found[1000].item() == pytest.approx(found[999].item() * 0.001, rel=1e-9)  # the cut of the last beta


@both_schedules
def test_forward_process_ends_in_a_standard_gaussian(schedule):
    n = 40_000
    x = torch.full((n, 1), 0.9, dtype=torch.float64)
    end = schedule.add_noise(x, normal(n, 1), torch.full((n,), 1000))
    assert abs(end.mean()) < 4 / n**0.5 + schedule.a[-1] * 0.9
    assert abs(end.var() - 1) < 4 * (2 / n) ** 0.5


def test_times_are_uniform_and_stratified():
    t = stratified_times(100, 1000, seeded())
    strata = ((t - 1) * 100 // 1000).sort().values
    assert (strata - torch.arange(100)).abs().max() <= 1  # at most a rounding at the border of a stratum
    many = torch.cat([stratified_times(64, 1000, seeded(s)) for s in range(300)])
    assert many.min() >= 1
    assert many.max() <= 1000
    assert many.double().mean() == pytest.approx(500.5, abs=4 * 1000 / 64 / 300**0.5)


# Closed forms


def test_velocity_is_a_rotation_of_data_and_noise():
    x, e, t = normal(5, 3), normal(5, 3, seed=2), torch.tensor([1, 10, 500, 999, 1000])
    x_t, v = COSINE.add_noise(x, e, t), COSINE.velocity(x, e, t)
    assert torch.allclose(x_t**2 + v**2, x**2 + e**2)
    assert torch.allclose(COSINE.clean_from_velocity(x_t, v, t), x)
    assert torch.allclose(COSINE.noise_from_clean(x_t, x, t), e, atol=1e-9)


@both_schedules
def test_posterior_is_bayes_rule(schedule):
    """q(x_u | x_t, x) from the product of the Gaussians q(x_u | x) and q(x_t | x_u), by precisions."""
    x, x_t = normal(4), normal(4, seed=2)
    for t, u in ((2, 1), (500, 499), (1000, 980), (600, 100)):
        prior = schedule.s[u] ** 2
        ratio = schedule.a[t] / schedule.a[u]
        step = schedule.s[t] ** 2 - ratio**2 * prior
        variance = 1 / (1 / prior + ratio**2 / step)
        mean = variance * (schedule.a[u] * x / prior + ratio * x_t / step)
        found_mean, found_variance = schedule.posterior(x_t, x, t, u)
        assert torch.allclose(found_mean, mean, rtol=1e-9)
        assert torch.allclose(found_variance, variance, rtol=1e-9)


def test_posterior_of_neighbours_is_that_of_ho():
    beta, t = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 700
    bar = torch.cumprod(1 - beta, 0)
    x, x_t, i = normal(4), normal(4, seed=2), t - 1
    mean, variance = SCHEDULES["linear"].posterior(x_t, x, t, t - 1)
    first = bar[i - 1].sqrt() * beta[i] / (1 - bar[i]) * x
    second = (1 - beta[i]).sqrt() * (1 - bar[i - 1]) / (1 - bar[i]) * x_t
    assert torch.allclose(mean, first + second)
    assert torch.allclose(variance, (1 - bar[i - 1]) / (1 - bar[i]) * beta[i])


@both_schedules
def test_ddim_with_eta_1_is_the_posterior_and_with_eta_0_keeps_the_noise(schedule):
    x, x_t = normal(4), normal(4, seed=2)
    for t, u in ((500, 499), (1000, 980), (20, 0)):
        mean, variance = schedule.ddim_step(x_t, x, t, u, eta=1.0)
        expected_mean, expected_variance = schedule.posterior(x_t, x, t, u)
        assert torch.allclose(mean, expected_mean, atol=1e-12)
        assert torch.allclose(variance, expected_variance)
        kept, none = schedule.ddim_step(x_t, x, t, u)
        assert torch.allclose(kept, schedule.a[u] * x + schedule.s[u] * schedule.noise_from_clean(x_t, x, t))
        assert none == 0
        half, quarter = schedule.ddim_step(x_t, x, t, u, eta=0.5)
        assert torch.allclose(quarter, expected_variance / 4)
        direction = (half - schedule.a[u] * x) / schedule.noise_from_clean(x_t, x, t)
        assert torch.allclose(direction**2 + quarter, schedule.s[u].expand(4) ** 2)  # q(x_u | x) keeps its variance


def test_last_step_returns_the_predicted_data():
    x, x_t = normal(4), normal(4, seed=2)
    for mean, variance in (COSINE.ddim_step(x_t, x, 20, 0), COSINE.posterior(x_t, x, 1, 0)):
        assert torch.allclose(mean, x, rtol=1e-11)
        assert variance == 0


# Samplers with a known answer: data N(MEAN, SCALE^2), whose best denoiser is a line

MEAN, SCALE = 0.3, 0.5


def gaussian_denoiser(schedule):
    def denoise(x_t, t):
        a, s = schedule.at(t, x_t)
        return MEAN + a * SCALE**2 * (x_t - a * MEAN) / (a**2 * SCALE**2 + s**2)

    return denoise


@both_schedules
@pytest.mark.parametrize(
    ("draw", "steps", "bias"),
    [(ddim, 1000, 0.004), (ancestral, 1000, 0.004), (ddim, 200, 0.02)],
    ids=["ddim-1000", "ancestral-1000", "ddim-200"],
)
def test_samplers_reproduce_gaussian_data(schedule, draw, steps, bias):
    """Mean and variance within 4 standard errors of n draws, plus a stated bias of the finite steps."""
    n = 20_000
    x = draw(schedule, gaussian_denoiser(schedule), normal(n, 1), steps, seeded(3))
    assert abs(x.mean() - MEAN) < (4 / n**0.5 + bias) * SCALE
    assert abs(x.var() / SCALE**2 - 1) < 4 * (2 / n) ** 0.5 + 2 * bias


def test_ddim_at_eta_1_and_ancestral_draw_the_same():
    noise, denoise = normal(50, 1), gaussian_denoiser(COSINE)
    one = ddim(COSINE, denoise, noise, 50, seeded(4), eta=1.0)
    other = ancestral(COSINE, denoise, noise, 50, seeded(4))
    assert torch.allclose(one, other, atol=1e-9)


# The differential equation that DDIM and the solver follow, whose solution for Gaussian data is a line


def root_mean_square(x):
    return x.square().mean().sqrt().item()


def solver_error(schedule, draw, steps):
    """Root mean square distance from where the equation takes the noise, which keeps its place in standard deviations."""

    def deviation(t):
        return (schedule.a[t] ** 2 * SCALE**2 + schedule.s[t] ** 2).sqrt()

    noise = normal(500, 1)
    exact = schedule.a[0] * MEAN + deviation(0) * (noise - schedule.a[-1] * MEAN) / deviation(-1)
    return root_mean_square(draw(schedule, gaussian_denoiser(schedule), noise, steps, None) - exact)


LOG_RATIOS = torch.linspace(1, -1, 801, dtype=torch.float64)
INNER = NoiseSchedule(torch.sigmoid(2 * LOG_RATIOS))
"""No clean and no noisy end: there log(a / s) is infinite, and an order shows in very many steps only."""


def test_log_ratio_is_half_the_log_of_signal_to_noise():
    assert torch.allclose(INNER.log_ratio(), LOG_RATIOS, atol=1e-12)
    assert torch.allclose(COSINE.log_ratio()[1:], COSINE.signal_to_noise(torch.arange(1, 1001)).log() / 2)
    assert COSINE.log_ratio()[0] == math.inf


@pytest.mark.parametrize(("draw", "low", "high"), [(ddim, 1.95, 2.05), (dpm_solver, 3.9, 4.5)], ids=["first", "second"])
def test_twice_the_steps_give_half_the_error_or_a_quarter_of_it(draw, low, high):
    errors = [solver_error(INNER, draw, steps) for steps in (20, 40, 80)]
    for more, fewer in pairwise(errors):
        assert low < more / fewer < high


@both_schedules
def test_ddim_follows_the_equation_and_the_solver_follows_it_closer(schedule):
    assert solver_error(schedule, ddim, 1000) < 0.004 * SCALE
    for steps in (20, 40):
        assert solver_error(schedule, dpm_solver, steps) < solver_error(schedule, ddim, steps) / 3


def test_solver_takes_the_prediction_at_the_middle_of_a_step_where_it_is_linear():
    """Steps of unequal length in l = log(a / s), and a predicted x that is l itself: extrapolation to the middle is exact."""
    schedule = NoiseSchedule(torch.cos(torch.linspace(0.3, 1.4, 101, dtype=torch.float64)) ** 2)
    ratio, noise, steps = schedule.log_ratio(), normal(4), 6
    expected = noise
    for t, u in times(schedule.steps, steps):
        edge = t == schedule.steps or u == 0  # nothing to extrapolate from; the predicted x itself
        expected, _ = schedule.ddim_step(expected, ratio[t] if edge else (ratio[t] + ratio[u]) / 2, t, u)
    found = dpm_solver(schedule, lambda x_t, t: ratio[t].expand(4), noise, steps, seeded())
    assert torch.allclose(found, expected, rtol=1e-10)


# The bound


def test_log_normal_mass_is_finite_and_right_in_the_tails():
    lower = torch.tensor([-1.0, 3.0, -40.0, 39.0, -math.inf, 2.0], dtype=torch.float64)
    upper = torch.tensor([1.0, 4.0, -39.0, 40.0, -2.0, math.inf], dtype=torch.float64)
    found = _log_normal_mass(lower, upper)
    assert found.isfinite().all()
    assert found[0].exp() == pytest.approx(math.erf(0.5**0.5))
    assert found[1].exp() == pytest.approx((math.erfc(3 / 2**0.5) - math.erfc(4 / 2**0.5)) / 2)
    assert found[2] == pytest.approx(found[3].item())
    assert found[4] == pytest.approx(found[5].item())


LEVELS = 5
CHANCES = torch.tensor([0.5, 0.1, 0.1, 0.05, 0.25], dtype=torch.float64)
VALUES = torch.linspace(-1, 1, LEVELS, dtype=torch.float64)


def level_denoiser(x_t, t):
    """E(x | x_t) of independent pixels that take VALUES with CHANCES."""
    a, s = COSINE.at(t, x_t[..., None])
    posterior = torch.softmax(CHANCES.log() - ((x_t[..., None] - a * VALUES) / s) ** 2 / 2, dim=-1)
    return posterior @ VALUES


def test_bound_of_the_best_denoiser_is_below_the_likelihood_and_close():
    """No model's expected log-likelihood exceeds that of the data's own law; the best denoiser comes near it."""
    k = torch.multinomial(CHANCES, 1500 * 16, replacement=True, generator=seeded(5)).reshape(1500, 1, 4, 4)
    truth = CHANCES.log()[k].flatten(1).sum(1)
    bound = variational_bound(COSINE, level_denoiser, VALUES[k], LEVELS, 32, seeded(6))
    gap_per_pixel = (truth - bound) / 16
    error = gap_per_pixel.std() / len(gap_per_pixel) ** 0.5
    assert gap_per_pixel.mean() > -3 * error
    assert gap_per_pixel.mean() < 0.05


def test_bound_does_not_depend_on_the_number_of_evaluations_but_for_noise():
    x = VALUES[torch.multinomial(CHANCES, 1000 * 4, replacement=True, generator=seeded(5)).reshape(1000, 1, 2, 2)]
    few, many = (variational_bound(COSINE, level_denoiser, x, LEVELS, count, seeded(7)) for count in (4, 64))
    difference = few - many
    assert abs(difference.mean()) < 4 * difference.std() / len(x) ** 0.5


# The network, and learning


def test_sinusoids_have_the_stated_frequencies():
    found = sinusoidal(torch.tensor([3.0]), 8)[0]
    for i, frequency in enumerate((1.0, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3), 1e-4)):
        assert found[i] == pytest.approx(math.sin(3 * frequency), abs=1e-6)
        assert found[i + 4] == pytest.approx(math.cos(3 * frequency), abs=1e-6)


def test_network_starts_at_zero_and_uses_time_and_condition():
    torch.manual_seed(0)
    network, x = UNet(3, (16, 20, 24), embedding=8), torch.rand(2, 3, 12, 20)
    assert torch.equal(network(x, torch.tensor([0.1])), torch.zeros_like(x))
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn(p.shape))
    plain = network(x, torch.tensor([0.1]))
    assert not torch.allclose(plain, network(x, torch.tensor([0.9])))
    assert not torch.allclose(plain, network(x, torch.tensor([0.1]), torch.ones(2, 8)))
    assert torch.allclose(plain, network(x, torch.tensor([0.1, 0.1])), atol=1e-5)


def test_it_learns_digits():
    """After 80 steps: a fourth of independent pixels' squared distance of mean features, and fewer nats than uniform levels."""
    data = embedded("digits")
    encoder = load_encoder(data)
    real = torch.from_numpy(to_unit(data.train.items, data.level_count))
    torch.manual_seed(0)
    model = DDPM(DataSpec("image", (1, 8, 8), levels=17), width=20)
    order, steps = seeded(1), 80
    for i in range(steps):
        model.update(Batch(real[torch.randperm(len(real), generator=order)[: model.batch_size]]), i / steps)
    shuffled = real.flatten(1).gather(0, torch.randint(len(real), (200, 64), generator=order)).reshape(-1, 1, 8, 8)
    with torch.no_grad():
        centre = encoder.features(real).mean(0)
        made, hopeless = (encoder.features(x).mean(0) for x in (model.sample(200, seeded(2), sampler="ddim-10"), shuffled))
        held_out = torch.from_numpy(to_unit(data.validation.items, data.level_count))[:64]
        nats = -model.log_prob(held_out).log_prob.mean() / 64
    assert (made - centre).square().sum() < (hopeless - centre).square().sum() / 4
    assert nats < 0.9 * math.log(17)
