"""Samplers of a diffusion model: from noise x_T to data along evenly spaced times T = t_0 > t_1 > ... > t_N = 0.

They know the model by its denoiser alone, x(x_t, t) = E(x | x_t), and run on any `NoiseSchedule`. One call of the denoiser a step.
In the last step, to time 0, each returns the predicted x itself. All but `ancestral`, and DDIM with eta > 0, solve the ordinary
differential equation of Song et al. 2020 (arXiv:2011.13456, eq. 13), which carries noise to data with nothing random on its way.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from paragone.models.layers.noise import NoiseSchedule

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""x_t (B, ...) and integer times t, (B,) or (1,), to the predicted x, (B, ...)."""


def ddim(
    schedule: NoiseSchedule, denoise: Denoiser, x_t: Tensor, steps: int, generator: torch.Generator, eta: float = 0.0
) -> Tensor:
    """Steps that keep the predicted noise (Song et al. 2020, arXiv:2010.02502, eq. 12): of first order, random only if eta > 0."""
    for t, u in times(schedule.steps, steps):
        x = denoise(x_t, _at(t, x_t))
        x_t, variance = schedule.ddim_step(x_t, x, t, u, eta)
        if eta > 0:
            x_t = x_t + variance.sqrt() * normal(x_t, generator)
    return x_t


def ancestral(schedule: NoiseSchedule, denoise: Denoiser, x_t: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    """Draws of the posterior at the predicted x (Ho et al. 2020, arXiv:2006.11239, algorithm 2, with the variance of eq. 7)."""
    for t, u in times(schedule.steps, steps):
        x = denoise(x_t, _at(t, x_t))
        mean, variance = schedule.posterior(x_t, x, t, u)
        x_t = mean + variance.sqrt() * normal(x_t, generator)  # variance 0 at u = 0
    return x_t


def dpm_solver(schedule: NoiseSchedule, denoise: Denoiser, x_t: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    """DPM-Solver++(2M), of second order and not random (Lu et al. 2022, arXiv:2211.01095, algorithm 2).

    With l = log(a_t / s_t), a step from t to u is DDIM's, but for the predicted x in the middle of the step, extrapolated in l
    from the one of the step before:  x + (x - x') (l_u - l_t) / (2 (l_t - l_t')). At u = 0, where l is infinite, it is x.
    """
    ratio = schedule.log_ratio()  # l
    x_before, t_before = x_t, schedule.steps  # of no account in the first step
    for t, u in times(schedule.steps, steps):
        x = middle = denoise(x_t, _at(t, x_t))
        if t < schedule.steps and u > 0:
            middle = x + (x - x_before) * ((ratio[u] - ratio[t]) / (2 * (ratio[t] - ratio[t_before])))
        x_t, _ = schedule.ddim_step(x_t, middle, t, u)
        x_before, t_before = x, t
    return x_t


def times(last: int, steps: int) -> Iterator[tuple[int, int]]:
    """Neighbouring pairs (t, u), t > u, of steps + 1 evenly spaced times from `last` down to 0."""
    return pairwise(round(last * i / steps) for i in range(steps, -1, -1))


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard Gaussian noise of the shape and type of `like`."""
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


def _at(t: int, like: Tensor) -> Tensor:
    return torch.full((1,), t, device=like.device)
