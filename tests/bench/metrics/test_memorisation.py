"""Copies: exact, shifted, noisy ones are found; held-out real, blurred real and a classical model are not accused."""

import numpy as np
import pytest

from paragone.bench.data.dataset import to_levels, to_unit
from paragone.bench.metrics import memorisation
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.memorisation import NearestImages, copied_share, near_copy_share, nearest_train_ratio
from paragone.bench.metrics.references import gaussian_mixture, real_blurred, real_with_noise, train_copies


def near_share(train, levels):
    return near_copy_share(NearestImages(train).distances(levels, 2))


@pytest.fixture(scope="module")
def train_images(digits):
    return NearestImages(digits.train.items)


@pytest.fixture(scope="module")
def near(train_images):
    return lambda levels: near_copy_share(train_images.distances(levels, 2))


@pytest.fixture(scope="module")
def train_ratio(digits, train_images):
    test_images = NearestImages(digits.test.items)
    return lambda levels: nearest_train_ratio(train_images.distances(levels, 2), test_images.distances(levels, 1))


@pytest.fixture(scope="module")
def mixture(digits):
    return gaussian_mixture(digits, 300, 0)


def test_held_out_real_and_a_mixture_are_no_copies(digits, near, mixture):
    for levels in (digits.validation.items, digits.test.items, mixture):
        assert copied_share(levels, digits.train.items) == 0.0
        assert near(levels) < 0.01


def test_half_copies_are_half(digits, near, mixture):
    levels = np.concatenate([train_copies(digits, 300, 1), mixture])
    assert copied_share(levels, digits.train.items) == pytest.approx(0.5)
    assert near(levels) == pytest.approx(0.5, abs=0.01)


def test_a_little_noise_hides_a_copy_from_the_one_and_not_from_the_other(digits, near, rng):
    copies = train_copies(digits, 300, 1)
    noisy = np.clip(np.rint(copies + rng.normal(0, 0.05 * 16, copies.shape)), 0, 16).astype(np.uint8)
    assert copied_share(noisy, digits.train.items) < 0.01
    assert near(noisy) == pytest.approx(0.6, abs=0.15)


def test_copies_under_noise_or_a_shift_lie_nearer_to_training_data_than_any_honest_set(digits, train_ratio, mixture, rng):
    copies = train_copies(digits, 300, 1)
    noisy = to_levels(to_unit(copies, 17) + rng.normal(0, 0.1, copies.shape), 17)
    shifted = np.pad(copies, ((0, 0), (0, 0), (1, 0), (0, 0)), mode="edge")[:, :, :-1]
    held_out = digits.validation.items
    half_blurred = np.concatenate([held_out[::2], real_blurred(digits, 360, 0)[1::2]])
    floor = train_ratio(held_out)
    assert train_ratio(copies) == 0.0
    assert train_ratio(noisy) < 0.5 * floor
    assert train_ratio(shifted) < 0.8 * floor
    for honest in (half_blurred, mixture, real_blurred(digits, 360, 0), real_with_noise(digits, 360, 0)):
        assert train_ratio(honest) > 0.95 * floor


def test_a_subset_of_equal_size_would_hide_the_copies(digits, rng):
    """Why the ratio takes the whole training split: two of three sources are not in a third of it."""
    subset, test = NearestImages(digits.train.items[rng.permutation(1077)[:360]]), NearestImages(digits.test.items)
    copies, held_out = (
        nearest_train_ratio(subset.distances(levels, 1), test.distances(levels, 1))
        for levels in (train_copies(digits, 300, 1), digits.validation.items)
    )
    assert copies > 0.8 * held_out


def test_the_ratio_is_the_median_and_knows_zeros():
    to_train = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 2.0], [3.0, 4.0]])
    to_test = np.array([[0.0], [4.0], [4.0], [0.0]])
    assert nearest_train_ratio(to_train[:3], to_test[:3]) == 0.5  # 0 / 0 is 1
    assert near_copy_share(np.array([[1.0, 4.0], [1.0, 2.0], [0.0, 0.0]])) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, -1), (-1, 1)])
def test_copies_moved_by_a_pixel_are_found(rng, down, right):
    train = np.zeros((40, 1, 12, 12), np.uint8)
    train[:, :, 3:9, 3:9] = rng.integers(0, 256, (40, 1, 6, 6))
    moved = np.roll(train, (down, right), (2, 3))
    assert near_share(train, moved) == 1.0
    assert near_share(train, np.roll(train, (3, 3), (2, 3))) < 0.1


def test_ratios_agree_with_a_plain_loop(rng):
    train, samples = rng.integers(0, 256, (30, 3, 8, 8)).astype(np.uint8), rng.integers(0, 256, (7, 3, 8, 8)).astype(np.uint8)
    expected = []
    for sample in samples.astype(float):
        padded = np.pad(sample, ((0, 0), (1, 1), (1, 1)), mode="edge")
        shifts = [padded[:, i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
        first, second = sorted(min(np.linalg.norm(s - t) for s in shifts) for t in train.astype(float))[:2]
        expected.append(first / second)
    found = NearestImages(train).distances(samples, 2)
    assert found[:, 0] / found[:, 1] == pytest.approx(expected, rel=1e-4)


def test_does_not_hang_on_blocks_and_repeated_training_images_hide_no_copy(digits, near, monkeypatch):
    samples = train_copies(digits, 50, 3)
    monkeypatch.setattr(memorisation, "BLOCK", 7)
    assert near(samples) == 1.0
    assert near_share(np.concatenate([digits.train.items] * 2), samples) == 1.0


def test_large_images_are_compared_at_half_size(rng):
    train = rng.integers(0, 256, (20, 1, 64, 64)).astype(np.uint8)
    assert near_share(train, train[:5]) == 1.0
    assert near_share(train, rng.integers(0, 256, (5, 1, 64, 64)).astype(np.uint8)) == 0.0


def test_one_training_image_has_no_second_nearest():
    with pytest.raises(NotMeasurable, match="too few different images to compare with: 1, needs 2"):
        near_share(np.zeros((9, 1, 8, 8), np.uint8), np.zeros((1, 1, 8, 8), np.uint8))
