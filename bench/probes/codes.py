"""What are the codes good for? Compression, denoising, anomalies and class, each against as many principal components.

Principal components (fitted to the training split) are the best linear code there is in mean squared error (Baldi and Hornik
1989), so they are what a code of the same size has to beat. All errors are mean squared errors of pixels in [-1, 1], both
reconstructions cut to that cube.
    Denoising: test items with Gaussian noise of standard deviation `NOISE`, error to the clean items; both reconstruct what
        they are shown, neither is trained for this noise.
    Anomalies: test items turned by half a turn, and pictures whose upper and lower halves stem from two test items. They are
        made of real pixels and strokes, so that no statistic of single pixels gives them away: by the error of 12 to 32
        components the area under the ROC curve is .72 to .85 on digits and MNIST (independent pixels: .99, which tells nothing).
    Class: test accuracy of the same logistic regression on codes and on components.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.probes.latents import accuracy
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject

NOISE = 0.5
Rows = NDArray[np.float64]
"""Items or codes as rows, (N, D)."""


@dataclass(frozen=True)
class Components:
    """The principal components of training rows: `mean` (D,) and orthonormal `axes` (k, D)."""

    mean: Rows
    axes: Rows

    @classmethod
    def fitted(cls, rows: Rows, count: int, seed: int) -> "Components":
        """The first `count` of rows (N, D); `seed` is for the randomised solver, which large data gets."""
        from sklearn.decomposition import PCA

        pca = PCA(count, random_state=seed).fit(rows)
        return cls(pca.mean_, pca.components_)

    def encode(self, rows: Rows) -> Rows:
        """Codes (N, k) of rows (N, D)."""
        codes: Rows = (rows - self.mean) @ self.axes.T
        return codes

    def reconstruct(self, rows: Rows) -> Rows:
        """Rows (N, D) from their codes, cut to [-1, 1]."""
        return np.clip(self.encode(rows) @ self.axes + self.mean, -1.0, 1.0)


def measures(subject: Subject) -> Measures:
    """The four comparisons; no value where codes are discrete or as many numbers as the data."""
    train, test = (subject.unit(part) for part in (subject.dataset.train, subject.dataset.test))
    size = _code_size(subject, test)
    seed = int(subject.numpy_draws("components").integers(2**31))
    components = Components.fitted(_rows(train), size, seed)

    @cache
    def error() -> tuple[Rows, Rows]:
        return _errors(subject, components, test, test)

    def denoising() -> Finding:
        noise = torch.randn(test.shape, generator=subject.torch_draws("noise"), device=test.device)
        return _ratio(_errors(subject, components, test + NOISE * noise, test), f"noise of sd {NOISE}, {size} components")

    return {
        "code_probe_gain": lambda: _class_gain(subject, components, train, test),
        "compression_ratio_to_pca": lambda: _ratio(error(), f"mean squared error of the test split, {size} components"),
        "denoising_ratio_to_pca": denoising,
        "anomaly_gain_over_pca": lambda: _anomaly_gain(subject, components, test, error()),
    }


def _code_size(subject: Subject, x: Tensor) -> int:
    """How many numbers a code has."""
    z = subject.encode(x[:2])
    size, data = z[0].numel(), math.prod(x.shape[1:])
    if not z.is_floating_point():
        raise NotMeasurable("codes are discrete: no number of principal components is as many")
    if size >= data:
        raise NotMeasurable("codes are as many numbers as the data has")
    if size > len(subject.dataset.train):
        raise NotMeasurable(f"codes have {size} numbers, and so few training items have no as many components")
    return size


def _errors(subject: Subject, components: Components, shown: Tensor, wanted: Tensor) -> tuple[Rows, Rows]:
    """Squared error of each item (N,), the mean over its pixels: the contender's and the components'."""
    target = _rows(wanted)
    mine = _rows(subject.decode(subject.encode(shown)).clamp(-1, 1))
    theirs = components.reconstruct(_rows(shown))
    return ((mine - target) ** 2).mean(1), ((theirs - target) ** 2).mean(1)


def _ratio(errors: tuple[Rows, Rows], what: str) -> Finding:
    mine, theirs = (float(part.mean()) for part in errors)
    return Finding(mine / theirs, f"{what}: {mine:.4f} over {theirs:.4f}", len(errors[0]))


def _class_gain(subject: Subject, components: Components, train: Tensor, test: Tensor) -> Finding:
    labels, truth = subject.dataset.train.labels, subject.dataset.test.labels
    if labels is None or truth is None:
        raise NotMeasurable("the dataset has no labels")
    codes = [_rows(subject.encode(part)) for part in (train, test)]
    mine = accuracy(codes[0], labels, codes[1], truth)
    theirs = accuracy(components.encode(_rows(train)), labels, components.encode(_rows(test)), truth)
    return Finding(mine - theirs, f"test accuracy of logistic regression: {mine:.3f} less {theirs:.3f}", len(truth))


def _anomaly_gain(subject: Subject, components: Components, test: Tensor, usual: tuple[Rows, Rows]) -> Finding:
    strange = anomalies(test, subject.numpy_draws("anomalies"))
    odd = _errors(subject, components, strange, strange)
    mine, theirs = (area_under_curve(a, b) for a, b in zip(usual, odd, strict=True))
    source = f"half turns and halves of two items, area under the ROC curve: {mine:.3f} less {theirs:.3f}"
    return Finding(mine - theirs, source, len(test) + len(strange))


def anomalies(x: Tensor, draws: np.random.Generator) -> Tensor:
    """Strange items of real pixels (2 N, C, H, W): each of x turned by half a turn; upper and lower halves of two of x."""
    other = x[torch.from_numpy(draws.permutation(len(x))).to(x.device)]
    half = x.shape[2] // 2
    return torch.cat([x.flip((2, 3)), torch.cat([x[:, :, :half], other[:, :, half:]], 2)])


def area_under_curve(usual: Rows, odd: Rows) -> float:
    """Probability that an odd score (M,) is above a usual one (N,), ties half: Mann and Whitney's U / (N M)."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([usual, odd]))[len(usual) :]
    return float((ranks.sum() - len(odd) * (len(odd) + 1) / 2) / (len(usual) * len(odd)))


def _rows(x: Tensor) -> Rows:
    return x.flatten(1).double().cpu().numpy()


CODES: Probe[Subject] = Probe(
    ("code_probe_gain", "compression_ratio_to_pca", "denoising_ratio_to_pca", "anomaly_gain_over_pca"),
    lambda abilities: {"encode", "decode"} <= abilities,
    measures,
)
