"""Gated PixelCNN (van den Oord et al. 2016, arXiv:1606.05328) with exact likelihood and cached sampling.

Image x of levels 0..L-1, (B, C, H, W); pixels in raster order, channels in order within a pixel:

    P(x) = prod_i prod_c P(x_ic | pixels before i, channels of pixel i before c)                           (eq. 1 and 2)

Two stacks of masked convolutions see the pixels before i without a blind spot (section 2.2): the vertical stack v sees
the rows above, the horizontal stack h the pixels to the left and, through v, the rows above. Each layer is gated:

    y = tanh(W_f * x) . sigmoid(W_g * x)                                                                   (eq. 3)

The first convolutions look at images shifted by one row (v) and one column (h), so every later kernel may include its
own position. P(x_ic | .) is a softmax over the L levels: exact for any discrete data, hence `exact=True`.
Sampling keeps one row of each vertical layer and one pixel of each horizontal layer: the work for a pixel is that of one
position of the network, whatever the size of the image.
Optimisers: Muon and Adam (models/layers/muon.py names the sources); rates, batch size, average and number of layers were
chosen on the digits' validation split.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.levels import draw_level, hats, level_of, value_of
from paragone.models.layers.muon import Muon
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

ADAM_RATE = 4e-3
MUON_RATE = 1.5e-2
AVERAGE_DECAY = 0.99
LAYERS = 6
KNOTS = 17
"""Most hat functions that describe a level to the network; 17 levels or fewer are so told apart one by one."""


@register("pixelcnn", family="autoregressive", modalities=("image",))
class PixelCNN(Contender):
    """Softmax over levels, each given all pixels before it."""

    batch_size = 16
    autocast = True  # 1.985 bits/dim with, 1.981 without, FID 3.0 and 3.1, sd 0.01 and 0.2 over 3 seeds of 600 updates on digits

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        if spec.levels is None:
            raise ValueError("pixelcnn models discrete levels, and this data's `levels` is None: quantise it first")
        self.network = _Network(spec.shape, spec.levels, width)
        self.average = WeightAverage(self.network, AVERAGE_DECAY)
        # Muon for the kernels of the hidden layers; Adam for the first and last layers, places and biases.
        hidden = [p for p in self.network.layers.parameters() if p.ndim > 1]
        chosen = {id(p) for p in hidden}
        rest = [p for p in self.network.parameters() if id(p) not in chosen]
        self.muon = Muon(hidden, lr=MUON_RATE)
        self.adam = torch.optim.Adam(rest, lr=ADAM_RATE, betas=(0.9, 0.99), fused=True)

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        rate = warm_up(progress) * cosine(progress) * self.learning_rate_factor
        set_learning_rate(self.muon, MUON_RATE * rate)
        set_learning_rate(self.adam, ADAM_RATE * rate)
        nats = -self.network.log_prob(batch.x).mean()
        self.network.zero_grad()
        nats.backward()
        self.muon.step()
        self.adam.step()
        self.average.follow(self.network)
        return {"nats": nats.detach()}

    def log_prob(self, x: Tensor) -> Likelihood:
        return Likelihood(self.average.module.log_prob(x), exact=True)

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        self.choose_sampler(sampler)
        return self.average.module.sample(n, generator)


class _Network(nn.Module):
    """Maps images to logits of every level of every value."""

    def __init__(self, shape: tuple[int, ...], levels: int, width: int) -> None:
        super().__init__()
        self.shape, self.levels = shape, levels
        channels, height, columns = shape
        knots = min(levels, KNOTS)
        self.register_buffer("knots", torch.linspace(-1, 1, knots))
        self.knots: Tensor
        self.above = nn.Conv2d(channels * knots, width, (2, 5))
        self.left = nn.Conv2d(channels * knots, width, (1, 3))
        self.row = nn.Parameter(torch.zeros(width, height, 1))
        self.column = nn.Parameter(torch.zeros(width, 1, columns))
        self.layers = nn.ModuleList(_GatedLayer(width) for _ in range(LAYERS))
        self.head = _Head(channels, knots, levels, width)

    @property
    def stack(self) -> list["_GatedLayer"]:
        """The layers, first to last, with their type."""
        return cast("list[_GatedLayer]", list(self.layers))

    def hats(self, x: Tensor) -> Tensor:
        """Coordinates of values (..., channels) -> (..., channels * knots)."""
        return hats(x, self.knots).flatten(-2)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> logits (B, H, W, C, L)."""
        seen = self.hats(x.permute(0, 2, 3, 1))
        image = seen.permute(0, 3, 1, 2)  # (B, C knots, H, W), channels last in memory
        place = self.row + self.column
        v = self.above(F.pad(image, (2, 2, 2, -1))) + place
        h = self.left(F.pad(image, (3, -1))) + place
        for layer in self.layers:
            v, h = layer(v, h)
        logits: Tensor = self.head(h.permute(0, 2, 3, 1), seen)
        return logits

    def log_prob(self, x: Tensor) -> Tensor:
        """log P of images (B, C, H, W) in nats, (B,)."""
        target = level_of(x, self.levels).permute(0, 2, 3, 1)
        logits = self(x).to(self.knots.dtype)  # under autocast they come in bfloat16
        nats = F.cross_entropy(logits.flatten(0, 3), target.flatten(), reduction="none")
        return -nats.view(len(x), -1).sum(1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Images (n, C, H, W), pixel by pixel in raster order."""
        channels, height, columns = self.shape
        image = self.knots.new_zeros(n, channels, height, columns)
        # Two rows above the image and margins of three at its sides, where the first kernels find their zeros.
        seen = self.knots.new_zeros(n, self.left.in_channels, height + 2, columns + 6)
        rows = [self.knots.new_zeros(n, len(self.row), 1, columns + 2) for _ in self.layers]
        for r in range(height):
            v = self.above(seen[:, :, r : r + 2, 1:-1]) + (self.row + self.column)[:, r : r + 1]
            sources = []
            for i, layer in enumerate(self.stack):
                padded = F.pad(v, (1, 1))
                v, source = layer.vertical_step(v, torch.cat([rows[i], padded], 2))
                rows[i] = padded
                sources.append(source)
            self._sample_row(r, image, seen, sources, generator)
        return image

    def _sample_row(self, r: int, image: Tensor, seen: Tensor, sources: list[Tensor], generator: torch.Generator) -> None:
        """Fill row r of `image` and of its padded coordinates `seen`, given each layer's vertical part of that row."""
        n, columns = len(image), image.shape[3]
        before = [image.new_zeros(n, len(self.row)) for _ in self.layers]
        weight, place = self.left.weight.flatten(1), (self.row + self.column)[:, r]
        for c in range(columns):
            window = seen[:, :, r + 2, c : c + 3].flatten(1)
            h = F.linear(window, weight, self.left.bias) + place[:, c]
            for i, layer in enumerate(self.stack):
                before[i], h = h, layer.horizontal_step(h, before[i], sources[i][:, :, 0, c])
            for k in range(image.shape[1]):
                logits = self.head.channel(k, h, seen[:, :, r + 2, c + 3]).to(image.dtype)  # bfloat16 would not sum to 1
                image[:, k, r, c] = value_of(draw_level(logits, generator), self.levels)
                seen[:, :, r + 2, c + 3] = self.hats(image[:, :, r, c])


class _GatedLayer(nn.Module):
    """One layer of both stacks (figure 2): v and h (B, width, H, W) -> the same shapes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vertical = nn.Conv2d(width, 2 * width, (2, 3))
        self.across = nn.Conv2d(width, 2 * width, 1, bias=False)
        self.horizontal = nn.Conv2d(width, 2 * width, (1, 2))
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        v = v + _gate(self.vertical(F.pad(v, (1, 1, 1, 0))))
        return v, h + self.out(_gate(self.horizontal(F.pad(h, (1, 0))) + self.across(v)))

    def vertical_step(self, v: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
        """One row: v (n, width, 1, W) and its two padded rows -> the new v, and what it sends to the horizontal stack."""
        v = v + _gate(self.vertical(window))
        return v, self.across(v)

    def horizontal_step(self, h: Tensor, before: Tensor, source: Tensor) -> Tensor:
        """One pixel: h and its left neighbour (n, width), and what the vertical stack sends (n, 2 width) -> the new h."""
        window = torch.stack([before, h], 2).flatten(1)
        y = _gate(F.linear(window, self.horizontal.weight.flatten(1), self.horizontal.bias) + source)
        return h + F.linear(y, self.out.weight.flatten(1), self.out.bias)


class _Head(nn.Module):
    """Logits of each channel's level, given the features of the pixel and the channels before."""

    def __init__(self, channels: int, knots: int, levels: int, width: int) -> None:
        super().__init__()
        self.knots = knots
        self.features = nn.ModuleList(nn.Linear(width + c * knots, width) for c in range(channels))
        self.logits = nn.ModuleList(nn.Linear(width, levels) for _ in range(channels))

    def channel(self, c: int, h: Tensor, seen: Tensor) -> Tensor:
        """Features (..., width) and coordinates of the pixel (..., C knots) -> logits of channel c, (..., L)."""
        given = torch.cat([h, seen[..., : c * self.knots]], -1)
        out: Tensor = self.logits[c](F.relu(self.features[c](F.relu(given))))
        return out

    def forward(self, h: Tensor, seen: Tensor) -> Tensor:
        return torch.stack([self.channel(c, h, seen) for c in range(len(self.logits))], -2)


def _gate(y: Tensor) -> Tensor:
    """Equation 3: (B, 2 width, ...) -> (B, width, ...)."""
    f, g = y.chunk(2, 1)
    return torch.tanh(f) * torch.sigmoid(g)
