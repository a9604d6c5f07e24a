"""Reference rows: what they are made of, and that a seed decides them."""

import numpy as np
import pytest

from paragone.bench.data.dataset import Dataset, Split
from paragone.bench.metrics.references import REFERENCES, gaussian_mixture, held_out_real, independent_pixels, train_copies


def small(levels):
    return Dataset("small", *(Split(levels),) * 3, level_count=256, source="test")


def test_names_in_the_order_of_reports():
    assert list(REFERENCES) == ["held-out real", "train copies", "gaussian mixture", "independent pixels"]


@pytest.mark.parametrize("name", [name for name in REFERENCES if name != "held-out real"])
def test_a_seed_decides(digits, name):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (REFERENCES[name](digits, 50, seed) for seed in (1, 1, 2))
    assert first.shape == (50, 1, 8, 8)
    assert first.dtype == np.uint8
    assert first.max() <= 16
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_held_out_real_is_the_validation_split_at_its_own_size(digits):
    assert np.array_equal(held_out_real(digits, 1000, 3), digits.validation.levels)


def test_copies_are_training_images(digits):
    known = {image.tobytes() for image in digits.train.levels}
    assert all(image.tobytes() in known for image in train_copies(digits, 100, 0))


def test_independent_pixels_keep_each_marginal_and_nothing_between_pixels(digits):
    levels, train = independent_pixels(digits, 20_000, 0), digits.train.levels
    assert np.abs(levels.mean(0) - train.mean(0)).max() < 0.2
    assert np.abs(levels.std(0) - train.std(0)).max() < 0.2
    neighbours = np.corrcoef(levels[:, 0, 3, 3], levels[:, 0, 3, 4])[0, 1]
    assert abs(neighbours) < 0.03 < abs(np.corrcoef(train[:, 0, 3, 3], train[:, 0, 3, 4])[0, 1])


def test_the_mixture_matches_mean_and_spread_of_digits(digits):
    levels, train = gaussian_mixture(digits, 1000, 0).astype(float), digits.train.levels.astype(float)
    assert np.abs(levels.mean(0) - train.mean(0)).max() < 1.0
    assert levels.std(0).mean() == pytest.approx(train.std(0).mean(), rel=0.15)


@pytest.mark.parametrize(
    "levels",
    [
        np.random.default_rng(0).integers(0, 256, (24, 3, 12, 8)).astype(np.uint8),
        np.repeat(np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8)), 10, 0).astype(np.uint8),
    ],
    ids=["few RGB", "five images repeated"],
)
def test_the_mixture_bears_poor_data(levels):
    assert gaussian_mixture(small(levels), 30, 0).shape == (30, *levels.shape[1:])
