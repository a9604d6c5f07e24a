"""Change points: planted ones are found where they are, noise and spikes are none, and levels become the reference in time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.bench.history.segments import LONG, SHORTEST, change_points, clipped, first_bad, lag_one, segment
from tests.history.simulation import CV, draw

FLOOR, SMALLEST, ALARM = 0.01, 0.03, 0.15


def noise(n, seed=0, kind="gaussian"):
    return draw(kind, np.random.default_rng(seed), (n,))


def stretches(*parts):
    """Levels, each for so many nights."""
    return np.concatenate([np.full(n, level) for level, n in parts])


@given(st.integers(SHORTEST, 37), st.sampled_from([-1.0, 1.0]), st.floats(0.3, 3.0))
@settings(max_examples=50)
def test_a_clear_step_is_found_where_it_is(first, sign, size):
    x = stretches((0.0, first), (sign * size, 40 - first)) + 0.1 * noise(40, first)
    assert change_points(x, FLOOR) == (0, first)


@given(st.integers(SHORTEST, 20), st.integers(SHORTEST, 14), st.sampled_from([-1.0, 1.0]))
@settings(max_examples=50)
def test_what_came_and_went_is_found(first, length, sign):
    """A single split explains little of a bump in the middle; both its ends are found."""
    x = stretches((0.0, first), (sign * 0.5, length), (0.0, 40 - first - length)) + 0.1 * noise(40, first)
    assert change_points(x, FLOOR) == (0, first, first + length)


@pytest.mark.parametrize(("kind", "most"), [("gaussian", 0.04), ("student-3", 0.06), ("ar1", 0.15)])
def test_sixty_quiet_nights_are_one_stretch(kind, most):
    split = [len(change_points(noise(60, seed, kind), FLOOR)) > 1 for seed in range(200)]
    assert np.mean(split) <= most


@pytest.mark.parametrize("night", [5, 20, 30])
def test_one_spike_is_no_stretch(night):
    x = noise(40)
    x[night] += 0.5
    assert change_points(x, FLOOR) == (0,)


def test_too_short_or_without_any_noise():
    assert change_points(np.zeros(5), FLOOR) == (0,)
    assert change_points(np.zeros(40), FLOOR) == (0,)
    assert change_points(stretches((0.0, 20), (1.0, 20)), FLOOR) == (0, 20)


@given(st.floats(-5, 5), st.integers(0, 20))
def test_only_differences_count(shift, seed):
    x = stretches((0.0, 15), (0.2, 15), (0.1, 15)) + noise(45, seed)
    assert change_points(x + shift, FLOOR) == change_points(x, FLOOR)


def test_clipping_takes_spikes_and_leaves_steps():
    x = stretches((0.0, 10), (1.0, 10))
    assert np.array_equal(clipped(x, FLOOR), x)
    x[4] = 9.0
    assert clipped(x, FLOOR)[4] <= 3 * max(FLOOR, 0.1)


def reference(x, explained=()):
    return segment(x, FLOOR, SMALLEST, ALARM, explained)


def test_a_better_level_counts_at_once_and_a_worse_one_late():
    low = 0.01 * noise(40)
    better = low - stretches((0.0, 36), (0.5, 4))
    assert reference(better).reference.tolist() == [36, 37, 38, 39]
    for nights in (4, LONG - 1):
        worse = low + stretches((0.0, 40 - nights), (0.5, nights))
        assert reference(worse).reference.tolist() == list(range(40 - nights)), "unexplained, it is held against the old level"
        assert reference(worse, [40 - nights]).reference.tolist() == list(range(40 - nights, 40)), "explained, it is the level"
    worse = low + stretches((0.0, 30), (0.5, LONG))
    assert reference(worse).reference.tolist() == list(range(30, 40))


def test_a_bump_is_no_part_of_the_level():
    """What lay above it is left out, whether somebody knows why or not."""
    x = stretches((0.0, 15), (0.4, 8), (0.0, 9)) + 0.1 * noise(32)
    assert not set(range(15, 23)) & set(reference(x).reference.tolist())
    assert reference(x, [15]).reference.tolist() == list(range(23, 32))


def test_creep_is_measured_from_the_last_explained_step():
    x = 0.01 * noise(60) + stretches((0.0, 30), (0.1, 30))
    assert reference(x, [30]).anchor == 30
    assert reference(x).anchor == 0, "an unexplained small step may be creep"
    assert reference(x + stretches((0.0, 30), (0.3, 30))).anchor == 30, "a large one is none"


@pytest.mark.parametrize("kind", ["gaussian", "student-3", "ar1"])
def test_the_first_bad_night_is_found(kind):
    hits = []
    for seed in range(100):
        x = stretches((0.0, 25), (np.log(1.2), 7)) + noise(32, seed, kind)
        hits.append(abs(first_bad(x, 0.0, FLOOR) - 25) <= 1)
    assert np.mean(hits) >= 0.95


def test_tonight_alone_may_be_the_first_bad_one():
    x = np.append(noise(30), 0.3)
    assert first_bad(x, 0.0, FLOOR) == 30


def test_correlation_of_neighbours():
    generator = np.random.default_rng(1)
    assert lag_one(draw("ar1", generator, (5000,))) == pytest.approx(0.6, abs=0.05)
    assert lag_one(draw("gaussian", generator, (5000,))) < 0.05
    assert lag_one(np.tile([CV, -CV], 50)) == 0.0, "what alternates is not taken for independent of itself"
    assert lag_one(np.ones(50)) == 0.8
    assert lag_one(np.zeros(50)) == 0.0
