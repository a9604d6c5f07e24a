"""The network of an affine coupling over maps, and the sizes of a flow's scales.

A map is cut into tiles, because a picture of 8x8 is one tile and its couplings are then dense, several times faster on a CPU
than 3x3 convolutions.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST = 4
"""Side in pixels at which no further scale is split off (Dinh et al. 2016, section 3.6: the last scale has 4x4 variables)."""
TILE_VALUES = 256
"""Most values of a half that form one tile. A map of MNIST is one tile or four, at six times the steps a second of 64 values."""


class TiledCoupling(nn.Module):
    """Log-scale s and shift t of one half of the variables, given the other: each (B, *half).

    The half is cut into tiles; their values are the channels of residual 3x3 convolutions over the grid of tiles, which are
    dense layers where there is one tile. s = gain tanh(.) with a learned gain a channel (Dinh section 4.1), zero at first as
    t is.
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
