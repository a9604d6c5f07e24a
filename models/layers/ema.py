"""Exponential moving average of weights: average <- d average + (1 - d) weights, with the decay warmed up.

Early in training the average follows the weights closely: d_k = min(decay, (1 + k) / (10 + k)) at step k.
"""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class WeightAverage(nn.Module, Generic[M]):
    """A copy of a module that follows it; its parameters take no gradient, so they do not count as trained."""

    def __init__(self, module: M, decay: float) -> None:
        super().__init__()
        if not 0 <= decay <= 1:
            raise ValueError(f"decay {decay} of the weight average must lie in [0, 1], such as 0.999")
        self.module: M = copy.deepcopy(module).requires_grad_(False)
        self.decay = decay
        self.steps = 0  # a plain number: reading a tensor would make the host wait for the device at every step

    @torch.no_grad()
    def follow(self, source: M) -> None:
        """One step of the recurrence on every parameter; buffers (such as batch statistics) are copied."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.module.parameters()), list(source.parameters()), 1 - decay)
        for mine, theirs in zip(self.module.buffers(), source.buffers(), strict=True):
            mine.copy_(theirs)
        self.steps += 1

    def get_extra_state(self) -> Tensor:
        """The number of steps as a tensor, so that it is saved beside the weights."""
        return torch.tensor(self.steps)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the number of steps, so that an average that is loaded goes on as it would have."""
        self.steps = int(state)
