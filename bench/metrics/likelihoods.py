"""What a learned likelihood says: bits a dimension of discrete data, the gap to the true density where that is known."""

import math

import numpy as np
from torch import Tensor

from paragone.bench.data.dataset import Dataset
from paragone.bench.data.points import PointsDataset
from paragone.bench.metrics.table import METRICS, split_share
from paragone.bench.records import Measurement
from paragone.models import Contender, NotTrained

BATCH = 250
BITS, GAP = "bits_per_dim", "log_density_gap"


def likelihood_metric(dataset: Dataset) -> str:
    """The metric in which likelihoods on this dataset are told."""
    return GAP if isinstance(dataset, PointsDataset) else BITS


def likelihood(contender: Contender, dataset: Dataset, name: str, x: Tensor) -> Measurement:
    """The likelihood of items x (n, *shape), as contenders see them, under `name`, a metric of likelihood at a budget share.

    Bits/dim are -log2 P(x) / D: 0 is certainty, log2 L a uniform guess. The gap is the mean of the true log-density less the
    learned one, in nats: an estimate of the KL divergence from the data. The contender must be in evaluation.
    """
    unit = METRICS[split_share(name)[0]].unit
    try:
        nats, exact = _mean_log_prob(contender, x)
    except NotTrained as error:
        return Measurement(metric=name, value=None, unit=unit, source=f"too early: {error}")
    except NotImplementedError as error:
        return Measurement(metric=name, value=None, unit=unit, source=f"unsupported: {error}")
    if isinstance(dataset, PointsDataset):
        value = float(dataset.mixture.log_density(x.cpu().double().numpy()).mean()) - nats
        bound = "bound (never below the exact figure)"
    else:
        value, bound = -nats / (math.log(2) * x[0].numel()), "bound (never below the exact figure)"
    if not np.isfinite(value):
        return Measurement(metric=name, value=None, unit=unit, source="not finite")
    return Measurement(metric=name, value=value, unit=unit, source="exact" if exact else bound, n=len(x))


def _mean_log_prob(contender: Contender, x: Tensor) -> tuple[float, bool]:
    """Mean log-likelihood of an item in nats, and whether it is exact."""
    total, exact = 0.0, True
    for part in x.split(BATCH):
        found = contender.log_prob(part)
        total += float(found.log_prob.double().sum())
        exact = exact and found.exact
    return total / len(x), exact
