"""Distances by tiles: a plain double loop's, whatever the tile and the precision."""

import numpy as np
import pytest

from paragone.bench.metrics import distances
from paragone.bench.metrics.distances import nearest_others, squared_tiles


def plain(one, two):
    return np.square(one[:, None] - two[None]).sum(2)


def whole(one, two):
    found = np.full((len(one), len(two)), np.nan)
    for rows, columns, squared in squared_tiles(one, two):
        found[rows, columns] = squared
    return found


@pytest.fixture(params=[2000, 7, 50], ids="tile {}".format)
def tile(request, monkeypatch):
    monkeypatch.setattr(distances, "TILE", request.param)


@pytest.mark.usefixtures("tile")
def test_tiles_make_up_the_whole_matrix(rng):
    one, two = rng.normal(size=(50, 5)) + 100, rng.normal(size=(61, 5)) + 100
    assert whole(one, two) == pytest.approx(plain(one, two), abs=1e-9)


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("n", [6, 50, 64])
def test_nearest_others_are_those_of_a_sort(rng, n):
    x = rng.normal(size=(n, 3))
    expected = plain(x, x)
    np.fill_diagonal(expected, np.inf)
    found = nearest_others(x, 5)
    assert found.squared.numpy() == pytest.approx(np.sort(expected, 1)[:, :5], abs=1e-9)
    assert np.array_equal(found.indices.numpy(), np.argsort(expected, 1)[:, :5])


def test_an_item_is_not_its_own_neighbour_but_its_double_is(rng):
    x = np.concatenate([rng.normal(size=(20, 4))] * 2)
    found = nearest_others(x, 1)
    assert found.squared.numpy() == pytest.approx(0.0, abs=1e-12)
    assert np.array_equal(found.indices[:, 0].numpy(), (np.arange(40) + 20) % 40)


def test_large_sets_are_computed_in_float32_and_agree(rng, monkeypatch):
    one, two = rng.normal(size=(90, 200)) + 30, rng.normal(size=(80, 200)) + 30
    exact = whole(one, two)
    assert next(squared_tiles(one, two))[2].numpy().dtype == np.float64
    monkeypatch.setattr(distances, "FLOAT64_LIMIT", 90 * 80 * 200 - 1)
    assert next(squared_tiles(one, two))[2].numpy().dtype == np.float32
    assert whole(one, two) == pytest.approx(exact, rel=1e-5)
    assert nearest_others(one, 3).squared.numpy().dtype == np.float32
