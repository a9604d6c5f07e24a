"""High frequencies: blurred below .9, noisy above 1.1, plain waves exactly where they belong."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.references import independent_pixels
from paragone.bench.metrics.sharpness import high_frequency_ratio, high_frequency_share


def wave(cycles_a_pixel, axis=0):
    at = np.arange(32) * cycles_a_pixel * 2 * np.pi
    row = np.rint(100 + 90 * np.cos(at)).astype(np.uint8)
    image = np.broadcast_to(row[:, None] if axis == 0 else row[None], (32, 32))
    return image[None, None].copy()


@pytest.mark.parametrize("axis", [0, 1])
def test_waves_fall_on_their_side_of_half_the_nyquist_frequency(axis):
    assert high_frequency_share(wave(0.125, axis)) < 1e-3
    assert high_frequency_share(wave(0.375, axis)) > 1 - 1e-3


def test_blur_lies_below_and_noise_above_real(digits, rng):
    real = high_frequency_share(digits.test.items)
    held_out = digits.validation.items
    blurred = np.rint(uniform_filter(held_out.astype(float), (0, 0, 2, 2))).astype(np.uint8)
    noisy = np.clip(np.rint(held_out + rng.normal(0, 2, held_out.shape)), 0, 16).astype(np.uint8)
    assert high_frequency_ratio(held_out, real) == pytest.approx(1.0, abs=0.05)
    assert high_frequency_ratio(blurred, real) < 0.9
    assert high_frequency_ratio(noisy, real) > 1.1
    assert high_frequency_ratio(independent_pixels(digits, 1000, 0), real) == pytest.approx(2.15, abs=0.1)


def test_brightness_and_blank_images_change_nothing(digits):
    test = digits.test.items
    share = high_frequency_share(test)
    assert high_frequency_share(test + np.uint8(40)) == pytest.approx(share)
    assert high_frequency_share(np.concatenate([test, np.full_like(test, 3)])) == pytest.approx(share)


def test_plain_colours_alone_have_no_share():
    with pytest.raises(NotMeasurable, match="plain colour"):
        high_frequency_share(np.full((5, 1, 8, 8), 7, np.uint8))
