"""Embeddings of continuous numbers, such as a diffusion's time."""

import math

import torch
from torch import Tensor, nn


def sinusoidal(positions: Tensor, size: int, longest: float = 10_000.0) -> Tensor:
    """Sines and cosines of positions (B,) at size / 2 geometric wavelengths, (B, size).

    The angular frequencies fall from 1 to 1 / longest (Vaswani et al. 2017, arXiv:1706.03762, section 3.5).

    >>> sinusoidal(torch.zeros(1), 4)
    tensor([[0., 0., 1., 1.]])
    """
    if size % 2:
        raise ValueError(f"a sinusoidal embedding needs an even size, not {size}")
    half = size // 2
    exponents = torch.arange(half, dtype=positions.dtype, device=positions.device) / max(1, half - 1)
    angles = positions[:, None] * torch.exp(-math.log(longest) * exponents)  # (B, size / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class TimeEmbedding(nn.Module):
    """Time in [0, 1], (B,), to a learned embedding (B, size): sinusoids of 1000 t, then a layer of SiLU units.

    (Ho et al. 2020, appendix B; the factor 1000 lets continuous time use the frequencies made for T = 1000 steps.)
    """

    def __init__(self, size: int, frequencies: int = 32) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.layers = nn.Sequential(nn.Linear(frequencies, size), nn.SiLU(), nn.Linear(size, size))

    def forward(self, time: Tensor) -> Tensor:
        embedded: Tensor = self.layers(sinusoidal(1000.0 * time, self.frequencies))
        return embedded
