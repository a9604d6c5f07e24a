"""What structure has a latent space? The same protocol for every contender that decodes latents, whatever its family.

Interpolation: on the straight line between two latents, nine inner points are decoded and rounded to the data's levels. Two ratios
of geometric means, line over ends: the distance to the nearest test item in the frozen encoder's features (1: what lies between is
as near to real data as its ends), and the frozen encoder's largest class probability (1: as sure of a class). The ends are drawn
as the default sampler draws latents, because that is what autoencoder and GAN have in common; a contender that draws none has the
codes of held-out items (validation split) as ends. Where both exist the source gives the second figure too. They are not codes of
test items: the nearest test item would be their own original, and a good encoder would make its own lines look bad.

Class probe (after Alain and Bengio 2016, arXiv:1610.01644): latents z are drawn as the default sampler draws them, and their class
is what the frozen encoder sees in decode(z); logistic regression from z, five-fold. Where it beats the largest class's share,
planes divide the classes in the latent space: it has structure, whether or not anybody asked for it in training.
"""

import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paragone.bench.data.dataset import Items
from paragone.bench.metrics.errors import NotMeasurable, need
from paragone.bench.metrics.features import Features
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject

DRAWN_ENDS, ENCODED_ENDS = "drawn latents", "encoded validation items"
LINES = 150
INNER = 9
DRAWN = 2000
FOLDS = 5
LEAST_DISTANCE = 1e-3
"""Distances are taken as at least this share of their ends' median: a decoded picture that equals a real one has no logarithm."""

Along = NDArray[np.float64]
"""One value a point, (INNER + 2, lines): first ends, inner points in order, second ends."""


def measures(subject: Subject) -> Measures:
    """`interpolation_distance`, `interpolation_confidence` (repeats: the ratio at each inner point), `latent_probe_accuracy`."""

    @cache
    def along(kind: str) -> Features:
        return _line_features(subject, kind)

    def over_ends(values: Callable[[Subject, Features], Along]) -> Finding:
        ratios = {kind: ratios_to_ends(values(subject, along(kind))) for kind in _kinds(subject)}
        means = {kind: float(np.exp(np.log(ratio).mean())) for kind, ratio in ratios.items()}
        (kind, mean), *others = means.items()
        also = "".join(f"; between {other}: {value:.3f}" for other, value in others)
        source = f"lines between {kind}, {INNER} inner points, frozen encoder; repeats go along the line{also}"
        return Finding(mean, source, len(along(kind)) // (INNER + 2), tuple(ratios[kind]))

    return {
        "interpolation_distance": lambda: over_ends(_distances),
        "interpolation_confidence": lambda: over_ends(_confidences),
        "latent_probe_accuracy": lambda: _probe(subject),
    }


def _kinds(subject: Subject) -> list[str]:
    """The kinds of ends that the contender can give, the one that counts first."""
    kinds = {DRAWN_ENDS: "draw_latents", ENCODED_ENDS: "encode"}
    return [kind for kind, ability in kinds.items() if ability in subject.contender.abilities()]


def interpolations(subject: Subject, lines: int, points: int) -> Items:
    """The first lines, decoded: items of `points` even steps each, one line after the other.

    Raises:
        NotMeasurable: the contender has no latents between which a straight line lies.
    """
    kinds = _kinds(subject)
    if not kinds or "decode" not in subject.contender.abilities():
        raise NotMeasurable("the contender decodes no latents")
    first, second = _ends(subject, kinds[0])
    along = _line(first[:lines], second[:lines], points)
    return subject.items(subject.decode(along.transpose(0, 1).flatten(0, 1)))


def _line_features(subject: Subject, kind: str) -> Features:
    """Features of the decoded points of all lines: every line's first point, then every line's second, INNER + 2 in all."""
    along = _line(*_ends(subject, kind), INNER + 2)
    return subject.features(subject.items(subject.decode(along.flatten(0, 1))))


def _line(first: Tensor, second: Tensor, points: int) -> Tensor:
    """Even steps from the one to the other, both included, (points, lines, ...)."""
    at = torch.linspace(0, 1, points, device=first.device).view(-1, *[1] * first.dim())
    return (1 - at) * first + at * second


def _ends(subject: Subject, kind: str) -> tuple[Tensor, Tensor]:
    """Latents at the two ends of each line, each (lines, ...)."""
    if kind == DRAWN_ENDS:
        z = subject.contender.draw_latents(2 * LINES, subject.torch_draws("line ends"))
    else:
        x = subject.unit(subject.dataset.validation)
        chosen = subject.numpy_draws("line ends").permutation(len(x))[: 2 * LINES]
        z = subject.encode(x[torch.from_numpy(chosen).to(x.device)])
    if not z.is_floating_point():
        raise NotMeasurable(f"latents are discrete ({str(z.dtype).removeprefix('torch.')}): no straight line lies between two")
    lines = len(z) // 2
    return z[:lines], z[lines : 2 * lines]


def _distances(subject: Subject, seen: Features) -> Along:
    """Distance of each point to the nearest test item, never 0."""
    real = subject.features(subject.dataset.test.items)
    nearest = nearest_distance(seen.values, real.values).reshape(INNER + 2, -1)
    floor = LEAST_DISTANCE * float(np.median(nearest[[0, -1]]))
    return np.maximum(nearest, max(floor, np.finfo(float).tiny))


def _confidences(subject: Subject, seen: Features) -> Along:
    """Largest class probability of each point."""
    if subject.dataset.train.labels is None:
        raise NotMeasurable("the dataset has no labels")
    weights = np.exp(seen.scores - seen.scores.max(1, keepdims=True))
    largest: Along = (1 / weights.sum(1)).reshape(INNER + 2, -1)
    return largest


def ratios_to_ends(values: Along) -> Along:
    """Geometric mean over lines at each inner point, over that of all ends, (INNER,), of positive values (INNER + 2, lines)."""
    logs = np.log(values).mean(1)
    ratios: Along = np.exp(logs[1:-1] - logs[[0, -1]].mean())
    return ratios


def nearest_distance(x: NDArray[np.float64], real: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean distance of each of x (N, D) to the nearest of real (M, D), (N,)."""
    from scipy.spatial import cKDTree

    found: NDArray[np.float64] = cKDTree(real).query(x)[0]
    return found


def _probe(subject: Subject) -> Finding:
    if subject.dataset.train.labels is None:
        raise NotMeasurable("the dataset has no labels")
    subject.needs("draw_latents")
    z = subject.contender.draw_latents(DRAWN, subject.torch_draws("probe latents"))
    if not z.is_floating_point():
        raise NotMeasurable("latents are discrete: no plane divides them")
    seen = subject.features(subject.items(subject.decode(z))).scores.argmax(1)
    accuracy = cross_validated(z.flatten(1).double().cpu().numpy(), seen, subject.numpy_draws("folds"))
    majority = np.bincount(seen).max() / len(seen)
    return Finding(accuracy, f"logistic regression, {FOLDS}-fold; the largest class's share is {majority:.3f}", DRAWN)


def cross_validated(z: NDArray[np.float64], classes: NDArray[np.intp], draws: np.random.Generator) -> float:
    """Share of held-out rows of z (N, D) whose class logistic regression names, over `FOLDS` folds.

    Raises:
        NotMeasurable: there is one class only.
    """
    need(len(np.unique(classes)), 2, "classes seen in what is decoded")
    order = draws.permutation(len(z))
    right = 0
    for held in np.array_split(order, FOLDS):
        learn = np.setdiff1d(order, held)
        right += round(accuracy(z[learn], classes[learn], z[held], classes[held]) * len(held))
    return right / len(z)


def accuracy(
    x: NDArray[np.float64], labels: NDArray[np.integer], x_test: NDArray[np.float64], labels_test: NDArray[np.integer]
) -> float:
    """Share of test rows (M, D) that logistic regression (C = 1, standardised) fitted to rows (N, D) labels rightly."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, scale = x.mean(0), x.std(0)
    scale[scale == 0.0] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # on separable classes the last digits do not matter
        regression = LogisticRegression(max_iter=200).fit((x - mean) / scale, labels)
    return float((regression.predict((x_test - mean) / scale) == labels_test).mean())


LATENTS: Probe[Subject] = Probe(
    ("interpolation_distance", "interpolation_confidence", "latent_probe_accuracy"),
    lambda abilities: "decode" in abilities and bool({"encode", "draw_latents"} & abilities),
    measures,
)
