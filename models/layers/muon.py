"""Muon: momentum whose matrices are made orthogonal before each step (Jordan et al. 2024; Liu et al. 2025, arXiv:2502.16982).

For a weight W (out, in x kernel) with gradient G and momentum buffer M:

    M <- m M + G            U = NS(G + m M)            W <- (1 - lr d) W - lr . 0.2 sqrt(max(out, in)) . U

NS is five steps of a Newton-Schulz iteration whose quintic drives every singular value near 1 (Jordan et al., "Muon").
The factor gives U the root-mean-square of a typical Adam step (Liu et al., section 2.2), so that one learning rate serves
both optimisers; d decays the weights apart from their gradient, as AdamW does (also section 2.2). Weights of equal shape are
stepped together: few large operations instead of many small ones.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Matrices (k, rows, columns) -> matrices of about the same singular vectors, with singular values near 1."""
    a, b, c = QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Steps weights of two or more dimensions; the first is the output."""

    def __init__(self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for weight in weights:
            alike[weight.shape].append(weight)
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([{"params": group} for group in alike.values()], defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of every weight; each needs a gradient."""
        for group in self.param_groups:
            weights: list[Tensor] = group["params"]
            gradient = torch.stack([w.grad.flatten(1) for w in weights if w.grad is not None])  # (k, out, in)
            state = self.state[weights[0]]
            if not state:
                state["momentum"] = torch.zeros_like(gradient)
            buffer = state["momentum"].mul_(group["momentum"]).add_(gradient)
            step = orthogonalise(gradient.add_(buffer, alpha=group["momentum"]))
            size = -group["lr"] * 0.2 * max(step.shape[1:]) ** 0.5
            if group["weight_decay"] > 0:
                torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            for weight, direction in zip(weights, step, strict=True):
                weight.add_(direction.view_as(weight), alpha=size)
