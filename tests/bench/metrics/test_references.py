"""Reference rows: what they are made of, and that a seed decides them."""

import numpy as np
import pytest

from paragone.bench.data.dataset import ImageDataset, Split
from paragone.bench.metrics.modalities import MODALITIES
from paragone.bench.metrics.references import (
    BLUR,
    MAKERS,
    NOISE_SD,
    gaussian_mixture,
    held_out_real,
    independent_pixels,
    real_blurred,
    real_with_noise,
    train_copies,
)

UNSEEDED = ("held-out real", "real blurred")


def small(levels):
    return ImageDataset("small", *(Split(levels),) * 3, level_count=256, source="test")


def test_names_in_the_order_of_reports():
    named = ("held-out real", "train copies", "gaussian mixture", "real blurred", "real + noise", "independent pixels")
    assert MODALITIES["image"].references == named


@pytest.mark.parametrize("name", [name for name in MODALITIES["image"].references if name not in UNSEEDED])
def test_a_seed_decides(digits, name):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (MAKERS[name](digits, 50, seed) for seed in (1, 1, 2))
    assert first.shape == (50, 1, 8, 8)
    assert first.dtype == np.uint8
    assert first.max() <= 16
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_held_out_real_is_the_validation_split_at_its_own_size(digits):
    assert np.array_equal(held_out_real(digits, 1000, 3), digits.validation.items)


def test_altered_real_images_are_as_many_as_asked_or_all_there_are(digits):
    for reference in (real_blurred, real_with_noise):
        assert len(reference(digits, 50, 0)) == 50
        assert reference(digits, 1000, 0).shape == digits.validation.items.shape


def test_blur_spreads_a_point_by_the_kernel_and_keeps_a_plain_image():
    levels = np.zeros((2, 1, 8, 8), np.uint8)
    levels[0, 0, 4, 4] = 160
    levels[1] = 77
    point, plain = real_blurred(small(levels), 2, 0)
    assert np.array_equal(point[0, 3:6, 3:6], np.rint(160 * np.outer(BLUR, BLUR)).astype(np.uint8))
    assert point.sum() == 160
    assert (plain == 77).all()


def test_noise_has_its_standard_deviation_where_nothing_is_clipped():
    levels = np.full((200, 1, 8, 8), 128, np.uint8)
    noisy = real_with_noise(small(levels), 200, 0).astype(float)
    assert noisy.std() * 2 / 255 == pytest.approx(NOISE_SD, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=1)


def test_copies_are_training_images(digits):
    known = {image.tobytes() for image in digits.train.items}
    assert all(image.tobytes() in known for image in train_copies(digits, 100, 0))


def test_independent_pixels_keep_each_marginal_and_nothing_between_pixels(digits):
    levels, train = independent_pixels(digits, 20_000, 0), digits.train.items
    assert np.abs(levels.mean(0) - train.mean(0)).max() < 0.2
    assert np.abs(levels.std(0) - train.std(0)).max() < 0.2
    neighbours = np.corrcoef(levels[:, 0, 3, 3], levels[:, 0, 3, 4])[0, 1]
    assert abs(neighbours) < 0.03 < abs(np.corrcoef(train[:, 0, 3, 3], train[:, 0, 3, 4])[0, 1])


def test_the_mixture_matches_mean_and_spread_of_digits(digits):
    levels, train = gaussian_mixture(digits, 1000, 0).astype(float), digits.train.items.astype(float)
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
