"""Does a learned density of the plane integrate to 1? What is missing was leaked: put where the model cannot say so.

Midpoint sum of exp(log_prob) over a grid of squares of side `SIDE` on [-REACH, REACH]^2: the data has variance 1, its narrowest
modes a standard deviation of 1.2 `SIDE` or more, at which the sum over a Gaussian is exact to 1e-10. Only exact densities are
asked.
"""

import numpy as np
import torch

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject

SIDE = 0.0115
REACH = 4.0
BATCH = 20_000


def measures(subject: Subject) -> Measures:
    """`density_integral`; no value where the log-likelihood is a bound."""
    return {"density_integral": lambda: _integral(subject)}


def _integral(subject: Subject) -> Finding:
    exact = subject.contender.log_prob(subject.unit(subject.dataset.validation)[:2]).exact
    if not exact:
        raise NotMeasurable("the log-likelihood is a bound: its exponential is no density")
    side = np.arange(-REACH + SIDE / 2, REACH, SIDE, dtype=np.float32)
    total = 0.0
    for row in torch.from_numpy(side).to(subject.device).split(BATCH // len(side)):
        points = torch.cartesian_prod(row, torch.from_numpy(side).to(subject.device))
        total += float(subject.contender.log_prob(points).log_prob.double().exp().sum())
    return Finding(total * SIDE**2, f"midpoint sum, squares of side {SIDE}, within {REACH:g} of 0", len(side) ** 2)


DENSITY: Probe[Subject] = Probe(("density_integral",), lambda abilities: "log_prob" in abilities, measures, ("points",))
