"""Labelled data: the same images, whose labels are handed out, and the classes that samples are asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.data import embedded
from paragone.bench.metrics.references import MAKERS, of_class, reference_items

PLAIN, LABELLED = embedded("digits"), embedded("digits-labelled")


def test_the_same_images_under_another_name():
    assert (LABELLED.name, LABELLED.images_name, PLAIN.name) == ("digits-labelled", "digits", "digits")
    assert LABELLED.hash == PLAIN.hash, "its encoders are the images' own"
    assert (LABELLED.spec.classes, PLAIN.spec.classes) == (10, None)


def test_without_labels_nothing_is_asked_for():
    assert PLAIN.wanted(100, 0) is None
    assert embedded("grid25").wanted(100, 0) is None


@given(n=st.integers(1, 3000), seed=st.integers(0, 5))
def test_classes_are_asked_for_in_the_test_splits_proportions(n, seed):
    wanted = LABELLED.wanted(n, seed)
    assert wanted.shape == (n,)
    shares = np.bincount(LABELLED.test.labels, minlength=10) / len(LABELLED.test)
    assert (np.abs(np.bincount(wanted, minlength=10) - n * shares) < 1).all(), "no class is off by a whole item"
    assert np.array_equal(wanted, LABELLED.wanted(n, seed))


def test_a_seed_decides_the_order_alone():
    one, two = LABELLED.wanted(1000, 0), LABELLED.wanted(1000, 1)
    assert not np.array_equal(one, two)
    assert np.array_equal(np.sort(one), np.sort(two))
    assert len(set(one[:50])) > 5, "classes are mixed: samples are drawn in parts"


def test_one_class_alone():
    sevens = of_class(LABELLED, 7)
    assert len(sevens.train) == (LABELLED.train.labels == 7).sum()
    assert np.array_equal(sevens.test.items, LABELLED.test.items[LABELLED.test.labels == 7])


@pytest.mark.parametrize("name", ["held-out real", "train copies", "independent pixels", "real blurred"])
def test_references_are_made_class_by_class(name):
    items, wanted = reference_items(name, LABELLED, 200, 0)
    assert len(items) == len(wanted)
    if name == "train copies":
        known = {image.tobytes(): label for image, label in zip(LABELLED.train.items, LABELLED.train.labels, strict=True)}
        assert [known[item.tobytes()] for item in items] == wanted.tolist()
    if name == "held-out real":
        assert len(items) == len(LABELLED.validation)
    assert np.array_equal(reference_items(name, LABELLED, 200, 0)[0], items)
    assert np.array_equal(reference_items(name, PLAIN, 200, 0)[0], MAKERS[name](PLAIN, 200, 0))
    assert reference_items(name, PLAIN, 200, 0)[1] is None
