"""The variational bound of a diffusion model on discrete levels (Ho et al. 2020, arXiv:2006.11239, section 3.3)."""

import math

import torch
from torch import Tensor

from paragone.models.layers.denoising import Denoiser, normal
from paragone.models.layers.noise import NoiseSchedule


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
        x_t = schedule.add_noise(x, normal(x, generator), t)
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
    mean = denoise(schedule.add_noise(x, normal(x, generator), t), t).double()
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
