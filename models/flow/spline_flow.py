"""Neural spline flow: monotone rational-quadratic splines (Durkan et al. 2019, arXiv:1906.04032), for points.

An invertible f maps x (D,) to z ~ N(0, I), so that the density of the data is known exactly, `Likelihood(..., exact=True)`:

    log p(x) = log N(f(x)) + log |det df/dx|                                                                      (section 2)

A coupling layer splits x = (a, b) and takes each number through a spline of the line, whose log-slopes add up to the
log-determinant (formulas in `layers/spline.py`): the splines of a are learned numbers, those of b are a network's of a
                                                                                                                  (section 3.2)
    (a, b) <- (S(a; free), S(b; network(a)))

Between layers the order of the coordinates is reversed. In the plane one layer can be any distribution, p(a) p(b | a)
(Knothe and Rosenblatt's rearrangement), and f is as easily inverted as computed: sampling costs one network pass.

A flow is continuous and so cannot leave the places between modes quite empty. After 10 CPU-seconds its bridges hold one to two
hundredths of the samples: 97 % of them lie within three deviations of a mode, where 98.9 % of the data do.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.mlp import ResidualMLP
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up
from paragone.models.layers.spline import Spline, spline

BINS = 32
BOUND = 3.0
"""Half-width of the interval that the splines change, in standard deviations of the data; beyond it f is the identity."""
BLOCKS = 2
OCTAVES = 2


@register("spline-flow", family="flow", modalities=("points",))
class SplineFlow(Contender):
    """The flow; `width` is that of its network's residual stream.

    Hyper-parameters were chosen by the gap to the true log-density on validation points of the ring of 8, after 5 CPU-seconds
    at 200,000 parameters, one seed each: one layer, AdamW (0.9, 0.99), rate 3e-3 with warm-up and cosine, batch 128: 0.031 nats
    (0.023 after 10 s, and 0.027 on the grid of 25). At rate 5e-3 batch 128 gives 0.037, 256 0.038, 512 0.073; rate 1e-2 does
    not converge, nor does 5e-3 without shortened gradients. Two layers 0.099, 16 bins 0.28; at batch 256 and rate 5e-3 48 bins
    0.046 and no octaves 0.069, against 0.038.
    Gradients longer than `longest_gradient` are shortened to it; `shortened` logs each time that it happens.
    """

    batch_size = 128
    autocast = False  # a density is the product of slopes up to a hundred, which bfloat16 does not resolve
    layers = 1
    learning_rate = 3e-3
    average_decay = 0.99
    longest_gradient = 1.0

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.flow = Flow(spec.shape[0], width, self.layers)
        self.average = WeightAverage(self.flow, self.average_decay)
        self.optimiser = torch.optim.AdamW(
            self.flow.parameters(), self.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        )

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        rate = self.learning_rate * warm_up(progress) * cosine(progress) * self.learning_rate_factor
        set_learning_rate(self.optimiser, rate)
        loss = -log_density(self.flow, batch.x).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        length = nn.utils.clip_grad_norm_(self.flow.parameters(), self.longest_gradient)
        self.optimiser.step()
        self.average.follow(self.flow)
        return {"loss": loss.detach(), "shortened": (length > self.longest_gradient).float()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        self.choose_sampler(sampler)
        return self.decode(self.draw_latents(n, generator))

    def log_prob(self, x: Tensor) -> Likelihood:
        return Likelihood(log_density(self.average.module, x), exact=True)

    def encode(self, x: Tensor) -> Tensor:
        z: Tensor = self.average.module(x)[0]
        return z

    def decode(self, z: Tensor) -> Tensor:
        return self.average.module.inverse(z)

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.flow.dimensions, generator=generator, device=generator.device)


class Flow(nn.Module):
    """f: x (B, D) <-> z (B, D), D at least 2; its log-determinant is (B,)."""

    def __init__(self, dimensions: int, width: int, layers: int) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.layers = nn.ModuleList(Coupling(dimensions, width) for _ in range(layers))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_determinant = x.new_zeros(len(x))
        for layer in self.layers:
            x, added = layer(x)
            x, log_determinant = x.flip(1), log_determinant + added
        return x, log_determinant

    def inverse(self, z: Tensor) -> Tensor:
        for layer in reversed(self.layers):
            z = cast(Coupling, layer).inverse(z.flip(1))
        return z


class Coupling(nn.Module):
    """Splines of the first half of the coordinates, and of the rest given that half; the identity before training."""

    gain = 10.0
    """The free numbers are this multiple of their parameters, which Adam moves by the learning rate a step, too slow else."""

    def __init__(self, dimensions: int, width: int) -> None:
        super().__init__()
        first = dimensions // 2
        self.sizes = (first, dimensions - first)
        self.free = nn.Parameter(torch.zeros(first, 3 * BINS - 1))
        self.network = ResidualMLP(first, self.sizes[1] * (3 * BINS - 1), width, blocks=BLOCKS, octaves=OCTAVES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x.split(self.sizes, 1)
        y_a, log_slopes_a = self._first(a).forward(a)
        y_b, log_slopes_b = self._given(a).forward(b)
        return torch.cat([y_a, y_b], 1), log_slopes_a.sum(1) + log_slopes_b.sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        y_a, y_b = y.split(self.sizes, 1)
        a = self._first(y_a).inverse(y_a)
        return torch.cat([a, self._given(a).inverse(y_b)], 1)

    def _first(self, like: Tensor) -> Spline:
        return spline((self.gain * self.free).expand(len(like), -1, -1), BOUND)

    def _given(self, a: Tensor) -> Spline:
        return spline(self.network(a).unflatten(1, (self.sizes[1], 3 * BINS - 1)), BOUND)


def log_density(flow: Flow, x: Tensor) -> Tensor:
    """log p(x) in nats, (B,)."""
    z, log_determinant = flow(x)
    log_p: Tensor = log_determinant - 0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))
    return log_p
