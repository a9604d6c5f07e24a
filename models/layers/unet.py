"""A small U-Net with time embedding: images (B, C, H, W) and times (B,) or (1,) to (B, C, H, W), sides multiples of 4.

Ronneberger et al. 2015 (arXiv:1505.04597) in the form of Ho et al. 2020 (arXiv:2006.11239, appendix B): residual blocks at
each resolution, time as scale and shift of the blocks' second norm (Nichol and Dhariwal 2021, arXiv:2102.09672, appendix A).

Made for few CPU cores and 200,000 parameters: work a parameter falls four-fold with each halving of the sides, so most
channels sit at low resolutions; skips are added instead of concatenated (cheaper, and no worse where it was tried); one norm
group; one matrix makes the scales and shifts of all blocks; memory is channels-last, which about doubles the speed of narrow
convolutions. Self-attention at the lowest resolution brought nothing on 8x8 images for its time and is left out.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paragone.models.layers.embeddings import TimeEmbedding

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


class UNet(nn.Module):
    """The network, with `len(channels)` resolutions; it predicts 0 everywhere before training (last layer from zero).

    Args:
        image_channels: C of input and output.
        channels: channels of the blocks at each resolution, from the full one down; the sides halve between them.
        embedding: size of the time embedding, to which `condition` (B, embedding) is added where it is given.
    """

    def __init__(self, image_channels: int, channels: tuple[int, ...], embedding: int) -> None:
        super().__init__()
        first, above, below = channels[0], channels[:-1], channels[1:]
        self.time = TimeEmbedding(embedding)
        self.enter = nn.Conv2d(image_channels, first, 3, padding=1)
        self.down = nn.ModuleList(_Block(c) for c in above)
        self.shrink = nn.ModuleList(nn.Conv2d(c, d, 2, stride=2) for c, d in zip(above, below, strict=True))
        self.middle = nn.ModuleList(_Block(channels[-1]) for _ in range(2))
        self.grow = nn.ModuleList(nn.Conv2d(d, c, 1) for c, d in zip(above[::-1], below[::-1], strict=True))
        self.up = nn.ModuleList(_Block(c) for c in above[::-1])
        self.leave = nn.Sequential(nn.GroupNorm(1, first), nn.SiLU(), from_zero(nn.Conv2d(first, image_channels, 3, padding=1)))
        self.widths = [2 * c for c in (*above, channels[-1], channels[-1], *above[::-1])]
        self.modulation = from_zero(nn.Linear(embedding, sum(self.widths)))
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
        embedded = self.time(time) if condition is None else self.time(time) + condition
        styles = iter(self.modulation(F.silu(embedded))[:, :, None, None].split(self.widths, dim=1))
        h = self.enter(x.contiguous(memory_format=torch.channels_last))  # (B, channels[0], H, W)
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            skips.append(block(h, next(styles)))
            h = shrink(skips[-1])  # (B, next channels, half the sides)
        for block in self.middle:
            h = block(h, next(styles))
        for block, grow in zip(self.up, self.grow, strict=True):
            h = F.interpolate(grow(h), scale_factor=2.0)  # nearest; the 1x1 convolution commutes with it and is cheaper before
            h = block(h + skips.pop(), next(styles))
        out: Tensor = self.leave(h)  # (B, C, H, W)
        return out.contiguous()

    def inner_weights(self) -> list[nn.Parameter]:
        """Weights of the convolutions between hidden maps: all but the first and the last."""
        named = self.named_parameters()
        return [weight for name, weight in named if weight.dim() == 4 and not name.startswith(("enter", "leave"))]


class _Block(nn.Module):
    """Residual block: norm, SiLU, 3x3, norm scaled and shifted by the style (B or 1, 2 channels, 1, 1), SiLU, 3x3 from zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(1, channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(1, channels), from_zero(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = style.chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        out: Tensor = x + self.conv2(F.silu(h))
        return out


def from_zero(layer: Layer) -> Layer:
    """The layer with weights and bias at zero: a residual branch that starts as the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
