"""What adversarial contenders share: a generator, a discriminator, and the penalty on the discriminator's slope.

The nets follow Radford et al. 2015 (arXiv:1511.06434): the generator projects z to a coarse map and doubles it by
transposed convolutions of 4 x 4 pixels, channels halving on the way; the discriminator mirrors it with strided
convolutions, leaky ReLU of slope 0.2. Three departures; the figures are FID on the validation digits after 20 s, two seeds:
    one dense layer on either side of the coarse map: there a parameter costs one multiplication a picture, in a
        convolution one a pixel, and a second of training buys twice the updates;
    no normalisation (2.8, 3.0; batch norm in the generator 2.6, 2.1, within the scatter of repeated runs): the running
        statistics of batch norm do not fit averaged weights and would have to be estimated anew before sampling;
    weights of variance 2 / fan-in (He et al. 2015, arXiv:1502.01852), for Radford's 0.02 gave 3.6 and 3.5.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

COARSEST = 4
"""Sides are halved while both are even and the shorter is longer than this many pixels."""
MOST_DOUBLINGS = 3
"""Channels double with each halving of the map, at most so many times (Radford figure 1: 128 to 1024)."""
SLOPE = 0.2
"""Of the discriminator's leaky ReLU (Radford section 3)."""


class Generator(nn.Module):
    """z (B, latent) to pictures (B, C, H, W) in [-1, 1]."""

    def __init__(self, shape: tuple[int, ...], latent: int, width: int) -> None:
        super().__init__()
        channels, coarse = pyramid(shape, width)
        start = (channels[-1], *coarse)
        self.dense = nn.Sequential(
            nn.Linear(latent, 8 * width), nn.ReLU(), nn.Linear(8 * width, math.prod(start)), nn.Unflatten(1, start)
        )
        steps = pairwise(reversed(channels))  # coarse to fine
        self.up = nn.Sequential(*(m for a, b in steps for m in (nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1))))
        initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        picture: Tensor = self.up(self.dense(z)).tanh()
        return picture


class Discriminator(nn.Module):
    """Pictures (B, C, H, W) to logits (B,): the log-odds of being real."""

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        channels, coarse = pyramid(shape, width)
        steps = pairwise(channels)  # fine to coarse
        self.down = nn.Sequential(*(m for a, b in steps for m in (nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(SLOPE))))
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(channels[-1] * math.prod(coarse), 4 * width), nn.LeakyReLU(SLOPE), nn.Linear(4 * width, 1)
        )
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.dense(self.down(x)).squeeze(1)
        return logits


def pyramid(shape: tuple[int, ...], width: int) -> tuple[list[int], tuple[int, int]]:
    """Channels of the maps from the picture to the coarsest, and the size (H, W) of the coarsest: at least one halving.

    (1, 8, 8): 8 -> 4; (1, 28, 28): 28 -> 14 -> 7; (3, 64, 64): 64 -> 32 -> 16 -> 8 -> 4.
    """
    depth, height, breadth = shape
    channels = [depth]
    while height % 2 == breadth % 2 == 0 and (len(channels) == 1 or min(height, breadth) > COARSEST):
        height, breadth = height // 2, breadth // 2
        channels.append(width * 2 ** min(len(channels) - 1, MOST_DOUBLINGS))
    return channels, (height, breadth)


def initialise(net: nn.Module) -> None:
    """Biases 0, weights normal with variance 2 / fan-in, the last layer's 1 / fan-in: all maps start at unit scale."""
    layers = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
    for layer in layers:
        gain = 1.0 if layer is layers[-1] else 2.0
        nn.init.normal_(layer.weight, std=math.sqrt(gain / _fan_in(layer)))
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)


def _fan_in(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> int:
    """How many inputs meet in one output."""
    if isinstance(layer, nn.ConvTranspose2d):  # weight (in, out, k, k); with stride s, k / s pixels a side reach an output
        return layer.weight[:, 0].numel() // math.prod(layer.stride)
    return layer.weight[0].numel()


def r1_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """E |grad_x D(x)|^2 over real pictures, a scalar that can be differentiated again (Mescheder 2018, eq. 9)."""
    x = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)  # (B, C, H, W): items do not interact
    return slope.square().flatten(1).sum(1).mean()
