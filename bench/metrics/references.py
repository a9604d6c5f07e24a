"""Reference rows: what perfect, memorised, classical and hopeless look like. They compete with nobody.

Each is a function (dataset, n, seed) -> levels (n, C, H, W) uint8, deterministic for a seed. Those made of held-out images
(the validation split) return fewer where it has fewer.
"""

import warnings
from collections.abc import Callable

import numpy as np

from paragone.bench.data.dataset import Dataset, Levels, to_levels, to_unit

Reference = Callable[[Dataset, int, int], Levels]

COMPONENTS = 30
MIXTURES = 20
BLUR = (0.25, 0.5, 0.25)
"""Binomial kernel of `real blurred`, along rows and along columns: the response falls from 1 to 0 at the Nyquist frequency."""
NOISE_SD = 0.2
"""Standard deviation of the noise of `real + noise`, where the data spans [-1, 1]."""


def held_out_real(dataset: Dataset, n: int, seed: int) -> Levels:
    """The whole validation split at its own size, whatever n and seed: the floor."""
    return dataset.validation.levels


def train_copies(dataset: Dataset, n: int, seed: int) -> Levels:
    """n training images drawn with replacement: perfect by every distance, and nothing but memory."""
    levels = dataset.train.levels
    return levels[np.random.default_rng(seed).integers(len(levels), size=n)]


def gaussian_mixture(dataset: Dataset, n: int, seed: int) -> Levels:
    """n images of the classical baseline: 20 Gaussians with full covariance over 30 principal components (scikit-learn).

    Fitted to the training split by expectation-maximisation from a k-means start; each covariance is regularised by 1e-3 of
    the components' mean variance. Small data has fewer components and fewer Gaussians.
    """
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    flat = to_unit(dataset.train.levels, dataset.level_count).reshape(len(dataset.train), -1).astype(np.float64)
    pca_seed, mixture_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(2))
    pca = PCA(min(COMPONENTS, flat.shape[1], len(flat) - 1), random_state=pca_seed).fit(flat)
    codes = pca.transform(flat)
    regulariser = 1e-3 * float(codes.var(0).mean()) + 1e-9
    mixture = GaussianMixture(min(MIXTURES, len(flat) // 2), reg_covar=regulariser, random_state=mixture_seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit cut off after 100 rounds is still the baseline
        mixture.fit(codes)
    images = pca.inverse_transform(_shuffled(mixture.sample(n)[0], seed)).reshape(n, *dataset.train.levels.shape[1:])
    return to_levels(images, dataset.level_count)


def real_blurred(dataset: Dataset, n: int, seed: int) -> Levels:
    """The first n images of the validation split, or all it has, convolved with `BLUR` in both directions; edges repeated.

    What a measure of sharpness must call blurry. The seed decides nothing.
    """
    from scipy.ndimage import convolve1d

    images = to_unit(dataset.validation.levels[:n], dataset.level_count)
    for axis in (2, 3):
        images = convolve1d(images, BLUR, axis=axis, mode="nearest")
    return to_levels(images, dataset.level_count)


def real_with_noise(dataset: Dataset, n: int, seed: int) -> Levels:
    """The first n images of the validation split, or all it has, plus Gaussian noise of `NOISE_SD`, rounded to levels.

    What a measure of sharpness must call noisy.
    """
    images = to_unit(dataset.validation.levels[:n], dataset.level_count)
    return to_levels(images + np.random.default_rng(seed).normal(0.0, NOISE_SD, images.shape), dataset.level_count)


def independent_pixels(dataset: Dataset, n: int, seed: int) -> Levels:
    """n images whose every pixel and channel is drawn from its own training values, without the others: hopeless."""
    levels = dataset.train.levels
    chosen = np.random.default_rng(seed).integers(len(levels), size=(n, *levels.shape[1:]))
    return np.take_along_axis(levels, chosen, 0)


REFERENCES: dict[str, Reference] = {
    "held-out real": held_out_real,
    "train copies": train_copies,
    "gaussian mixture": gaussian_mixture,
    "real blurred": real_blurred,
    "real + noise": real_with_noise,
    "independent pixels": independent_pixels,
}
"""In the order in which reports show them."""


def _shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    """Rows in a random order: scikit-learn draws a mixture component by component."""
    return np.random.default_rng(seed).permutation(rows)
