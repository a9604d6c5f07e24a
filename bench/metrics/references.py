"""Reference rows: what perfect, memorised, classical and hopeless look like. They compete with nobody.

Each is a function (dataset, n, seed) -> items (n, *shape), deterministic for a seed. Those made of held-out items (the validation
split) return fewer where it has fewer. On labelled data each is made class by class.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from paragone.bench.data.dataset import Dataset, Items, Labels, Split
from paragone.bench.metrics.modalities import HELD_OUT

Reference = Callable[[Dataset, int, int], Items]

COMPONENTS = 30
MIXTURES = 20
MIXTURES_IN_THE_PLANE = 60
ITEMS_A_MIXTURE = 50
BLUR = (0.25, 0.5, 0.25)
"""Binomial kernel of `real blurred`, along rows and along columns: the response falls from 1 to 0 at the Nyquist frequency."""
NOISE_SD = 0.2
"""Standard deviation of the noise of `real + noise`, where the data spans [-1, 1]."""


def reference_items(name: str, dataset: Dataset, n: int, seed: int) -> tuple[Items, Labels | None]:
    """The reference's items, and, on labelled data, the class that each was made for."""
    make = MAKERS[name]
    wanted = dataset.wanted(n, seed)
    if wanted is None:
        return make(dataset, n, seed), None
    counts = np.bincount(wanted)
    parts = [make(of_class(dataset, label), int(count), seed + label) for label, count in enumerate(counts) if count]
    labels = np.concatenate([np.full(len(part), label) for part, label in zip(parts, np.flatnonzero(counts), strict=True)])
    order = np.random.default_rng(seed).permutation(len(labels))
    return np.concatenate(parts)[order], labels[order]


def of_class(dataset: Dataset, label: int) -> Dataset:
    """The dataset's items of one class, without labels."""

    def kept(part: Split) -> Split:
        return part if part.labels is None else Split(part.items[part.labels == label])

    return replace(dataset, train=kept(dataset.train), validation=kept(dataset.validation), test=kept(dataset.test))


def held_out_real(dataset: Dataset, n: int, seed: int) -> Items:
    """The whole validation split at its own size, whatever n and seed: the floor."""
    return dataset.validation.items


def train_copies(dataset: Dataset, n: int, seed: int) -> Items:
    """n training items drawn with replacement: perfect by every distance, and nothing but memory."""
    items = dataset.train.items
    return items[np.random.default_rng(seed).integers(len(items), size=n)]


def gaussian_mixture(dataset: Dataset, n: int, seed: int) -> Items:
    """n items of the classical baseline (scikit-learn): 20 Gaussians of full covariance over 30 principal components, or 60.

    Fitted to the training split by expectation-maximisation from a k-means start; each covariance is regularised by 1e-3 of
    the components' mean variance. Small data has fewer components and fewer Gaussians, points in the plane have more.
    """
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    flat = _flat(dataset)
    pca_seed, mixture_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(2))
    pca = PCA(min(COMPONENTS, flat.shape[1], len(flat) - 1), random_state=pca_seed).fit(flat)
    codes = pca.transform(flat)
    regulariser = 1e-3 * float(codes.var(0).mean()) + 1e-9
    most = MIXTURES if flat.shape[1] > 2 else MIXTURES_IN_THE_PLANE
    gaussians = min(most, max(1, len(flat) // ITEMS_A_MIXTURE))
    mixture = GaussianMixture(gaussians, reg_covar=regulariser, random_state=mixture_seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit cut off after 100 rounds is still the baseline
        mixture.fit(codes)
    drawn = pca.inverse_transform(_shuffled(mixture.sample(n)[0], seed)).reshape(n, *dataset.train.items.shape[1:])
    return dataset.to_items(drawn)


def one_gaussian(dataset: Dataset, n: int, seed: int) -> Items:
    """n items of one Gaussian with the training split's mean and covariance: hopeless where the data has modes."""
    flat = _flat(dataset)
    drawn = np.random.default_rng(seed).multivariate_normal(flat.mean(0), np.cov(flat.T), n)
    return dataset.to_items(drawn.reshape(n, *dataset.train.items.shape[1:]))


def real_blurred(dataset: Dataset, n: int, seed: int) -> Items:
    """The first n images of the validation split, or all it has, convolved with `BLUR` in both directions; edges repeated.

    What a measure of sharpness must call blurry. The seed decides nothing.
    """
    from scipy.ndimage import convolve1d

    images = dataset.to_unit(dataset.validation.items[:n])
    for axis in (2, 3):
        images = convolve1d(images, BLUR, axis=axis, mode="nearest")
    return dataset.to_items(images)


def real_with_noise(dataset: Dataset, n: int, seed: int) -> Items:
    """The first n images of the validation split, or all it has, plus Gaussian noise of `NOISE_SD`, rounded to levels.

    What a measure of sharpness must call noisy.
    """
    images = dataset.to_unit(dataset.validation.items[:n])
    return dataset.to_items(images + np.random.default_rng(seed).normal(0.0, NOISE_SD, images.shape))


def independent_pixels(dataset: Dataset, n: int, seed: int) -> Items:
    """n images whose every pixel and channel is drawn from its own training values, without the others: hopeless."""
    items = dataset.train.items
    chosen = np.random.default_rng(seed).integers(len(items), size=(n, *items.shape[1:]))
    return np.take_along_axis(items, chosen, 0)


MAKERS: dict[str, Reference] = {
    HELD_OUT: held_out_real,
    "train copies": train_copies,
    "gaussian mixture": gaussian_mixture,
    "real blurred": real_blurred,
    "real + noise": real_with_noise,
    "independent pixels": independent_pixels,
    "one gaussian": one_gaussian,
}


def _flat(dataset: Dataset) -> NDArray[np.float64]:
    """Training items as contenders see them, (N, D) float64."""
    return dataset.to_unit(dataset.train.items).reshape(len(dataset.train), -1).astype(np.float64)


def _shuffled(rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Rows in a random order: scikit-learn draws a mixture component by component."""
    return np.random.default_rng(seed).permutation(rows)
