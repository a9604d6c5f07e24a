"""Splits: disjoint, complete, stratified, seeded, and no picture on both sides."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.bench.data.partition import LEAST_PER_CLASS, allowed_size, make_dataset, nearest_size, partition


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=5, max_size=200), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_parts_are_disjoint_complete_and_split_no_group(items, seed):
    group, strata = (np.array(column) for column in zip(*items, strict=True))
    parts = partition(np.unique(group, return_inverse=True)[1], strata, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(items)))
    groups = [set(group[part]) for part in parts]
    assert sum(map(len, groups)) == len(set.union(*groups))


@given(st.lists(st.integers(LEAST_PER_CLASS, 60), min_size=1, max_size=6), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_every_class_has_its_shares_to_within_one_item(counts, seed):
    strata = np.repeat(np.arange(len(counts)), counts)
    parts = partition(np.arange(len(strata)), strata, seed)
    for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
        found = np.bincount(strata[part], minlength=len(counts))
        assert (np.abs(found - share * np.array(counts)) < 1.0 + 1e-9).all()
        assert (found > 0).all()


def test_a_seed_decides_and_the_order_of_files_does_not_group():
    group, strata = np.arange(200), np.zeros(200, int)
    first, again, other = (partition(group, strata, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[2], other[2])
    assert 60 < first[2].mean() < 140  # drawn from everywhere, not from one end


def test_equal_pictures_never_straddle_train_and_test():
    draws = np.random.default_rng(0)
    different = draws.integers(0, 256, (120, 8, 8, 1)).astype(np.uint8)
    pictures = different[np.r_[np.arange(120), draws.integers(0, 120, 180)]]
    data = make_dataset("twins", pictures, [str(i % 3) for i in range(300)], "test")
    kinds = [{image.tobytes() for image in part.items} for part in (data.train, data.validation, data.test)]
    assert sum(map(len, kinds)) == len(set.union(*kinds)) == 120
    sizes = [len(part) for part in (data.train, data.validation, data.test)]
    assert np.abs(np.array(sizes) - [180, 60, 60]).max() <= 3  # one item a class


@given(st.integers(1, 2000), st.integers(1, 2000))
@settings(max_examples=200, deadline=None)
def test_the_size_proposed_is_allowed(height, width):
    assert allowed_size(*nearest_size(height, width))
    if allowed_size(height, width):
        assert nearest_size(height, width) == (height, width)
