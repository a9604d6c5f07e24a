"""RealNVP: a flow of affine couplings at several scales (Dinh et al. 2016, arXiv:1605.08803).

Levels k in 0..L-1 become real numbers y = (k + u) / L, u ~ U[0, 1)^D, and v = logit(a + (1 - 2 a) y)       (section 4.1)
An invertible f maps v to z ~ N(0, I): log p(v) = log N(f(v)) + log |det df/dv|                             (eq. 3)
Affine coupling of the halves (c, x), c given:  x <- x exp(s(c)) + t(c), whose log-determinant is sum s(c)  (eq. 4-7)
    The halves are the two colours of a checkerboard, or halves of the channels after a squeeze             (section 3.4)
    After each scale half of the variables becomes part of z, the rest goes on at half the sides            (eq. 13-15)
Likelihood: log P(k) >= E_u log p(y) - D log L, as P(k) is the integral of p(y) over the bin (Theis et al. 2015,
    arXiv:1511.01844, section 3.1), hence `Likelihood(..., exact=False)`. The margin a lets y leave [0, 1]: rounding puts
    that mass on the end levels, where the bound does not count it, so that it remains a bound for what is sampled.
Sampling cost: one pass of f's inverse.

Its own choices: the networks s, t are residual convolutions on tiles of the map, because a picture of 8x8 is one tile and its
couplings are then dense, several times faster on a CPU than 3x3 convolutions; instead of batch normalisation, variables are
standardised once by the first batch's statistics.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

Pairing = tuple[tuple[int, int], tuple[int, int]]
CHECKERBOARD: Pairing = ((0, 3), (1, 2))
"""A squeeze makes four sub-pixels, 0 1 above 2 3: their diagonals are the two colours of the checkerboard."""
CHANNELS: Pairing = ((0, 1), (2, 3))
"""Halves of the squeezed channels: upper and lower sub-pixels, of which the lower leave after the scale."""
SMALLEST = 4
"""Side in pixels at which no further scale is split off (section 3.6: the last scale has 4x4 variables)."""
TILE_VALUES = 256
"""Most values of a half that form one tile. A map of MNIST is one tile or four, at six times the steps a second of 64 values."""


@register("realnvp", family="flow", modalities=("image",))
class RealNVP(Contender):
    """RealNVP with uniform dequantisation; continuous data (`levels` None) is not dequantised.

    Hyper-parameters, chosen on the validation digits: AdamW (0.9, 0.99), rate 8e-3 with warm-up and cosine, batch 256, samples
    from an average of the weights. The margin a = 0.05 and the couplings per scale (3 + 3, and 4 at the last) are the paper's
    (section 4.1). The weight decay trades the likelihood of held-out digits, which a thousand pictures overfit long before
    the samples get worse, against FID: with none FID is about a tenth lower, and held-out bits/dim are worse than chance.
    Gradients longer than `longest_gradient` are shortened to it; `shortened` logs each time that it happens.
    """

    batch_size = 256
    samplers = ("default",)
    # Quality does not suffer (FID 2.6 with and without), but a flow's samples are to be the inverse of what its likelihood is of:
    # in bfloat16 pictures of MNIST came back up to 2.4 levels away, in float32 0.0002.
    autocast = False
    learning_rate = 8e-3
    weight_decay = 0.25
    average_decay = 0.99
    longest_gradient = 1.0
    margin = 0.05  # a
    draws = 16  # of u for the likelihood
    likelihood_seed = 0  # `log_prob` is a fixed function of x and the weights

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.shape, self.levels = spec.shape, spec.levels
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
            self.flow.standardise(self.to_logit(batch.x, u)[0])
        loss = -self.log_likelihood(self.flow, batch.x, u).mean() / self.dimensions
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
        """The bound with K draws of u, log 1/K sum_k p(y_k) - D log L: on average no looser than one draw's (Burda 2015, eq. 8)."""
        generator = torch.Generator(x.device).manual_seed(self.likelihood_seed)
        # The draws are shared by all items, so that an item's value does not depend on what is beside it in the batch.
        u = torch.rand(self.draws, *self.shape, generator=generator, device=x.device, dtype=x.dtype)
        log_p = torch.stack([self.log_likelihood(self.average.module, x, one) for one in u])  # (K, n)
        return Likelihood(log_p.logsumexp(0) - math.log(self.draws), exact=False)

    def encode(self, x: Tensor) -> Tensor:
        v, _ = self.to_logit(x, torch.full_like(x, 0.5))  # the middle of each level's bin
        z: Tensor = self.average.module(v)[0]
        return z

    def decode(self, z: Tensor) -> Tensor:
        return self.from_logit(self.average.module.inverse(z)).clamp(-1, 1)

    def log_likelihood(self, flow: "Flow", x: Tensor, u: Tensor) -> Tensor:
        """log p(y) - D log L of the dequantised pictures, (B,), nats; for continuous data log p(x)."""
        v, log_slope = self.to_logit(x, u)
        z, log_determinant = flow(v)
        log_normal = -0.5 * (z.square().sum(1) + self.dimensions * math.log(2 * math.pi))
        log_p: Tensor = log_normal + log_determinant + log_slope
        return log_p

    def to_logit(self, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """v (B, C, H, W) of pictures x in [-1, 1], and the log of the volume ratio dv/dk (B,), or dv/dx for continuous data."""
        if self.levels is None:
            y, slope = (x + 1) / 2, 1 / 2
        else:
            y, slope = (torch.round((x + 1) * ((self.levels - 1) / 2)) + u) / self.levels, 1 / self.levels
        inside = self.margin + (1 - 2 * self.margin) * y
        log_slopes = math.log(slope * (1 - 2 * self.margin)) - torch.log(inside * (1 - inside))  # d logit(q) / dq = 1 / (q (1 - q))
        return torch.logit(inside), log_slopes.flatten(1).sum(1)

    def from_logit(self, v: Tensor) -> Tensor:
        """Pictures of v: the inverse of `to_logit` with u = 1/2, so that the nearest level is the bin that y lies in."""
        y = (torch.sigmoid(v) - self.margin) / (1 - 2 * self.margin)
        if self.levels is None:
            return 2 * y - 1
        return (y * self.levels - 0.5) * (2 / (self.levels - 1)) - 1


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
        self.networks = nn.ModuleList(Network(half, width) for _ in range(couplings))

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


class Network(nn.Module):
    """s and t of one half, given the other: each (B, *half).

    The half is cut into tiles; their values are the channels of residual 3x3 convolutions over the grid of tiles, which are
    dense layers where there is one tile. s = gain tanh(.) with a learned gain a channel (section 4.1), zero at first as t is.
    """

    blocks = 2

    def __init__(self, half: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.size, self.tile = half, tile_side(half)
        values = half[0] * self.tile**2
        self.dense = half[1] == half[2] == self.tile
        self.enter = self._layer(values, width, 1)
        self.middle = nn.ModuleList(self._layer(width, width, 3) for _ in range(self.blocks))
        self.leave = self._layer(width, 2 * values, 1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)
        self.gain = nn.Parameter(torch.ones(half[0], 1, 1))

    def forward(self, c: Tensor) -> tuple[Tensor, Tensor]:
        h = self.enter(c.flatten(1) if self.dense else F.pixel_unshuffle(c, self.tile))
        for layer in self.middle:
            h = h + layer(F.relu(h))
        h = self.leave(F.relu(h))
        h = h.unflatten(1, (2 * self.size[0], *self.size[1:])) if self.dense else F.pixel_shuffle(h, self.tile)
        s, t = h.chunk(2, 1)
        return self.gain * torch.tanh(s), t

    def _layer(self, inputs: int, outputs: int, kernel: int) -> nn.Linear | nn.Conv2d:
        if self.dense:
            return nn.Linear(inputs, outputs)
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def scale_sizes(shape: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(C, H, W) at each scale's entry, fine to coarse: channels double and sides halve while a further squeeze is possible."""
    channels, height, breadth = shape
    sizes = [(channels, height, breadth)]
    while min(height, breadth) > SMALLEST and height % 4 == 0 and breadth % 4 == 0:
        channels, height, breadth = 2 * channels, height // 2, breadth // 2
        sizes.append((channels, height, breadth))
    return sizes


def tile_side(half: tuple[int, int, int]) -> int:
    """Side of the largest square tile that divides both sides and has at most `TILE_VALUES` values, or 1."""
    channels, height, breadth = half
    common = math.gcd(height, breadth)
    sides = (side for side in range(common, 1, -1) if common % side == 0 and channels * side**2 <= TILE_VALUES)
    return next(sides, 1)


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
