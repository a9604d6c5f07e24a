"""The growth of time with pixels, on contenders whose pace is planted."""

import numpy as np
import pytest

from paragone.bench.probes import sizes
from paragone.bench.probes.sizes import SIZES
from tests.bench.probes.planted import Paced, Silent, Staged, Steady, found, subject


def exponent(contender, digits):
    return found(SIZES, subject(contender, digits))["latency_pixels_exponent"]


def test_a_fixed_time_a_pixel_is_exponent_one(digits):
    measured = exponent(Paced(digits.spec, 1), digits)
    assert measured.value == pytest.approx(1, abs=0.1)
    assert measured.n == len(measured.repeats) == 5
    assert measured.repeats[0] == pytest.approx(np.log(64 * 2e-5), abs=0.2)


def test_the_same_time_for_every_size_is_exponent_zero(digits):
    assert exponent(Steady(digits.spec, 1), digits).value == pytest.approx(0, abs=0.1)


def test_slow_contenders_get_three_sizes(digits, monkeypatch):
    monkeypatch.setattr(sizes, "LIMIT_S", 0.0)
    assert exponent(Paced(digits.spec, 1), digits).n == 3


def test_a_copy_that_cannot_sample_yet_is_led_through_its_stages(digits):
    contender = Staged(digits.spec, 1)
    assert exponent(contender, digits).value is not None
    copy = sizes._copy(subject(contender, digits), 12)
    assert copy.spec.shape == (1, 12, 12)
    assert copy.seen == ["first", "second", "prepared with 256"]


def test_a_class_that_takes_one_size_only_says_so(digits):
    class Narrow(Silent):
        def __init__(self, spec, width):
            super().__init__(spec, width)
            if spec.shape[1] != 8:
                raise ValueError(f"sides of 8, not {spec.shape[1]}")

    measured = exponent(Narrow(digits.spec, 1), digits)
    assert (measured.value, measured.source) == (None, "ValueError: sides of 8, not 12")
