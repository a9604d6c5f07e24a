"""Copies: exact, shifted, slightly noisy ones are found; held-out real and a classical model are not accused."""

import numpy as np
import pytest

from paragone.bench.metrics import memorisation
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.memorisation import NearCopies, copied_share
from paragone.bench.metrics.references import gaussian_mixture, train_copies


@pytest.fixture(scope="module")
def near(digits):
    return NearCopies(digits.train.levels)


@pytest.fixture(scope="module")
def mixture(digits):
    return gaussian_mixture(digits, 300, 0)


def test_held_out_real_and_a_mixture_are_no_copies(digits, near, mixture):
    for levels in (digits.validation.levels, digits.test.levels, mixture):
        assert copied_share(levels, digits.train.levels) == 0.0
        assert near.share(levels) < 0.01


def test_half_copies_are_half(digits, near, mixture):
    levels = np.concatenate([train_copies(digits, 300, 1), mixture])
    assert copied_share(levels, digits.train.levels) == pytest.approx(0.5)
    assert near.share(levels) == pytest.approx(0.5, abs=0.01)


def test_a_little_noise_hides_a_copy_from_the_one_and_not_from_the_other(digits, near, rng):
    copies = train_copies(digits, 300, 1)
    noisy = np.clip(np.rint(copies + rng.normal(0, 0.05 * 16, copies.shape)), 0, 16).astype(np.uint8)
    assert copied_share(noisy, digits.train.levels) < 0.01
    assert near.share(noisy) == pytest.approx(0.6, abs=0.15)


@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, -1), (-1, 1)])
def test_copies_moved_by_a_pixel_are_found(rng, down, right):
    train = np.zeros((40, 1, 12, 12), np.uint8)
    train[:, :, 3:9, 3:9] = rng.integers(0, 256, (40, 1, 6, 6))
    moved = np.roll(train, (down, right), (2, 3))
    assert NearCopies(train).share(moved) == 1.0
    assert NearCopies(train).share(np.roll(train, (3, 3), (2, 3))) < 0.1


def test_ratios_agree_with_a_plain_loop(rng):
    train, samples = rng.integers(0, 256, (30, 3, 8, 8)).astype(np.uint8), rng.integers(0, 256, (7, 3, 8, 8)).astype(np.uint8)
    expected = []
    for sample in samples.astype(float):
        padded = np.pad(sample, ((0, 0), (1, 1), (1, 1)), mode="edge")
        shifts = [padded[:, i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
        first, second = sorted(min(np.linalg.norm(s - t) for s in shifts) for t in train.astype(float))[:2]
        expected.append(first / second)
    assert NearCopies(train).ratios(samples) == pytest.approx(expected, rel=1e-4)


def test_does_not_hang_on_blocks_and_repeated_training_images_hide_no_copy(digits, near, monkeypatch):
    samples = train_copies(digits, 50, 3)
    monkeypatch.setattr(memorisation, "BLOCK", 7)
    assert near.share(samples) == 1.0
    assert NearCopies(np.concatenate([digits.train.levels] * 2)).share(samples) == 1.0


def test_large_images_are_compared_at_half_size(rng):
    train = rng.integers(0, 256, (20, 1, 64, 64)).astype(np.uint8)
    assert NearCopies(train).share(train[:5]) == 1.0
    assert NearCopies(train).share(rng.integers(0, 256, (5, 1, 64, 64)).astype(np.uint8)) == 0.0


def test_one_training_image_has_no_second_nearest():
    with pytest.raises(NotMeasurable, match="different training images"):
        NearCopies(np.zeros((9, 1, 8, 8), np.uint8)).share(np.zeros((1, 1, 8, 8), np.uint8))
