"""Variance-preserving diffusion in discrete time: schedules, the forward process and its posterior in closed form.

    x_t = a_t x + s_t e,   e ~ N(0, I),   a_t^2 + s_t^2 = 1,   t = 0 .. T         (Ho et al. 2020, arXiv:2006.11239, eq. 4)

x is clean data and t = 0 is clean: a_0 = 1, s_0 = 0. So the last step of every sampler, to t = 0, returns the predicted x
itself. alpha_bar_t = a_t^2 is Ho's cumulative product of 1 - beta. Times u < t below need not be neighbours.
"""

import math

import torch
from torch import Tensor, nn


def linear_alpha_bar(steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """alpha_bar (T + 1,) in float64 of linear betas (Ho section 4); `first` and `last` are stated for T = 1000."""
    betas = torch.linspace(first, last, steps, dtype=torch.float64) * (1000 / steps)
    return _cumulative(betas.clamp(max=0.999))


def cosine_alpha_bar(steps: int = 1000, offset: float = 0.008, largest_beta: float = 0.999) -> Tensor:
    """alpha_bar (T + 1,) in float64: f(t) / f(0), f = cos^2 of (t / T + offset) / (1 + offset) quarter turns.

    (Nichol and Dhariwal 2021, arXiv:2102.09672, eq. 17; betas are cut at `largest_beta`, so that alpha_bar_T is not 0.)
    """
    time = torch.arange(steps + 1, dtype=torch.float64) / steps
    f = torch.cos((time + offset) / (1 + offset) * math.pi / 2) ** 2
    return _cumulative((1 - f[1:] / f[:-1]).clamp(max=largest_beta))


def _cumulative(betas: Tensor) -> Tensor:
    return torch.cat([torch.ones(1, dtype=betas.dtype), torch.cumprod(1 - betas, dim=0)])


def stratified_times(count: int, steps: int, generator: torch.Generator) -> Tensor:
    """Integer times in 1 .. T, (count,): uniform one by one, and spread evenly over the batch (lower variance of the loss).

    (Kingma et al. 2021, arXiv:2107.00630, low-discrepancy sampler: one uniform draw, shifted by i / count, modulo 1.)
    """
    u = torch.rand(1, generator=generator, device=generator.device)
    shifted = (u + torch.arange(count, device=generator.device) / count) % 1.0
    return (shifted * steps).long().clamp(max=steps - 1) + 1


class NoiseSchedule(nn.Module):
    """The tables a_t and s_t, (T + 1,) float64, and all that follows from them in closed form."""

    def __init__(self, alpha_bar: Tensor) -> None:
        super().__init__()
        self.steps = len(alpha_bar) - 1
        self.register_buffer("a", alpha_bar.sqrt(), persistent=False)
        self.register_buffer("s", (1 - alpha_bar).sqrt(), persistent=False)
        self.a: Tensor
        self.s: Tensor

    def at(self, t: Tensor | int, like: Tensor) -> tuple[Tensor, Tensor]:
        """a_t and s_t, ready to multiply `like` (B, ...): scalars for one time, else (B, 1, ...) for times (B,)."""
        if isinstance(t, int):
            return self.a[t], self.s[t]
        shape = (-1, *[1] * (like.dim() - 1))
        return self.a[t].to(like.dtype).reshape(shape), self.s[t].to(like.dtype).reshape(shape)

    def signal_to_noise(self, t: Tensor | int) -> Tensor:
        """SNR_t = a_t^2 / s_t^2; infinite at t = 0."""
        return (self.a[t] / self.s[t]) ** 2

    def log_ratio(self) -> Tensor:
        """log(a_t / s_t) of all times, (T + 1,): half the log of SNR_t, which falls with t; infinite at t = 0."""
        return self.a.log() - self.s.log()

    def add_noise(self, x: Tensor, e: Tensor, t: Tensor) -> Tensor:
        """A draw of q(x_t | x), given its noise e (Ho eq. 4)."""
        a, s = self.at(t, x)
        return a * x + s * e

    def velocity(self, x: Tensor, e: Tensor, t: Tensor) -> Tensor:
        """v = a_t e - s_t x (Salimans and Ho 2022, arXiv:2202.00512, appendix D)."""
        a, s = self.at(t, x)
        return a * e - s * x

    def clean_from_velocity(self, x_t: Tensor, v: Tensor, t: Tensor | int) -> Tensor:
        """x = a_t x_t - s_t v."""
        a, s = self.at(t, x_t)
        return a * x_t - s * v

    def noise_from_clean(self, x_t: Tensor, x: Tensor, t: Tensor | int) -> Tensor:
        """e = (x_t - a_t x) / s_t."""
        a, s = self.at(t, x_t)
        return (x_t - a * x) / s

    def posterior(self, x_t: Tensor, x: Tensor, t: int, u: int) -> tuple[Tensor, Tensor]:
        """Mean, and variance, of q(x_u | x_t, x) for u < t (Ho eq. 6 and 7, where u = t - 1)."""
        a_t, s_t, a_u, s_u = self.a[t], self.s[t], self.a[u], self.s[u]  # float64: 1 - ratio^2 cancels near t = 0
        ratio = a_t / a_u  # of a step: sqrt(1 - beta) for neighbours
        beta = 1 - ratio**2
        mean = (a_u * beta / s_t**2) * x + (ratio * s_u**2 / s_t**2) * x_t
        return mean, s_u**2 * beta / s_t**2

    def ddim_step(self, x_t: Tensor, x: Tensor, t: int, u: int, eta: float = 0.0) -> tuple[Tensor, Tensor]:
        """Mean, and variance, of DDIM's step from t to u, given the predicted x (Song et al. 2020, arXiv:2010.02502, eq. 12, 16).

        Deterministic for eta = 0; the posterior above for eta = 1.
        """
        a_u, s_u = self.a[u], self.s[u]
        variance = eta**2 * self.posterior(x_t, x, t, u)[1]
        mean = a_u * x + (s_u**2 - variance).clamp(min=0).sqrt() * self.noise_from_clean(x_t, x, t)
        return mean, variance
