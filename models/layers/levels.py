"""Discrete levels as an autoregressive model of them needs it: what the network is told of a value, its target, its draw.

Levels 0 .. L-1 stand for the values -1 + 2 k / (L - 1).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def hats(x: Tensor, knots: Tensor) -> Tensor:
    """Piecewise linear coordinates of values (...), (..., knots): two neighbours at most are not 0, all sum to 1 within the knots.

    >>> hats(torch.tensor([-1.0, 0.25]), torch.tensor([-1.0, 0.0, 1.0]))
    tensor([[1.0000, 0.0000, 0.0000],
            [0.0000, 0.7500, 0.2500]])
    """
    spacing = knots[1] - knots[0]
    return F.relu(1 - (x.unsqueeze(-1) - knots).abs() / spacing)


def level_of(x: Tensor, levels: int) -> Tensor:
    """Values -> their levels, int64."""
    return ((x + 1) * ((levels - 1) / 2)).round().long()


def value_of(level: Tensor, levels: int) -> Tensor:
    """Levels -> their values in [-1, 1]."""
    return level * (2 / (levels - 1)) - 1


def draw_level(logits: Tensor, generator: torch.Generator) -> Tensor:
    """One level for each row of logits (n, L), by inversion of the distribution function, (n,)."""
    below = logits.softmax(-1).cumsum(-1)[:, :-1]
    at = torch.rand(len(logits), 1, generator=generator, device=logits.device)
    return (at >= below).sum(-1)
