"""Denoising diffusion (Ho et al. 2020, arXiv:2006.11239), sampled by DDPM or DDIM (Song et al. 2020, arXiv:2010.02502).

Data x in [-1, 1], (B, C, H, W). Forward: x_t = a_t x + s_t e, e ~ N(0, I), a_t^2 + s_t^2 = 1, t = 0 .. T = 1000, with the
cosine schedule (Nichol and Dhariwal 2021, arXiv:2102.09672). The network predicts v = a_t e - s_t x (Salimans and Ho 2022,
arXiv:2202.00512), from which the predicted x = a_t x_t - s_t v. Objective, t uniform and stratified over the batch:

    E w_t |v - v_theta(x_t, t)|^2,   w_t = min(SNR_t, 5) / (SNR_t + 1) = min(a_t^2, 5 s_t^2)   (Hang et al. 2023, arXiv:2303.09556)

Every sampler clips the predicted x to [-1, 1], where the data lies (as Ho's published code does), and visits evenly spaced
times from T down to 0, where the step returns the predicted x itself. Sampling uses averaged weights (EMA). Training is by
Muon (inner convolutions) and Adam (the rest). Sampling cost: one network pass a step.
Likelihood: an unbiased estimate of the variational bound, hence `Likelihood(..., exact=False)`; see `variational_bound`.

Hyper-parameters were chosen by FID against digits' validation split after 10 CPU-seconds of training, one seed each, where
differences below 1 are noise: v with w_t 6.7, weighted as e 7.4, plain v 8.5; plain v with the linear schedule 12.8.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.muon import Muon
from paragone.models.layers.noise import NoiseSchedule, cosine_alpha_bar, stratified_times
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up
from paragone.models.layers.unet import UNet

TIMESTEPS = 1000
LEARNING_RATE = 1e-2
"""Of both optimisers; far above the papers' 1e-4 to 1e-3: they train for 10^5 to 10^6 steps, this for 10^2 to 10^3."""
WARM_UP_SHARE = 0.03
BETAS = (0.9, 0.99)
EMA_DECAY = 0.99
SNR_CEILING = 5.0
SAMPLING_BATCH = 500  # images a network pass: bounds the memory
BOUND_EVALUATIONS = 16  # network passes an image in `log_prob`

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""x_t (B, C, H, W) and integer times t, (B,) or (1,), to the predicted x."""


@register("ddpm", family="diffusion", modalities=("image",))
class DDPM(Contender):
    """U-Net that predicts the velocity; `width` is the number of channels at half resolution."""

    batch_size = 64
    samplers = ("ddim-50", "ddim-10", "ddpm-1000")
    autocast = True  # FID of `ddim-50` 2.9 with, 3.0 without, sd 0.3 over 3 seeds of 600 updates on digits

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.spec = spec
        full = 16 * max(1, round(width / 48))  # blocks of 16 channels are what vector units take
        self.network = UNet(spec.shape[0], (full, width, width + width // 2), embedding=2 * width)
        self.average = WeightAverage(self.network, EMA_DECAY)
        self.schedule = NoiseSchedule(cosine_alpha_bar(TIMESTEPS))
        self.register_buffer("weight", torch.minimum(self.schedule.a**2, SNR_CEILING * self.schedule.s**2), persistent=False)
        self.weight: Tensor
        inner = self.network.inner_weights()
        others = [p for p in self.network.parameters() if all(p is not weight for weight in inner)]
        adam = torch.optim.Adam(others, lr=LEARNING_RATE, betas=BETAS, fused=True)
        self.optimisers: tuple[torch.optim.Optimizer, ...] = (Muon(inner, lr=LEARNING_RATE), adam)

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        x, schedule = batch.x, self.schedule
        t = stratified_times(len(x), TIMESTEPS, self.generator)  # (B,)
        e = torch.randn(x.shape, generator=self.generator, device=x.device)
        v = self.network(schedule.add_noise(x, e, t), t / TIMESTEPS)
        error = (v - schedule.velocity(x, e, t)).square().flatten(1).mean(1)  # (B,)
        loss = (self.weight[t].to(error.dtype) * error).mean()
        rate = LEARNING_RATE * warm_up(progress, WARM_UP_SHARE) * cosine(progress) * self.learning_rate_factor
        self.network.zero_grad()
        loss.backward()
        for optimiser in self.optimisers:
            set_learning_rate(optimiser, rate)
            optimiser.step()
        self.average.follow(self.network)
        return {"loss": loss.detach()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        kind, steps = self.choose_sampler(sampler).split("-")
        draw = ddim if kind == "ddim" else ancestral
        images = []
        for start in range(0, n, SAMPLING_BATCH):
            shape = (min(SAMPLING_BATCH, n - start), *self.spec.shape)
            noise = torch.randn(shape, generator=generator, device=generator.device)
            images.append(draw(self.schedule, self._denoise, noise, int(steps), generator))
        return torch.cat(images)

    def log_prob(self, x: Tensor) -> Likelihood:
        if self.spec.levels is None:
            raise NotImplementedError("ddpm bounds the likelihood of discrete data only; this data has no levels")
        generator = torch.Generator(x.device).manual_seed(0)  # its own: the estimate is the same each time
        bound = variational_bound(self.schedule, self._denoise, x, self.spec.levels, BOUND_EVALUATIONS, generator)
        return Likelihood(bound, exact=False)

    def corrupt(self, x: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        t = torch.full((1,), round(progress * TIMESTEPS), device=x.device)
        return self.schedule.add_noise(x, _normal(x, generator), t)

    def _denoise(self, x_t: Tensor, t: Tensor) -> Tensor:
        v = self.average.module(x_t, t / TIMESTEPS)
        return self.schedule.clean_from_velocity(x_t, v, t).clamp(-1, 1)


def ddim(
    schedule: NoiseSchedule, denoise: Denoiser, x_t: Tensor, steps: int, generator: torch.Generator, eta: float = 0.0
) -> Tensor:
    """From noise x_T to data in `steps` evenly spaced steps (Song eq. 12); deterministic for eta = 0."""
    for t, u in _times(schedule.steps, steps):
        x = denoise(x_t, torch.full((1,), t, device=x_t.device))
        x_t, variance = schedule.ddim_step(x_t, x, t, u, eta)
        if eta > 0:
            x_t = x_t + variance.sqrt() * _normal(x_t, generator)
    return x_t


def ancestral(schedule: NoiseSchedule, denoise: Denoiser, x_t: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    """From noise x_T to data by draws of the posterior at the predicted x (Ho algorithm 2, with the variance of eq. 7)."""
    for t, u in _times(schedule.steps, steps):
        x = denoise(x_t, torch.full((1,), t, device=x_t.device))
        mean, variance = schedule.posterior(x_t, x, t, u)
        x_t = mean + variance.sqrt() * _normal(x_t, generator)  # variance 0 at u = 0
    return x_t


def _times(last: int, steps: int) -> list[tuple[int, int]]:
    """Neighbouring pairs (t, u), t > u, of steps + 1 evenly spaced times from `last` down to 0."""
    times = [round(last * i / steps) for i in range(steps, -1, -1)]
    return list(pairwise(times))


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


def variational_bound(
    schedule: NoiseSchedule, denoise: Denoiser, x: Tensor, levels: int, evaluations: int, generator: torch.Generator
) -> Tensor:
    """Unbiased estimate, in nats an item (n,), of a lower bound of log P of the levels in x (n, C, H, W).

    The model is the ancestral chain from T down to `first`, then a decoder that puts the mass of a Gaussian about the predicted x
    on each level's bin (Ho eq. 13); `first` is the time whose noise is half a bin's half-width, since steps below it
    only refine what rounding gives. Bound = - KL(q(x_T | x) || N(0, I)) - sum over t > first of
    (SNR_(t-1) - SNR_t) / 2 |x - predicted x|^2 + E log decoder (Kingma et al. 2021, arXiv:2107.00630).
    The sum is estimated at `evaluations` - 1 times an item, drawn near-evenly in log SNR, stratified, and reweighted.
    """
    bin_width = 2 / (levels - 1)
    spread = schedule.s / schedule.a  # (T + 1,) noise relative to the signal
    first = max(1, int(torch.searchsorted(spread, bin_width / 4)))
    bound = -_prior_divergence(schedule, x) + _decoder(schedule, denoise, x, first, bin_width, generator)
    snr = schedule.signal_to_noise(torch.arange(first, schedule.steps + 1, device=x.device))
    gaps = snr[:-1] - snr[1:]  # of t = first + 1 .. T
    proposal = gaps / (1 + snr[1:])
    proposal = proposal / proposal.sum()
    draws = evaluations - 1
    u = torch.rand(len(x), generator=generator, device=x.device, dtype=proposal.dtype)
    for i in range(draws):
        index = torch.searchsorted(proposal.cumsum(0), (i + u) / draws).clamp(max=len(gaps) - 1)  # (n,)
        t = index + first + 1
        x_t = schedule.add_noise(x, _normal(x, generator), t)
        error = (x - denoise(x_t, t)).square().flatten(1).sum(1)
        bound = bound - gaps[index] / 2 * error / (draws * proposal[index])
    return bound.to(x.dtype)


def _prior_divergence(schedule: NoiseSchedule, x: Tensor) -> Tensor:
    """KL(q(x_T | x) || N(0, I)) in nats, (n,), in float64."""
    a, s = schedule.a[-1], schedule.s[-1]
    return ((a * x.double()) ** 2 + s**2 - 1 - 2 * s.log()).flatten(1).sum(1) / 2


def _decoder(
    schedule: NoiseSchedule, denoise: Denoiser, x: Tensor, first: int, bin_width: float, generator: torch.Generator
) -> Tensor:
    """One draw of log P(x | x_first) in nats, (n,), in float64: Gaussian mass on each level's bin, the end bins open."""
    t = torch.full((1,), first, device=x.device)
    mean = denoise(schedule.add_noise(x, _normal(x, generator), t), t).double()
    scale = (schedule.s / schedule.a)[first]
    upper = torch.where(x > 1 - bin_width / 2, math.inf, (x + bin_width / 2 - mean) / scale)
    lower = torch.where(x < bin_width / 2 - 1, -math.inf, (x - bin_width / 2 - mean) / scale)
    return _log_normal_mass(lower, upper).flatten(1).sum(1)


def _log_normal_mass(lower: Tensor, upper: Tensor) -> Tensor:
    """log(Phi(upper) - Phi(lower)), finite far into the tails: computed on the side where both are negative."""
    flip = lower > 0
    lower, upper = torch.where(flip, -upper, lower), torch.where(flip, -lower, upper)
    high, low = torch.special.log_ndtr(upper), torch.special.log_ndtr(lower)
    mass: Tensor = high + torch.log1p(-torch.exp(low - high))
    return mass
