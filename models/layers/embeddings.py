"""Embeddings of continuous numbers, such as a diffusion's time or a point's coordinates."""

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


class Waves(nn.Module):
    """Numbers x (B, inputs) beside sines and cosines of w x, 2 w x, 4 w x .. : (B, outputs), outputs = inputs (1 + 2 octaves).

    Without them a perceptron learns fine structure late (Tancik et al. 2020, arXiv:2006.10739).

    Args:
        inputs: how many numbers an item has.
        octaves: how many frequencies; with 0 only x is left.
        lowest: w, the angular frequency of the first.
        fall: the k-th octave's waves have the amplitude fall^k.
    """

    def __init__(self, inputs: int, octaves: int, lowest: float = math.pi, fall: float = 1.0) -> None:
        super().__init__()
        self.outputs = inputs * (1 + 2 * octaves)
        k = torch.arange(octaves, dtype=torch.float32)
        self.register_buffer("frequencies", lowest * 2.0**k, persistent=False)
        self.register_buffer("amplitudes", (fall**k).repeat(inputs), persistent=False)
        self.frequencies: Tensor
        self.amplitudes: Tensor

    def forward(self, x: Tensor) -> Tensor:
        angles = (x[:, :, None] * self.frequencies).flatten(1)
        return torch.cat([x, self.amplitudes * angles.sin(), self.amplitudes * angles.cos()], dim=1)
