"""Embedded data: the announced sizes, no leakage, and a hash that any pixel changes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.bench.data import DataError, embedded, load
from paragone.bench.data.dataset import to_levels, to_unit

DIGITS = embedded("digits")
PARTS = ("train", "validation", "test")


@pytest.mark.parametrize(("name", "sizes"), [("digits", (1077, 360, 360)), ("mnist", (3000, 1000, 1000))])
def test_splits_have_the_announced_sizes_and_share_no_image(name, sizes):
    data = load(name)
    assert tuple(len(getattr(data, part)) for part in PARTS) == sizes
    kinds = [{image.tobytes() for image in getattr(data, part).items} for part in PARTS]
    assert sum(map(len, kinds)) == len(set.union(*kinds))
    shares = [np.bincount(getattr(data, part).labels) / len(getattr(data, part)) for part in PARTS]
    assert np.abs(np.diff(shares, axis=0)).max() < 0.005


@given(st.sampled_from(PARTS), st.integers(0, 359), st.integers(0, 7), st.integers(0, 7))
@settings(max_examples=30, deadline=None)
def test_any_pixel_changes_the_hash(part, index, row, column):
    split = getattr(DIGITS, part)
    levels = split.items.copy()
    levels[index, 0, row, column] ^= 1
    assert replace(DIGITS, **{part: replace(split, items=levels)}).hash != DIGITS.hash


def test_labels_levels_and_split_change_the_hash_and_the_name_does_not():
    labels = DIGITS.test.labels.copy()
    labels[0] = (labels[0] + 1) % 10
    assert replace(DIGITS, test=replace(DIGITS.test, labels=labels)).hash != DIGITS.hash
    assert replace(DIGITS, level_count=18).hash != DIGITS.hash
    assert replace(DIGITS, test=DIGITS.validation, validation=DIGITS.test).hash != DIGITS.hash
    assert replace(DIGITS, name="other").hash == embedded("digits").hash == DIGITS.hash


@given(st.integers(2, 256))
@settings(max_examples=50, deadline=None)
def test_levels_survive_the_way_to_the_contender_and_back(count):
    levels = np.arange(count)
    x = to_unit(levels, count)
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == pytest.approx((-1.0, 1.0), abs=1e-6)
    assert np.array_equal(to_levels(x, count), levels)
    assert np.array_equal(to_levels(np.array([-9.0, 9.0]), count), [0, count - 1])


def test_unknown_name():
    with pytest.raises(DataError, match="unknown dataset 'digitz'"):
        load("digitz")
