"""Exponential moving average of weights: average <- d average + (1 - d) weights, with the decay warmed up.

Early in training the average follows the weights closely: d_k = min(decay, (1 + k) / (10 + k)) at step k.
"""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


class WeightAverage(nn.Module, Generic[M]):
    """A copy of a module that follows it; its parameters take no gradient, so they do not count as trained."""

    def __init__(self, module: M, decay: float) -> None:
        super().__init__()
        self.module: M = copy.deepcopy(module).requires_grad_(False)
        self.decay = decay
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.steps: torch.Tensor

    @torch.no_grad()
    def follow(self, source: M) -> None:
        """One step of the recurrence on every parameter; buffers (such as batch statistics) are copied."""
        step = int(self.steps)
        decay = min(self.decay, (1 + step) / (10 + step))
        average, current = list(self.module.parameters()), [p.detach() for p in source.parameters()]
        torch._foreach_lerp_(average, current, 1 - decay)
        for mine, theirs in zip(self.module.buffers(), source.buffers(), strict=True):
            mine.copy_(theirs)
        self.steps += 1
