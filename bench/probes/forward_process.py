"""Does the forward process keep its variance, and does it end in a standard Gaussian that knows nothing of the data?

A Gaussian forward process is x_t = a_t x + s_t e, e ~ N(0, I). At the end a_T = 0 and s_T = 1 are wanted; a variance-preserving
one has a_t^2 + s_t^2 = 1 at all times (Ho et al. 2020, arXiv:2006.11239, eq. 4). Both are read from noised training items alone.

With V values noised in all, standard errors under a perfect process are: mean 1 / sqrt(V); standard deviation 1 / sqrt(2 V);
correlation, taken over all pixels together after each pixel's mean is removed, 1 / sqrt(V). At a time, a = <x, x_t> / <x, x> has
s / |x|, s^2 = mean |x_t - a x|^2 has s^2 sqrt(2 / V), so a^2 + s^2 has sqrt((2 a s / |x|)^2 + 2 s^4 / V). Four standard errors
are taken off each gap, and what is left is never below 0: a perfect process reads 0 (one draw in a thousand does not), and of a
wrong one the gap is a lower bound.
"""

import math

import torch
from torch import Tensor

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject

VALUES = 1 << 19
"""Values noised at each time: items are repeated, or fewer of them are taken, until there are about so many."""
TIMES = tuple(k / 10 for k in range(1, 10))
STANDARD_ERRORS = 4.0
"""Twelve gaps are looked at: with three, one perfect process in thirty would not read 0."""
NOTE = f"less {STANDARD_ERRORS:g} standard errors"


def measures(subject: Subject) -> Measures:
    """`forward_end_gap` and `forward_variance_gap`, whose repeats are a^2 + s^2 at the nine times."""
    x = _items(subject)
    return {"forward_end_gap": lambda: _end_gap(subject, x), "forward_variance_gap": lambda: _variance_gap(subject, x)}


def _items(subject: Subject) -> Tensor:
    """Training items (n, *shape), repeated or shortened to about `VALUES` values."""
    x = subject.unit(subject.dataset.train)
    n = max(1, VALUES // x[0].numel())
    return x.repeat(-(-n // len(x)), *[1] * (x.dim() - 1))[:n]


def _end_gap(subject: Subject, x: Tensor) -> Finding:
    draws = subject.torch_draws("forward end")
    end = subject.contender.corrupt(x, 1.0, draws).double().flatten(1)
    clean = x.double().flatten(1)
    centred, noise = clean - clean.mean(0), end - end.mean(0)
    if not bool(centred.any()):
        raise NotMeasurable("all training items are the same")
    correlation = (centred * noise).sum() / (centred.norm() * noise.norm())
    one = 1 / math.sqrt(end.numel())
    gaps = {
        "mean": abs(float(end.mean())) - STANDARD_ERRORS * one,
        "deviation": abs(float(end.std()) - 1) - STANDARD_ERRORS * one / math.sqrt(2),
        "correlation": abs(float(correlation)) - STANDARD_ERRORS * one,
    }
    worst = max(gaps, key=lambda name: gaps[name])
    return Finding(max(0.0, gaps[worst]), f"largest gap: {worst}; {NOTE}", len(x))


def _variance_gap(subject: Subject, x: Tensor) -> Finding:
    draws = subject.torch_draws("forward variance")
    clean = x.double()
    totals, gaps = [], []
    for time in TIMES:
        a, variance = fitted(clean, subject.contender.corrupt(x, time, draws).double())
        error = math.sqrt(4 * a**2 * variance / float(clean.square().sum()) + 2 * variance**2 / clean.numel())
        totals.append(a**2 + variance)
        gaps.append(max(0.0, abs(totals[-1] - 1) - STANDARD_ERRORS * error))
    return Finding(max(gaps), f"largest over {len(TIMES)} times, {NOTE}; repeats are a^2 + s^2", len(x), tuple(totals))


def fitted(x: Tensor, noised: Tensor) -> tuple[float, float]:
    """a and s^2 of x_t = a x + s e by least squares over all values of x (n, *shape) and x_t (n, *shape)."""
    a = float((x * noised).sum() / x.square().sum())
    residual = torch.sub(noised, x, alpha=a)
    return a, float(residual.square().mean())


FORWARD_PROCESS: Probe[Subject] = Probe(
    ("forward_end_gap", "forward_variance_gap"), lambda abilities: "corrupt" in abilities, measures
)
