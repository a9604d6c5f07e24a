"""What distilled diffusion models share: the teacher's training, DDIM between any times, consistency's sampler and distance.

x_t = a_t x + s_t e, and v = a_t e - s_t x as in `noise`. A network F gives the velocity, from which the predicted x is

    f(x_t, t) = a_t x_t - s_t F(x_t, t)                 (Salimans and Ho 2022, arXiv:2202.00512, appendix D)

With a_0 = 1 and s_0 = 0 this is x itself at t = 0, whatever F is: the boundary condition of consistency models, with
c_skip = a_t and c_out = -s_t (Song et al. 2023, arXiv:2303.01469, eq. 5). So teacher and student are the same function of
the same kind of network, and a student starts as its teacher without anything changed.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from paragone.models.layers.muon import Muon
from paragone.models.layers.noise import NoiseSchedule, cosine_alpha_bar, stratified_times
from paragone.models.layers.optim import set_learning_rate

TIMESTEPS = 1024
"""T; a power of two, so that halved numbers of steps share their times."""
SNR_CEILING = 5.0
BETAS = (0.9, 0.99)

Network = Callable[..., Tensor]
"""x_t (B, C, H, W), times t / T in [0, 1] and what it is conditioned on, to the velocity (B, C, H, W)."""


class Diffusion(nn.Module):
    """The process with the cosine schedule, and what a velocity network says of it; times are integers (B,) or (1,).

    Args:
        bound: the predicted x is clipped to [-bound, bound], as where data is known to lie there; None: never.
    """

    def __init__(self, bound: float | None = None) -> None:
        super().__init__()
        self.bound = bound
        self.schedule = NoiseSchedule(cosine_alpha_bar(TIMESTEPS))
        self.register_buffer("weight", torch.minimum(self.schedule.a**2, SNR_CEILING * self.schedule.s**2), persistent=False)
        self.weight: Tensor

    def clean(self, network: Network, x_t: Tensor, t: Tensor, *condition: Tensor | None) -> Tensor:
        """f(x_t, t), not clipped: what a loss compares."""
        return self.schedule.clean_from_velocity(x_t, network(x_t, t / TIMESTEPS, *condition), t)

    def clip(self, x: Tensor) -> Tensor:
        """x where data may lie."""
        return x if self.bound is None else x.clamp(-self.bound, self.bound)

    def jump(self, x_t: Tensor, x: Tensor, t: Tensor, u: Tensor) -> Tensor:
        """x_u, u <= t, on the deterministic trajectory of which x is predicted: DDIM's step (Song et al. 2020, eq. 12)."""
        a, s = self.schedule.at(u, x)
        return a * x + s * self.schedule.noise_from_clean(x_t, x, t)

    def denoising_loss(self, network: Network, x: Tensor, generator: torch.Generator, *condition: Tensor | None) -> Tensor:
        """E w_t |v - F(x_t, t)|^2, w_t = min(a_t^2, 5 s_t^2): the teacher's objective, that of `ddpm`."""
        t = stratified_times(len(x), TIMESTEPS, generator)  # (B,)
        e = torch.randn(x.shape, generator=generator, device=x.device)
        v = network(self.schedule.add_noise(x, e, t), t / TIMESTEPS, *condition)
        error = (v - self.schedule.velocity(x, e, t)).square().flatten(1).mean(1)  # (B,)
        return (self.weight[t].to(error.dtype) * error).mean()

    def velocity_weight(self, t: Tensor) -> Tensor:
        """1 / s_t^2 = SNR_t + 1, float32: an error of f weighted so is one of the velocity (Salimans and Ho section 4)."""
        return (1 / self.schedule.s[t] ** 2).float()

    def ddim(self, network: Network, x_t: Tensor, steps: int) -> Tensor:
        """From noise x_T to data in `steps` evenly spaced deterministic steps, the predicted x clipped."""
        for t, u in pairwise(even_times(steps, x_t.device)):
            x_t = self.jump(x_t, self.clip(self.clean(network, x_t, t)), t, u)
        return x_t

    def multistep(self, network: Network, x_t: Tensor, steps: int, generator: torch.Generator, *condition: Tensor) -> Tensor:
        """From noise x_T to data: predict x, noise it anew to the next of evenly spaced times, and again (Song algorithm 1)."""
        times = even_times(steps, x_t.device)[:-1]
        x = self.clip(self.clean(network, x_t, times[0], *condition))
        for t in times[1:]:
            x_t = self.schedule.add_noise(x, normal_like(x, generator), t)
            x = self.clip(self.clean(network, x_t, t, *condition))
        return x

    def corrupt(self, x: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """x noised to the share `progress` of the way to T."""
        t = torch.full((1,), round(progress * TIMESTEPS), device=x.device)
        return self.schedule.add_noise(x, normal_like(x, generator), t)


class MuonAdam:
    """Muon for a network's inner convolutions, Adam for the rest, stepped together at one rate, as `ddpm` is trained."""

    def __init__(self, parameters: list[nn.Parameter], inner: list[nn.Parameter]) -> None:
        chosen = {id(weight) for weight in inner}
        others = [p for p in parameters if id(p) not in chosen]
        self.parameters = parameters
        self.pair: tuple[torch.optim.Optimizer, ...] = (
            Muon(inner, lr=1.0),
            torch.optim.Adam(others, lr=1.0, betas=BETAS, fused=True),
        )

    def descend(self, loss: Tensor, rate: float) -> None:
        """One step of every parameter."""
        for p in self.parameters:
            p.grad = None
        loss.backward()
        for optimiser in self.pair:
            set_learning_rate(optimiser, rate)
            optimiser.step()


def even_times(steps: int, device: torch.device) -> list[Tensor]:
    """steps + 1 evenly spaced times from T down to 0, each (1,)."""
    return [torch.full((1,), round(TIMESTEPS * i / steps), device=device) for i in range(steps, -1, -1)]


def pseudo_huber(difference: Tensor, softness: float) -> Tensor:
    """sqrt(m^2 + c^2) - c of the root mean square m of each item's difference, (B,); c = softness.

    Near-quadratic below c, linear above: one item that is far off does not rule the batch (Song and Dhariwal 2023,
    arXiv:2310.14189, section 3.3, where c grows with the root of the dimension as here).
    """
    return (difference.square().flatten(1).mean(1) + softness**2).sqrt() - softness


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal draws of x's shape."""
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
