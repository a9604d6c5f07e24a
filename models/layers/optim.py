"""Learning rates that depend on the share of the budget spent, and on nothing else."""

import math

import torch


def set_learning_rate(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the rate of every parameter group; pass it already multiplied by the contender's `learning_rate_factor`."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate


def warm_up(progress: float, share: float = 0.02) -> float:
    """Factor in (0, 1] that rises linearly over the first `share` of the budget, then stays at 1; share 0: no warm-up.

    It starts a little above 0, so that the first update moves something.
    """
    return min(1.0, (progress + 1e-3) / share) if share > 0 else 1.0


def cosine(progress: float, end: float = 0.0) -> float:
    """Factor that falls from 1 at progress 0 to `end` at progress 1 along half a cosine (Loshchilov and Hutter 2016)."""
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
