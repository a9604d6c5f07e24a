"""Monotone rational-quadratic splines of the line with identity tails (Durkan et al. 2019, arXiv:1906.04032, section 3.1).

A spline maps [-B, B] onto itself by K bins, and is the identity outside, which it meets with slope 1. Between the knots
(x_k, y_k) and (x_k+1, y_k+1), where its slopes are d_k and d_k+1, with w, h the bin's width and height, s = h / w and
q = (x - x_k) / w in [0, 1]:

    y = y_k + h (s q^2 + d_k q (1 - q)) / (s + (d_k+1 + d_k - 2 s) q (1 - q))                                        (eq. 4)
    dy/dx = s^2 (d_k+1 q^2 + 2 s q (1 - q) + d_k (1 - q)^2) / (s + (d_k+1 + d_k - 2 s) q (1 - q))^2                  (eq. 5)

and the inverse is the root of a quadratic a q^2 + b q + c = 0 that lies in [0, 1], q = 2 c / (-b - sqrt(b^2 - 4 a c))
                                                                                                             (appendix A)
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_BIN = 1e-4
"""Smallest width and height of a bin, as a share of the interval."""
SMALLEST_SLOPE = 1e-3
SLOPE_AT_ZERO = 0.5413248546  # log(e - 1): softplus of it is 1


@dataclass(frozen=True)
class Spline:
    """One spline an item: knots x and y (..., K + 1), from -B to B, and their slopes (..., K + 1), of which the ends are 1."""

    x: Tensor
    y: Tensor
    slopes: Tensor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx of x (...)."""
        x_k, y_k, w, h, d, e = self._bin(self.x, x)
        q, s = ((x - x_k) / w).clamp(0, 1), h / w
        p = q * (1 - q)
        below = s + (e + d - 2 * s) * p
        y = y_k + h * (s * q**2 + d * p) / below
        log_slope = 2 * s.log() + (e * q**2 + 2 * s * p + d * (1 - q) ** 2).log() - 2 * below.log()
        inside = self._inside(x)
        return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)

    def inverse(self, y: Tensor) -> Tensor:
        """The x of y (...)."""
        x_k, y_k, w, h, d, e = self._bin(self.y, y)
        r, s = ((y - y_k) / h).clamp(0, 1), h / w
        t = r * (e + d - 2 * s)
        a, b, c = s - d + t, d - t, -s * r
        q = 2 * c / (-b - (b**2 - 4 * a * c).clamp_min(0).sqrt())
        return torch.where(self._inside(y), x_k + w * q, y)

    def _bin(self, knots: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        """Of the bin that holds each value: its left knot x_k and y_k, width, height, slopes at its left and right."""
        k = (value[..., None] >= knots[..., 1:-1]).sum(-1, keepdim=True)  # (..., 1), 0 to K - 1
        x_k, y_k, d = (of.gather(-1, k)[..., 0] for of in (self.x, self.y, self.slopes))
        x_next, y_next, e = (of.gather(-1, k + 1)[..., 0] for of in (self.x, self.y, self.slopes))
        return x_k, y_k, x_next - x_k, y_next - y_k, d, e

    def _inside(self, value: Tensor) -> Tensor:
        return (value > self.x[..., 0]) & (value < self.x[..., -1])


def spline(free: Tensor, bound: float) -> Spline:
    """The splines of free numbers (..., 3 K - 1): K widths, K heights, K - 1 inner slopes; zeros give the identity."""
    bins = (free.shape[-1] + 1) // 3
    widths, heights, slopes = free.split([bins, bins, bins - 1], dim=-1)
    slopes = SMALLEST_SLOPE + (1 - SMALLEST_SLOPE) * F.softplus(slopes + SLOPE_AT_ZERO)
    return Spline(_knots(widths, bound), _knots(heights, bound), F.pad(slopes, (1, 1), value=1.0))


def _knots(free: Tensor, bound: float) -> Tensor:
    """Knots (..., K + 1) from -bound to bound, whose distances are a softmax of (..., K) with a floor."""
    shares = SMALLEST_BIN + (1 - SMALLEST_BIN * free.shape[-1]) * free.softmax(-1)
    inner = bound * (2 * shares[..., :-1].cumsum(-1) - 1)
    return F.pad(F.pad(inner, (1, 0), value=-bound), (0, 1), value=bound)
