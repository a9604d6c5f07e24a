"""Levels as real numbers for a flow, by uniform dequantisation and a logit, and the likelihood bound that follows.

Levels k in 0..L-1 become y = (k + u) / L, u ~ U[0, 1)^D, and v = logit(a + (1 - 2 a) y)  (Dinh et al. 2016, arXiv:1605.08803,
section 4.1). An invertible f maps v to z ~ N(0, I): log p(v) = log N(f(v)) + log |det df/dv|        (eq. 3).

    log P(k) >= E_u log p(y) - D log L,    as P(k) is the integral of p(y) over the bin   (Theis et al. 2015, arXiv:1511.01844, 3.1)

The margin a lets y leave [0, 1]: rounding puts that mass on the end levels, where the bound does not count it, so that it
remains a bound for what is sampled. Continuous data in [-1, 1] (L = None) takes the logit alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from paragone.models.contract import Likelihood

FlowFunction = Callable[[Tensor], tuple[Tensor, Tensor]]
"""f: v (B, C, H, W) to z (B, D) and the log-determinant (B,)."""
LIKELIHOOD_SEED = 0
"""Of the draws of u in `log_prob`, which is a fixed function of x and the weights."""


@dataclass(frozen=True)
class LogitBins:
    """Pictures x in [-1, 1] of `levels` equally spaced values (None: continuous) <-> v, with the margin a."""

    levels: int | None
    margin: float

    def to_logit(self, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """v (B, C, H, W) of pictures x in [-1, 1], and the log of the volume ratio dv/dk (B,), or dv/dx for continuous data."""
        if self.levels is None:
            y, slope = (x + 1) / 2, 1 / 2
        else:
            y, slope = (torch.round((x + 1) * ((self.levels - 1) / 2)) + u) / self.levels, 1 / self.levels
        inside = self.margin + (1 - 2 * self.margin) * y
        log_slopes = math.log(slope * (1 - 2 * self.margin)) - torch.log(inside * (1 - inside))  # d logit(q) / dq = 1 / (q (1 - q))
        return torch.logit(inside), log_slopes.flatten(1).sum(1)

    def from_logit(self, v: Tensor) -> Tensor:
        """Pictures of v: the inverse of `to_logit` with u = 1/2, so that the nearest level is the bin that y lies in."""
        y = (torch.sigmoid(v) - self.margin) / (1 - 2 * self.margin)
        if self.levels is None:
            return 2 * y - 1
        return (y * self.levels - 0.5) * (2 / (self.levels - 1)) - 1

    def log_likelihood(self, flow: FlowFunction, x: Tensor, u: Tensor) -> Tensor:
        """log p(y) - D log L of the dequantised pictures, (B,), nats; for continuous data log p(x)."""
        v, log_slope = self.to_logit(x, u)
        z, log_determinant = flow(v)
        log_normal = -0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))
        return log_normal + log_determinant + log_slope

    def log_prob(self, flow: FlowFunction, x: Tensor, draws: int) -> Likelihood:
        """The bound with K draws of u, log 1/K sum_k p(y_k) - D log L: on average no looser than one draw's (Burda 2015, eq. 8)."""
        generator = torch.Generator(x.device).manual_seed(LIKELIHOOD_SEED)
        # The draws are shared by all items, so that an item's value does not depend on what is beside it in the batch.
        u = torch.rand(draws, *x.shape[1:], generator=generator, device=x.device, dtype=x.dtype)
        log_p = torch.stack([self.log_likelihood(flow, x, one) for one in u])  # (K, n)
        return Likelihood(log_p.logsumexp(0) - math.log(draws), exact=False)
