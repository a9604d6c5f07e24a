"""Convolutional encoder and decoder between pictures and flat codes, for pictures of any size.

The encoder halves the picture (rounding up) until no side is longer than `COARSEST`, the decoder mirrors it:
8 -> 4 for digits, 28 -> 14 -> 7 -> 4 for MNIST, 64 -> 32 -> 16 -> 8 -> 4. The coarsest map is flattened between dense
layers, where most parameters lie: on a CPU a dense parameter costs one multiplication a picture, a convolutional one
costs one a pixel. No normalisation: the nets are shallow, and residual branches start at zero (Zhang et al. 2019,
arXiv:1901.09321).
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

COARSEST = 4
"""Longest side, in pixels, of the map that is flattened."""
FEWEST = 8
"""Fewest channels of a map, the coarsest excepted."""


def pyramid(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes (H, W) of the maps, from the picture itself to the coarsest: at least two."""
    sizes = [(height, width)]
    while len(sizes) < 2 or max(sizes[-1]) > COARSEST:
        sizes.append((_halved(sizes[-1][0]), _halved(sizes[-1][1])))
    return sizes


def _halved(side: int) -> int:
    return side if side <= COARSEST else (side + 1) // 2


def _strides(fine: tuple[int, int], coarse: tuple[int, int]) -> tuple[int, int]:
    """2 along a side that is halved, 1 along one that is short already."""
    return 1 + (fine[0] > coarse[0]), 1 + (fine[1] > coarse[1])


def _depths(channels: int, maps: int) -> list[int]:
    """Channels of the maps below the picture, fine to coarse: `channels` at the coarsest, half of that at the others."""
    return [max(FEWEST, channels // 2)] * (maps - 1) + [channels]


class ResidualBlock(nn.Module):
    """h + conv(silu(conv(silu(h)))), the last convolution starting at zero: the block starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, h: Tensor) -> Tensor:
        branch: Tensor = self.second(F.silu(self.first(F.silu(h))))
        return h + branch


class ConvEncoder(nn.Module):
    """Pictures (B, C, H, W) to (B, outputs): strided convolutions, a residual block, two dense layers."""

    def __init__(self, shape: tuple[int, ...], channels: int, hidden: int, outputs: int) -> None:
        super().__init__()
        sizes = pyramid(shape[1], shape[2])
        depths = [shape[0], *_depths(channels, len(sizes) - 1)]
        self.down = nn.ModuleList(
            nn.Conv2d(depths[i], depths[i + 1], 3, stride=_strides(sizes[i], sizes[i + 1]), padding=1)
            for i in range(len(sizes) - 1)
        )
        self.block = ResidualBlock(channels)
        self.hidden = nn.Linear(channels * sizes[-1][0] * sizes[-1][1], hidden)
        self.out = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = self.down[0](x)
        for convolution in list(self.down)[1:]:
            h = convolution(F.silu(h))  # (B, depth_i, H_i, W_i)
        h = F.silu(self.block(h)).flatten(1)
        out: Tensor = self.out(F.silu(self.hidden(h)))  # (B, outputs)
        return out


class ConvDecoder(nn.Module):
    """Codes (B, codes) to pictures (B, C, H, W), not bounded: the encoder's mirror.

    It enlarges by sub-pixel convolution (Shi et al. 2016, arXiv:1609.05158), cropped where a side was odd.
    """

    def __init__(self, shape: tuple[int, ...], channels: int, hidden: int, codes: int) -> None:
        super().__init__()
        self.sizes = pyramid(shape[1], shape[2])[::-1]  # coarse to fine
        depths = [*_depths(channels, len(self.sizes) - 1)[::-1], FEWEST]
        self.start = (channels, *self.sizes[0])
        self.hidden = nn.Linear(codes, hidden)
        self.spread = nn.Linear(hidden, channels * self.sizes[0][0] * self.sizes[0][1])
        self.block = ResidualBlock(channels)
        self.up = nn.ModuleList(nn.Conv2d(a, 4 * b, 3, padding=1) for a, b in pairwise(depths))
        self.out = nn.Conv2d(FEWEST, shape[0], 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.spread(F.silu(self.hidden(z))).unflatten(1, self.start)
        h = self.block(h)
        for convolution, (height, width) in zip(self.up, self.sizes[1:], strict=True):
            h = F.pixel_shuffle(convolution(F.silu(h)), 2)[..., :height, :width]
        picture: Tensor = self.out(F.silu(h))  # (B, C, H, W)
        return picture
