"""RealNVP: a flow of affine couplings at several scales (Dinh et al. 2016, arXiv:1605.08803).

Levels k in 0..L-1 become real numbers y = (k + u) / L, u ~ U[0, 1)^D, and v = logit(a + (1 - 2 a) y)       (section 4.1)
An invertible f maps v to z ~ N(0, I): log p(v) = log N(f(v)) + log |det df/dv|                             (eq. 3)
Affine coupling of the halves (c, x), c given:  x <- x exp(s(c)) + t(c), whose log-determinant is sum s(c)  (eq. 4-7)
    The halves are the two colours of a checkerboard, or halves of the channels after a squeeze             (section 3.4)
    After each scale half of the variables becomes part of z, the rest goes on at half the sides            (eq. 13-15)
Likelihood: log P(k) >= E_u log p(y) - D log L, hence `Likelihood(..., exact=False)` (see `layers/dequantise.py`).
Sampling cost: one pass of f's inverse.

Its own choices: the networks s, t are residual convolutions on tiles of the map (`layers/tiles.py`); instead of batch
normalisation, variables are standardised once by the first batch's statistics.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.dequantise import LogitBins
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up
from paragone.models.layers.tiles import TiledCoupling, scale_sizes

Pairing = tuple[tuple[int, int], tuple[int, int]]
CHECKERBOARD: Pairing = ((0, 3), (1, 2))
"""A squeeze makes four sub-pixels, 0 1 above 2 3: their diagonals are the two colours of the checkerboard."""
CHANNELS: Pairing = ((0, 1), (2, 3))
"""Halves of the squeezed channels: upper and lower sub-pixels, of which the lower leave after the scale."""


@register("realnvp", family="flow", modalities=("image",))
class RealNVP(Contender):
    """RealNVP with uniform dequantisation; continuous data (`levels` None) is not dequantised.

    Hyper-parameters, chosen on the validation digits: AdamW (0.9, 0.99), rate 8e-3 with warm-up and cosine, batch 256, samples
    from an average of the weights. The margin a = 0.05 and the couplings per scale (3 + 3, and 4 at the last) are the paper's
    (section 4.1). The weight decay trades FID against the likelihood of held-out digits, which a thousand pictures overfit long
    before the samples get worse; after 10 and 60 CPU-seconds, one seed, 0.25 gives FID 3.0 and 1.8, bits/dim 3.7 and 5.7 (uniform
    noise has 4.1); 0.5 3.3 and 3.2, 3.1 and 4.4; 1.0 3.6 and 3.7, 2.5 and 2.9; 2.0 5.1 and 5.8, 2.1 and 2.1.
    Gradients longer than `longest_gradient` are shortened to it; `shortened` logs each time that it happens.
    """

    batch_size = 256
    samplers = ("default",)
    # Quality does not suffer (FID 2.6 with and without), but a flow's samples are to be the inverse of what its likelihood is of:
    # in bfloat16 pictures of MNIST came back up to 2.4 levels away, in float32 0.0002.
    autocast = False
    learning_rate = 8e-3
    weight_decay = 1.0
    average_decay = 0.99
    longest_gradient = 1.0
    margin = 0.05  # a
    draws = 16  # of u for the likelihood

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.bins = LogitBins(spec.levels, self.margin)
        self.dimensions = math.prod(spec.shape)  # D
        self.flow = Flow(spec.shape, width)
        self.average = WeightAverage(self.flow, self.average_decay)
        self.optimiser = torch.optim.AdamW(
            self.flow.parameters(), self.learning_rate, betas=(0.9, 0.99), weight_decay=self.weight_decay, fused=True
        )

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        rate = self.learning_rate * warm_up(progress) * cosine(progress) * self.learning_rate_factor
        set_learning_rate(self.optimiser, rate)
        u = torch.rand(batch.x.shape, generator=self.generator, device=self.generator.device)
        if not self.flow.ready:
            self.flow.standardise(self.bins.to_logit(batch.x, u)[0])
        loss = -self.bins.log_likelihood(self.flow, batch.x, u).mean() / self.dimensions
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        length = nn.utils.clip_grad_norm_(self.flow.parameters(), self.longest_gradient)
        self.optimiser.step()
        self.average.follow(self.flow)
        return {"loss": loss.detach(), "shortened": (length > self.longest_gradient).float()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        self.choose_sampler(sampler)
        z = torch.randn(n, self.dimensions, generator=generator, device=generator.device)
        return self.decode(z)

    def log_prob(self, x: Tensor) -> Likelihood:
        return self.bins.log_prob(self.average.module, x, self.draws)

    def encode(self, x: Tensor) -> Tensor:
        v, _ = self.bins.to_logit(x, torch.full_like(x, 0.5))  # the middle of each level's bin
        z: Tensor = self.average.module(v)[0]
        return z

    def decode(self, z: Tensor) -> Tensor:
        return self.bins.from_logit(self.average.module.inverse(z)).clamp(-1, 1)


class Flow(nn.Module):
    """f: (B, C, H, W) <-> z (B, C H W), any shape of even sides; its log-determinant is (B,)."""

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        *sizes, last = scale_sizes(shape)
        scales = [*(Scale(size, width, last=False) for size in sizes), Scale(last, width, last=True)]
        self.scales = nn.ModuleList(scales)
        self.leaving = [scale.leaving for scale in scales]  # shape of what each scale adds to z
        self.mean = nn.Buffer(torch.zeros(shape))
        self.deviation = nn.Buffer(torch.ones(shape))
        self.ready = nn.Buffer(torch.zeros((), dtype=torch.bool))

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        x, latents, log_scales = (v - self.mean) / self.deviation, [], []
        for scale in self.scales:
            x, z, s = scale(x)
            latents.append(z.flatten(1))
            log_scales += s
        log_determinant = torch.cat(log_scales, 1).sum(1) - self.deviation.log().sum()
        return torch.cat(latents, 1), log_determinant

    def inverse(self, z: Tensor) -> Tensor:
        latents = z.split([math.prod(shape) for shape in self.leaving], dim=1)
        x = z[:, :0]  # nothing goes on after the last scale
        for i in reversed(range(len(latents))):
            x = cast(Scale, self.scales[i]).inverse(x, latents[i].unflatten(1, self.leaving[i]))
        return x * self.deviation + self.mean

    def standardise(self, v: Tensor) -> None:
        """Take each variable's mean and deviation over the batch v, as actnorm does (Kingma and Dhariwal 2018, section 3.1)."""
        variance = v.var(0, correction=0)
        # A tenth of the mean variance keeps pixels that are rarely inked from being stretched without limit.
        self.deviation.copy_((0.9 * variance + 0.1 * variance.mean()).sqrt())
        self.mean.copy_(v.mean(0))
        self.ready.fill_(True)


class Scale(nn.Module):
    """Couplings of the checkerboard's colours, then of the squeezed channels, after which half of the variables leave.

    At the last scale there are couplings of colours alone, and all variables leave. A picture is squeezed on entry: its
    colours are then halves of the channels of a map of half the sides.
    """

    def __init__(self, size: tuple[int, int, int], width: int, last: bool) -> None:
        super().__init__()
        channels, height, breadth = size
        half = (2 * channels, height // 2, breadth // 2)
        self.leaving = (4 * channels if last else 2 * channels, *half[1:])
        self.colours = Chain(half, width, 4 if last else 3)
        self.channels = None if last else Chain(half, width, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """x (B, C, H, W) -> what goes on (B, 2 C, H/2, W/2), nothing at the last; what leaves; log-scales, each (B, .)."""
        a, b, log_scales = self.colours(*halves(squeeze(x), CHECKERBOARD))
        if self.channels is None:
            return x[:, :0], torch.cat([a, b], 1), log_scales
        upper, lower, more = self.channels(*halves(quarters(a, b, CHECKERBOARD), CHANNELS))
        return upper, lower, log_scales + more

    def inverse(self, kept: Tensor, left: Tensor) -> Tensor:
        """The x of what went on and what left."""
        if self.channels is None:
            a, b = left.chunk(2, 1)
        else:
            a, b = halves(quarters(*self.channels.inverse(kept, left), CHANNELS), CHECKERBOARD)
        return unsqueeze(quarters(*self.colours.inverse(a, b), CHECKERBOARD))


class Chain(nn.Module):
    """Couplings that change two halves in turn, the second first; each half is (B, *half)."""

    def __init__(self, half: tuple[int, int, int], width: int, couplings: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(TiledCoupling(half, width) for _ in range(couplings))

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        log_scales = []
        for network in self.networks:
            s, t = network(a)
            a, b = torch.addcmul(t, b, s.exp()), a  # eq. 7; the halves change places
            log_scales.append(s.flatten(1))
        return (a, b, log_scales) if len(self.networks) % 2 == 0 else (b, a, log_scales)

    def inverse(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Undo `forward`: x = (x - t(c)) exp(-s(c)) (eq. 8)."""
        if len(self.networks) % 2 == 1:
            a, b = b, a
        for network in reversed(self.networks):
            s, t = network(b)
            a, b = b, (a - t) * torch.exp(-s)
        return a, b


def squeeze(x: Tensor) -> tuple[Tensor, ...]:
    """(B, C, H, W) -> its four sub-pixels (B, C, H/2, W/2), of which the picture has 0 1 above 2 3 (fig. 3)."""
    return tuple(x[..., down::2, right::2] for down in (0, 1) for right in (0, 1))


def unsqueeze(parts: tuple[Tensor, ...]) -> Tensor:
    """Undo `squeeze`."""
    return F.pixel_shuffle(torch.stack(parts, 2).flatten(1, 2), 2)


def halves(parts: tuple[Tensor, ...], pairing: Pairing) -> tuple[Tensor, Tensor]:
    """Four sub-pixels as two halves (B, 2 C, H/2, W/2)."""
    (i, j), (k, m) = pairing
    return torch.cat([parts[i], parts[j]], 1), torch.cat([parts[k], parts[m]], 1)


def quarters(a: Tensor, b: Tensor, pairing: Pairing) -> tuple[Tensor, ...]:
    """The inverse of `halves`."""
    order = [*pairing[0], *pairing[1]]
    parts = [*a.chunk(2, 1), *b.chunk(2, 1)]
    return tuple(parts[order.index(i)] for i in range(4))
