"""Squared Euclidean distances between two sets of features, tile by tile: no matrix of all pairs is ever held.

    |a - b|^2 = |a|^2 + |b|^2 - 2 a.b

the last as a matrix product of TILE x TILE items. Both sets are centred on one mean first, which changes no distance and keeps
the subtraction from cancelling. Arithmetic is float64 up to `FLOAT64_LIMIT` multiplications a pass, float32 beyond, where
float64 would take twice the minutes: a distance then errs by about 1e-6 of itself, and only items that close to the edge of a
ball can change sides.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TILE = 2000
FLOAT64_LIMIT = 10**11
"""Multiplications a pass, N x M x D: about four seconds of float64 on two cores."""


class Nearest(NamedTuple):
    """Squared distances (N, k), rising, and indices (N, k) of each item's k nearest others in its own set."""

    squared: Tensor
    indices: Tensor


def nearest_others(features: NDArray[np.floating], k: int) -> Nearest:
    """The k nearest others of each item of (N, D), N > k. Each pair of tiles is computed once and serves both its sides."""
    x = _centred(features, features.mean(0), len(features))
    norms = x.square().sum(1)
    squared = torch.full((len(x), k), torch.inf, dtype=x.dtype)
    index = torch.zeros((len(x), k), dtype=torch.int64)
    for rows in _tiles(len(x)):
        for columns in _tiles(len(x), start=rows.start):
            tile = _squared(x[rows], x[columns], norms[rows], norms[columns])
            if rows == columns:
                tile.fill_diagonal_(torch.inf)  # nobody is its own neighbour
            else:
                _keep_nearest(squared[columns], index[columns], tile.T, rows.start)
            _keep_nearest(squared[rows], index[rows], tile, columns.start)
    order = squared.argsort(1)
    return Nearest(squared.gather(1, order).clamp_(min=0.0), index.gather(1, order))  # rounding may leave -1e-13


def squared_tiles(one: NDArray[np.floating], two: NDArray[np.floating]) -> Iterator[tuple[slice, slice, Tensor]]:
    """Tiles of the squared distances of (N, D) to (M, D): rows of `one`, columns of `two`, (rows, columns) of distances."""
    mean = two.mean(0)
    a, b = _centred(one, mean, len(two)), _centred(two, mean, len(one))
    norms_a, norms_b = a.square().sum(1), b.square().sum(1)
    for rows in _tiles(len(a)):
        for columns in _tiles(len(b)):
            yield rows, columns, _squared(a[rows], b[columns], norms_a[rows], norms_b[columns])


def _tiles(n: int, start: int = 0) -> Iterator[slice]:
    for at in range(start, n, TILE):
        yield slice(at, min(at + TILE, n))


def _centred(features: NDArray[np.floating], mean: NDArray[np.floating], others: int) -> Tensor:
    """Features less `mean` in the precision that a pass against so many others gets; filled tile by tile, to spare a copy."""
    dtype = torch.float64 if features.size * others <= FLOAT64_LIMIT else torch.float32
    centred = torch.empty(features.shape, dtype=dtype)
    for rows in _tiles(len(features)):
        centred[rows] = torch.from_numpy(features[rows] - mean)
    return centred


def _squared(a: Tensor, b: Tensor, norms_a: Tensor, norms_b: Tensor) -> Tensor:
    return torch.addmm(norms_b, a, b.T, alpha=-2.0).add_(norms_a[:, None])


def _keep_nearest(squared: Tensor, index: Tensor, tile: Tensor, offset: int) -> None:
    """Merge a tile (B, C), whose columns are the items from `offset` on, into the nearest (B, k) found so far, in place."""
    k = squared.shape[1]
    nearest = tile.topk(min(k, tile.shape[1]), dim=1, largest=False)
    candidates = torch.cat([squared, nearest.values], 1)
    best = candidates.topk(k, dim=1, largest=False)
    squared.copy_(best.values)
    index.copy_(torch.cat([index, nearest.indices + offset], 1).gather(1, best.indices))
