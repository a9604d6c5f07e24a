"""Glow: a flow of actnorm, invertible 1x1 convolutions and affine couplings (Kingma and Dhariwal 2018, arXiv:1807.03039).

Levels become real numbers v by uniform dequantisation and a logit; log P(k) is bounded through it, hence
`Likelihood(..., exact=False)` (see `layers/dequantise.py`). An invertible f maps v to z ~ N(0, I):

    log p(v) = log N(f(v)) + log |det df/dv|                                                                       (eq. 6)

A step of the flow takes maps x (C, H, W), place by place (i, j), through                                          (table 1)

    actnorm      x_ij <- exp(g) (x_ij - m) / d + b,     log-determinant H W sum(g - log d)                         (section 3.1)
                 m, d: mean and deviation of each channel over the first batch; g, b start at 0 and are learned
    convolution  x_ij <- W x_ij,   W = P L (U + diag(r exp(e))),   log-determinant H W sum e                       (eq. 9-11)
                 P a fixed permutation, r fixed signs; learned are the triangles L (its diagonal 1) and U (0), and e;
                 W starts as a random rotation
    coupling     (c, x) <- (c, x exp(s(c)) + t(c)), halves of the channels,     log-determinant sum s(c)           (section 3.3)

A scale squeezes the map to half its sides and takes its steps; then half of the channels leave and become part of
z = x exp(s(h)) + t(h), where s and t are one convolution, zero at first, of the half h that goes on: a learned prior of
what leaves.                                                                                                       (fig. 2b)
Sampling cost: one pass of f's inverse. Sampler `t-T` draws z of deviation T, which is nearer the mode for T < 1.   (section 6)

Its own choices: the networks of the couplings are those of realnvp (`layers/tiles.py`), not 3x3 convolutions of the map; the last
scale has no learned prior, since its steps' actnorms can do the same.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.dequantise import LogitBins
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.mixing import Mixing
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up
from paragone.models.layers.tiles import TiledCoupling, scale_sizes
from paragone.models.layers.unet import from_zero

STEPS, LAST_STEPS = 5, 4
"""Steps of a scale and of the last one."""
SMALLEST_DEVIATION = 1e-3
"""Channels that do not vary in the first batch are not stretched without limit."""
LARGEST_LOG_SCALE = 2.0
"""Of a prior, in size: the deviations that it gives lie between 1/7 and 7."""


@register("glow", family="flow", modalities=("image",))
class Glow(Contender):
    """Glow; `width` is that of the coupling networks' hidden layers. Continuous data (`levels` None) is not dequantised.

    Hyper-parameters, chosen by FID on digits' validation split after 10 CPU-seconds at 200,000 parameters: AdamW (0.9, 0.99),
    rate 1e-2 with warm-up and cosine, batch 256, samples from an average of the weights. Comparisons, made at a weight decay of
    0.4 (FID 2.9, sd 0.15 over 4 seeds), are of one seed: less than 1 says little. Steps 5 and 4 FID 2.9, 4 and 3 3.6, 8 at a
    single scale 5.5; started as a reversal of the channels instead of a rotation 3.9; the prior a network like the couplings'
    2.7, none 2.4, a convolution 2.4.
    Weight decay trades FID against the likelihood of held-out digits, as in realnvp; after 10 and 60 CPU-seconds 0.4 gives FID 2.9
    and 3.0, bits/dim 2.8 and 4.3 (uniform noise has 4.1); 1.0 3.8 and 3.6, 2.3 and 2.7; 2.0 5.5 and 5.1, 2.1 and 2.1. Batches of 64
    see fewer pictures: FID 4.8, 2.2 bits/dim after 60. Temperatures below 1 make FID worse (t-0.7 5.5, t-0.5 13).
    Gradients longer than `longest_gradient` are shortened to it; `shortened` logs each time that it happens.
    """

    batch_size = 256
    samplers = ("t-1.0", "t-0.7", "t-0.5")
    autocast = False  # as realnvp: a flow's samples are to be the inverse of what its likelihood is of
    learning_rate = 1e-2
    weight_decay = 1.0
    average_decay = 0.99
    longest_gradient = 1.0
    margin = 0.05
    draws = 16  # of u for the likelihood

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.bins = LogitBins(spec.levels, self.margin)
        self.flow = Flow(spec.shape, width)
        self.average = WeightAverage(self.flow, self.average_decay)
        self.optimiser = torch.optim.AdamW(
            self.flow.parameters(), self.learning_rate, betas=(0.9, 0.99), weight_decay=self.weight_decay, fused=True
        )

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        rate = self.learning_rate * warm_up(progress) * cosine(progress) * self.learning_rate_factor
        set_learning_rate(self.optimiser, rate)
        u = torch.rand(batch.x.shape, generator=self.generator, device=self.generator.device)
        if self.average.steps == 0:
            self.flow.initialise(self.bins.to_logit(batch.x, u)[0])
        loss = -self.bins.log_likelihood(self.flow, batch.x, u).mean() / self.flow.dimensions
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        length = nn.utils.clip_grad_norm_(self.flow.parameters(), self.longest_gradient)
        self.optimiser.step()
        self.average.follow(self.flow)
        return {"loss": loss.detach(), "shortened": (length > self.longest_gradient).float()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        temperature = float(self.choose_sampler(sampler).removeprefix("t-"))
        return self.decode(temperature * self.draw_latents(n, generator))

    def log_prob(self, x: Tensor) -> Likelihood:
        return self.bins.log_prob(self.average.module, x, self.draws)

    def encode(self, x: Tensor) -> Tensor:
        v, _ = self.bins.to_logit(x, torch.full_like(x, 0.5))  # the middle of each level's bin
        z: Tensor = self.average.module(v)[0]
        return z

    def decode(self, z: Tensor) -> Tensor:
        return self.bins.from_logit(self.average.module.inverse(z)).clamp(-1, 1)

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.flow.dimensions, generator=generator, device=generator.device)


class Flow(nn.Module):
    """f: (B, C, H, W) <-> z (B, C H W), any shape of even sides; its log-determinant is (B,)."""

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.dimensions = math.prod(shape)
        *sizes, last = scale_sizes(shape)
        scales = [*(Scale(size, width, last=False) for size in sizes), Scale(last, width, last=True)]
        self.scales = nn.ModuleList(scales)
        self.leaving = [scale.leaving for scale in scales]  # shape of what each scale adds to z

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        x, latents, log_determinant = v, [], v.new_zeros(len(v))
        for scale in self.scales:
            x, z, added = scale(x)
            latents.append(z.flatten(1))
            log_determinant = log_determinant + added
        return torch.cat(latents, 1), log_determinant

    def inverse(self, z: Tensor) -> Tensor:
        latents = z.split([math.prod(shape) for shape in self.leaving], dim=1)
        x = z[:, :0]  # nothing goes on after the last scale
        for i in reversed(range(len(latents))):
            x = cast(Scale, self.scales[i]).inverse(x, latents[i].unflatten(1, self.leaving[i]))
        return x

    @torch.no_grad()
    def initialise(self, v: Tensor) -> None:
        """Give every actnorm the statistics of what reaches it of the batch v."""
        for scale in self.scales:
            v = cast(Scale, scale).initialise(v)


class Scale(nn.Module):
    """Squeeze, steps, and half of the channels leave as z; all of them at the last scale."""

    def __init__(self, size: tuple[int, int, int], width: int, last: bool) -> None:
        super().__init__()
        inside = (4 * size[0], size[1] // 2, size[2] // 2)
        self.leaving = inside if last else (inside[0] // 2, *inside[1:])
        self.steps = nn.ModuleList(Step(inside, width) for _ in range(LAST_STEPS if last else STEPS))
        self.prior = None if last else Prior(self.leaving[0])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, C, H, W) -> what goes on (B, 2 C, H/2, W/2), nothing at the last; what leaves; the log-determinant (B,)."""
        x, log_determinant = F.pixel_unshuffle(x, 2), x.new_zeros(len(x))  # (B, 4 C, H/2, W/2)
        for step in self.steps:
            x, added = step(x)
            log_determinant = log_determinant + added
        if self.prior is None:
            return x[:, :0], x, log_determinant
        h, x = x.chunk(2, 1)
        s, t = self.prior(h)
        return h, torch.addcmul(t, x, s.exp()), log_determinant + s.flatten(1).sum(1)

    def inverse(self, h: Tensor, z: Tensor) -> Tensor:
        """The x of what went on and what left."""
        x = z
        if self.prior is not None:
            s, t = self.prior(h)
            x = torch.cat([h, (z - t) * torch.exp(-s)], 1)
        for step in reversed(self.steps):
            x = cast(Step, step).inverse(x)
        return F.pixel_shuffle(x, 2)

    def initialise(self, x: Tensor) -> Tensor:
        """Initialise every actnorm by x; what goes on."""
        x = F.pixel_unshuffle(x, 2)
        for step in self.steps:
            cast(Step, step).actnorm.initialise(x)
            x, _ = step(x)
        return x[:, : self.leaving[0]]


class Step(nn.Module):
    """Actnorm, 1x1 convolution and coupling of maps (B, *size)."""

    def __init__(self, size: tuple[int, int, int], width: int) -> None:
        super().__init__()
        channels, height, breadth = size
        self.size, self.places = size, height * breadth
        self.actnorm = ActNorm(channels)
        self.mixing = Mixing(channels)
        self.coupling = TiledCoupling((channels // 2, height, breadth), width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scale, offset = self.actnorm.affine()
        weight = self.mixing.weight()
        # The actnorm and the convolution in one product: W (scale x + offset).
        x = (weight * scale) @ x.flatten(2) + (weight @ offset)[:, None]  # (B, C, H W)
        c, x = x.unflatten(2, self.size[1:]).chunk(2, 1)
        s, t = self.coupling(c)
        log_determinant = self.places * (scale.log().sum() + self.mixing.log_determinant())
        return torch.cat([c, torch.addcmul(t, x, s.exp())], 1), log_determinant + s.flatten(1).sum(1)

    def inverse(self, x: Tensor) -> Tensor:
        c, x = x.chunk(2, 1)
        s, t = self.coupling(c)
        x = torch.cat([c, (x - t) * torch.exp(-s)], 1).flatten(2)
        scale, offset = self.actnorm.affine()
        x = (self.mixing.inverse_weight() @ x - offset[:, None]) / scale[:, None]  # (B, C, H W)
        return x.view(-1, *self.size)


class ActNorm(nn.Module):
    """exp(g) (x - m) / d + b a channel. The first batch sets the buffers m and d, so that parameters move by gradients alone."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.zeros(channels))  # m
        self.deviation = nn.Buffer(torch.ones(channels))  # d
        self.log_scale = nn.Parameter(torch.zeros(channels))  # g
        self.shift = nn.Parameter(torch.zeros(channels))  # b

    def affine(self) -> tuple[Tensor, Tensor]:
        """(scale, offset) of x <- scale x + offset, each (C,)."""
        scale = self.log_scale.exp() / self.deviation
        return scale, self.shift - scale * self.mean

    def initialise(self, x: Tensor) -> None:
        """Make the channels of this batch x (B, C, H, W) come out with mean 0 and deviation 1."""
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        self.mean.copy_(mean)
        self.deviation.copy_(variance.sqrt().clamp_min(SMALLEST_DEVIATION))


class Prior(nn.Module):
    """s(h) and t(h) that standardise the leaving half, from the half that stays: one convolution from zero (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = from_zero(nn.Conv2d(channels, 2 * channels, 3, padding=1))

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.convolution(h).chunk(2, 1)
        return LARGEST_LOG_SCALE * torch.tanh(s / LARGEST_LOG_SCALE), t
