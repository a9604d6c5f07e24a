"""Flow matching (Lipman et al. 2022, arXiv:2210.02747) on straight paths, or rectified flow (Liu et al. 2022, arXiv:2209.03003).

Data x_1: images in [-1, 1], (B, C, H, W), or points (B, C). Noise x_0 ~ N(0, I). The path from one to the other, t in [0, 1]:

    x_t = (1 - t) x_0 + t x_1,     d x_t / dt = x_1 - x_0           (Liu eq. 1; Lipman eq. 22 with sigma_min = 0)
    E |v_theta(x_t, t, c) - (x_1 - x_0)|^2                          (Liu eq. 1; Lipman eq. 23), c the class where there is one

whose minimum is v(x, t) = E(x_1 - x_0 | x_t = x); the flow dx/dt = v(x, t) carries noise at t = 0 to data at t = 1. Times are
logit-normal, t = sigmoid(m + s n), n ~ N(0, 1) (Esser et al. 2024, arXiv:2403.03206, section 3.1), stratified over the batch.

Samplers, on N even steps of t: `euler-N`, of first order, one network pass a step; `heun-N`, of second order, two, but one in
the last step, which ends at the predicted data, E(x_1 | x_t) = x_t + (1 - t) v (as Karras et al. 2022, arXiv:2206.00364,
algorithm 1). For images what comes out is clipped to [-1, 1]; clipping the predicted data at each step changed nothing.
Network, optimisers and averaged weights are those of `ddpm`: the two differ in their objective and their samplers.

Hyper-parameters were chosen on validation data, one seed each or as stated. FID of `euler-50` on digits after 600 updates (9
CPU-seconds), by (m, s): uniform times 4.1 and 3.6 (two seeds), (0, 1) 2.7 and 2.9, (0.25, 1) 2.7, (0.5, 1) 3.0, (-0.5, 1) 3.9,
(0, 0.75) 2.4. For points, whose modes are narrow and take shape late, share of good samples of `heun-25` after 8 CPU-seconds, on
a grid of 25 modes and a ring of 8: uniform 0.94 and 0.96, (0, 1) 0.68 and 0.77, (1, 1) 0.95 and 0.97.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, register
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.muon import Muon
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up
from paragone.models.layers.timed_mlp import TimedMLP
from paragone.models.layers.unet import UNet

LEARNING_RATE = 1e-2
WARM_UP_SHARE = 0.03
BETAS = (0.9, 0.99)
EMA_DECAY = 0.99
LOGIT_TIMES = {"image": (0.0, 0.75), "points": (1.0, 1.0)}
"""m and s by modality."""
POINT_DRAWS = 8
"""Pairs of noise and time drawn for each point of a batch: a small network's step is hardly longer for more items."""
SAMPLING_BATCH = 500  # items of which samples are drawn at once: bounds the memory

Velocity = Callable[[Tensor, Tensor], Tensor]
"""x (B, ...) and a time t, (1,), to dx/dt, (B, ...)."""


@register("flow-matching", family="diffusion", modalities=("image", "points"))
class FlowMatching(Contender):
    """A network that predicts the velocity; `width` is the number of channels at half resolution, or of hidden units."""

    batch_size = 64
    samplers = ("heun-25", "heun-5", "heun-10", "euler-4", "euler-10", "euler-20", "euler-50")
    autocast = True  # FID of `heun-10` 2.4 with, 2.5 without, sd 0.2 over 3 seeds of 600 updates on digits; points alike

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.network = Network(spec, width)
        self.average = WeightAverage(self.network, EMA_DECAY)
        inner = self.network.body.inner_weights()
        others = [p for p in self.network.parameters() if all(p is not weight for weight in inner)]
        adam = torch.optim.Adam(others, lr=LEARNING_RATE, betas=BETAS, fused=True)
        self.optimisers: tuple[torch.optim.Optimizer, ...] = (Muon(inner, lr=LEARNING_RATE), adam)

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        data, classes = batch.x, batch.condition
        if self.spec.modality == "points":
            data = data.repeat(POINT_DRAWS, 1)
            classes = None if classes is None else classes.repeat(POINT_DRAWS)
        noise = torch.randn(data.shape, generator=self.generator, device=data.device)
        t = logit_normal_times(len(data), *LOGIT_TIMES[self.spec.modality], self.generator)  # (B,)
        v = self.network(along(noise, data, t), t, classes)
        loss = (v - (data - noise)).square().mean()
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
        solve = euler if kind == "euler" else heun
        if self.spec.classes is not None and condition is None:
            condition = torch.randint(self.spec.classes, (n,), generator=generator, device=generator.device)
        items = []
        for start in range(0, n, SAMPLING_BATCH):
            shape = (min(SAMPLING_BATCH, n - start), *self.spec.shape)
            noise = torch.randn(shape, generator=generator, device=generator.device)
            classes = None if condition is None else condition[start : start + SAMPLING_BATCH]
            items.append(solve(self._velocity(classes), noise, int(steps)))
        drawn = torch.cat(items)
        return drawn.clamp(-1, 1) if self.spec.modality == "image" else drawn

    def corrupt(self, x: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return along(noise, x, torch.full((1,), 1 - progress, device=x.device))

    def _velocity(self, classes: Tensor | None) -> Velocity:
        def velocity(x: Tensor, t: Tensor) -> Tensor:
            v: Tensor = self.average.module(x, t, classes)
            return v

        return velocity


class Network(nn.Module):
    """v (B, ...) of x (B, ...), times (B,) or (1,) and, for labelled data, classes (B,)."""

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        embedding = 2 * width
        self.body: UNet | TimedMLP
        if spec.modality == "points":
            embedding = 64
            self.body = TimedMLP(spec.shape[0], width, embedding)
        else:
            full = 16 * max(1, round(width / 48))  # blocks of 16 channels are what vector units take
            self.body = UNet(spec.shape[0], (full, width, width + width // 2), embedding)
        self.classes = None if spec.classes is None else nn.Embedding(spec.classes, embedding)

    def forward(self, x: Tensor, time: Tensor, classes: Tensor | None = None) -> Tensor:
        condition = None if self.classes is None else self.classes(classes)
        out: Tensor = self.body(x, time, condition)
        return out


def along(noise: Tensor, data: Tensor, t: Tensor) -> Tensor:
    """x_t, (B, ...), on the straight path from noise (B, ...) at t = 0 to data (B, ...) at t = 1; t (B,) or (1,)."""
    t = t.to(data.dtype).reshape(-1, *[1] * (data.dim() - 1))
    return (1 - t) * noise + t * data


def logit_normal_times(count: int, m: float, s: float, generator: torch.Generator) -> Tensor:
    """t = sigmoid(m + s n), (count,), n standard normal one by one, and evenly spread over its quantiles all together."""
    u = torch.rand(1, generator=generator, device=generator.device)
    quantiles = (u + torch.arange(count, device=generator.device) / count) % 1.0
    return torch.sigmoid(m + s * torch.special.ndtri(quantiles.clamp(1e-6, 1 - 1e-6)))


def euler(velocity: Velocity, x: Tensor, steps: int) -> Tensor:
    """x at t = 1 from x at t = 0: x <- x + h v(x, t), h = 1 / steps."""
    for i in range(steps):
        x = x + velocity(x, _time(i, steps, x)) / steps
    return x


def heun(velocity: Velocity, x: Tensor, steps: int) -> Tensor:
    """The same with the mean of the velocities at both ends of a step, the second at the end of Euler's; the last step is Euler's.

    One step of first order leaves the whole of second order: its error is of the square of its length.
    """
    for i in range(steps - 1):
        v = velocity(x, _time(i, steps, x))
        x = x + (v + velocity(x + v / steps, _time(i + 1, steps, x))) / (2 * steps)
    return x + velocity(x, _time(steps - 1, steps, x)) / steps


def _time(i: int, steps: int, like: Tensor) -> Tensor:
    return torch.full((1,), i / steps, device=like.device, dtype=like.dtype)
