"""MADE: a masked autoregressive density (Germain et al. 2015, arXiv:1502.03509) with Gaussian mixtures (Uria et al. 2013,
arXiv:1306.0186, "RNADE") for points.

x in R^D, coordinates of variance about 1:

    p(x) = prod_d p(x_d | x_1 .. x_{d-1})                                                        (Germain eq. 3)
    p(x_d | x_<d) = sum_k w_dk N(x_d; m_dk, s_dk^2),   w, m, s functions of x_<d                 (Uria eq. 5 and 6)

One network gives the parameters of all conditionals in one pass. Each hidden unit has a degree m in 1 .. D-1; weights are
masked so that a unit of degree m sees coordinates 1 .. m through units of degree at most m, and the parameters of x_d are read
from units of degree below d (Germain eq. 8 and 9). Those of x_1 depend on nothing: a table of numbers. The density of a
mixture has no upper bound where a scale may vanish, so s >= `SCALE_FLOOR`, in units of the data's standard deviation.
log_prob is exact, a density in nats. Sampling takes D steps, each one network pass.

Its own choices, by the gap to the true log-density of held-out points of the 25-grid and the ring of 8: residual blocks; Adam
at batch 128; three rates, of which that of the blocks and of the last layer falls as 1 / width (Yang et al. 2022,
arXiv:2203.03466, table 8). After 3 CPU-seconds 0.001 and 0.004 nats at 20,000 parameters, 0.003 and 0.009 at 200,000; after 10
seconds 0.02 and 0.03 at 3,000,000, where rates that do not depend on the width gave 2.4 and 3.0. At 200,000 parameters Muon,
whose steps cost too much beside so cheap a gradient, gave 0.8 and 1.0 after 5 seconds, batch 256 0.03 and 0.05 after 3.
10 or 32 components for 16 and three blocks for two made no difference.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up
from paragone.models.layers.unet import from_zero

TABLE_RATE = 3e-2
"""Of the mixture of x_1 and what the others start from: numbers that have far to go, from a scale of 0.25 to one of 0.02."""
ENTRY_RATE = 1e-2
RATE, RATE_TIMES_WIDTH = 1e-2, 0.6
"""Of all other weights: the first, or the second over the width where that is less."""
BETAS = (0.9, 0.99)
AVERAGE_DECAY = 0.99
COMPONENTS = 16
"""Gaussians in the mixture of each coordinate."""
SCALE_FLOOR = 1e-3
BLOCKS = 2
OCTAVES = 4
"""Each coordinate enters with sines and cosines of pi, 2 pi .. 8 pi times itself, without which sharp steps are learnt late."""


@register("made", family="autoregressive", modalities=("points",))
class MADE(Contender):
    """Each coordinate a mixture of Gaussians given those before it; `width` is the number of hidden units a layer."""

    batch_size = 128
    autocast = False  # points are told apart by thousandths, which bfloat16 rounds away

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        if spec.levels is not None:
            raise ValueError(f"made models continuous points, and this data has {spec.levels} levels: take imagegpt or pixelcnn")
        self.network = _Network(spec.shape[0], width)
        self.average = WeightAverage(self.network, AVERAGE_DECAY)
        network, rate = self.network, min(RATE, RATE_TIMES_WIDTH / width)
        groups = [
            ([network.start], TABLE_RATE),
            (list(network.enter.parameters()), ENTRY_RATE),
            ([*network.blocks.parameters(), *network.leave.parameters()], rate),
        ]
        self.optimisers = [(torch.optim.Adam(group, lr=rate, betas=BETAS, fused=True), rate) for group, rate in groups]

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        nats = -self.network.log_prob(batch.x).mean()
        self.network.zero_grad()
        nats.backward()
        for optimiser, rate in self.optimisers:
            set_learning_rate(optimiser, rate * warm_up(progress) * cosine(progress) * self.learning_rate_factor)
            optimiser.step()
        self.average.follow(self.network)
        return {"nats": nats.detach()}

    def log_prob(self, x: Tensor) -> Likelihood:
        return Likelihood(self.average.module.log_prob(x), exact=True)

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        self.choose_sampler(sampler)
        return self.average.module.sample(n, generator)


class Masked(nn.Linear):
    """A linear layer without the weights that lead from a unit of higher degree to one of lower (Germain eq. 8)."""

    weight: nn.Parameter

    def __init__(self, degrees_in: Tensor, degrees_out: Tensor) -> None:
        super().__init__(len(degrees_in), len(degrees_out))
        self.register_buffer("mask", (degrees_out[:, None] >= degrees_in).float(), persistent=False)
        self.mask: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


class _Network(nn.Module):
    """Points (B, D) -> the mixture of each coordinate."""

    def __init__(self, dimensions: int, width: int) -> None:
        super().__init__()
        self.dimensions = dimensions
        # The last coordinate enters nowhere. What is read for x_d has degree d - 1.
        coordinates = torch.arange(1, dimensions)
        degrees = 1 + torch.arange(width) % (dimensions - 1)
        self.enter = Masked(coordinates.repeat_interleave(1 + 2 * OCTAVES), degrees)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.SiLU(), Masked(degrees, degrees), nn.SiLU(), from_zero(Masked(degrees, degrees)))
            for _ in range(BLOCKS)
        )
        self.leave = from_zero(Masked(degrees, coordinates.repeat_interleave(3 * COMPONENTS)))
        self.start = nn.Parameter(_spread(dimensions))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points (B, D) -> log weights, means and scales, (B, D, K) each, of every coordinate's mixture."""
        h = self.enter(_waves(x[:, :-1]))
        for block in self.blocks:
            h = h + block(h)
        later = self.leave(F.silu(h)).view(len(x), self.dimensions - 1, 3, COMPONENTS)
        weights, means, scales = (F.pad(later, (0, 0, 0, 0, 1, 0)) + self.start).unbind(2)
        return weights.log_softmax(-1), means, SCALE_FLOOR + scales.exp()

    def log_prob(self, x: Tensor) -> Tensor:
        """log p of points (B, D) in nats, (B,)."""
        log_weights, means, scales = self(x)
        z = (x[..., None] - means) / scales
        log_normal = -0.5 * (z.square() + math.log(2 * math.pi)) - scales.log()
        density: Tensor = (log_weights + log_normal).logsumexp(-1).sum(-1)
        return density

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Points (n, D), a coordinate at a time."""
        x = self.start.new_zeros(n, self.dimensions)
        for d in range(self.dimensions):
            log_weights, means, scales = (part[:, d] for part in self(x))
            k = torch.multinomial(log_weights.exp(), 1, generator=generator)  # (n, 1)
            z = torch.randn(n, generator=generator, device=x.device, dtype=x.dtype)
            x[:, d] = means.gather(1, k)[:, 0] + scales.gather(1, k)[:, 0] * z
        return x


def _spread(dimensions: int) -> Tensor:
    """Mixtures (D, 3, K) before training: equal weights, means over two standard deviations to both sides, overlapping."""
    means = torch.linspace(-2, 2, COMPONENTS)
    scales = torch.full_like(means, math.log(4 / COMPONENTS))
    return torch.stack([torch.zeros_like(means), means, scales]).repeat(dimensions, 1, 1)


def _waves(x: Tensor) -> Tensor:
    """Coordinates (B, D') beside their sines and cosines, (B, D' (1 + 2 octaves)), those of a coordinate together."""
    angles = x[..., None] * (math.pi * 2.0 ** torch.arange(OCTAVES, device=x.device, dtype=x.dtype))
    return torch.cat([x[..., None], angles.sin(), angles.cos()], -1).flatten(1)
