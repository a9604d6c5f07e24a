"""The storm guard: its borders of three and of a half, kinds apart, both directions, and the control workload."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.history.screen import WINDOW
from paragone.bench.history.series import Key, Point
from paragone.bench.history.storm import Movement, find_storm
from paragone.bench.history.watched import WATCHED

ONE_OF_EACH = {"time": "train_step_s", "memory": "train_peak_rss_net_bytes", "energy": "train_joules", "quality": "fid"}
CONTROL_S = 0.1


def moved(worse=0, still=0, better=0, kind="time"):
    """Movements of so many series of a kind."""
    directions = [1] * worse + [0] * still + [-1] * better
    return [Movement(Key(f"digits/e{k}", ONE_OF_EACH[kind], "m", "p"), way) for k, way in enumerate(directions)]


def keys(movements, *directions):
    return frozenset(m.key for m in movements if m.direction in directions)


def controls(count=12, spread=0.0, control_s=CONTROL_S):
    noise = spread * np.random.default_rng(1).standard_normal(count)
    return [Point(f"{k}", f"{k}", "", "ok", math.log(control_s) + e) for k, e in enumerate(noise.tolist())]


def test_movements_know_their_kind():
    assert {kind: moved(1, kind=kind)[0].kind for kind in ONE_OF_EACH} == {kind: kind for kind in ONE_OF_EACH}


@pytest.mark.parametrize(
    ("count", "still", "storm"),
    [(3, 0, True), (3, 3, True), (3, 4, False), (2, 0, False), (2, 2, False), (4, 4, True), (4, 5, False), (50, 50, True),
     (50, 51, False), (0, 0, False)],
)  # fmt: skip
@pytest.mark.parametrize("kind", ONE_OF_EACH)
@pytest.mark.parametrize("way", ["worse", "better"])
def test_three_and_half_of_the_series(count, still, storm, kind, way):
    movements = moved(**{way: count}, still=still, kind=kind)
    found = find_storm(movements, (), None)
    assert (found is not None) is storm
    if found is not None:
        assert found.keys == keys(movements, 1, -1)
        assert found.words == f"environment changed: {count} of {count + still} series got {way} on the same night"


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_directions_are_counted_apart(worse, still, better):
    movements = moved(worse, still, better)
    found = find_storm(movements, (), None)
    ways = [way for way, n in ((1, worse), (-1, better)) if n >= 3 and 2 * n >= worse + still + better]
    assert (set() if found is None else found.keys) == keys(movements, *ways)
    assert (found is None) is (not ways)


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_one_kind_may_storm_alone(kind):
    others = [m for other in ONE_OF_EACH if other != kind for m in moved(0, 5, kind=other)]
    movements = moved(3, 3, kind=kind) + others
    found = find_storm(movements, (), None)
    assert found is not None
    assert found.keys == keys(movements, 1)
    assert found.words == f"environment changed: 3 of 6 {kind} series got worse on the same night"
    assert find_storm(moved(3, 4, kind=kind) + others, (), None) is None


def test_kinds_count_together_too():
    movements = [m for kind in ONE_OF_EACH for m in moved(1, 1, kind=kind)]
    found = find_storm(movements, (), None)
    assert found is not None
    assert found.keys == keys(movements, 1)
    assert "4 of 8 series" in found.words


def test_a_storm_of_two_kinds_leaves_a_lonely_one_of_a_third():
    movements = moved(3, 0, kind="time") + moved(4, 1, kind="memory") + moved(1, 20, kind="quality")
    found = find_storm(movements, (), None)
    assert found is not None
    assert found.keys == keys(moved(3, kind="time") + moved(4, kind="memory"), 1)


@given(st.permutations(moved(3, 0, 3) + moved(4, 3, 1, kind="memory") + moved(1, 6, kind="quality")))
def test_order_of_series_does_not_matter(movements):
    found = find_storm(movements, controls(), CONTROL_S)
    assert found is not None
    assert found.keys == keys(moved(3, 0, 3), 1, -1) | keys(moved(4, kind="memory"), 1)


@pytest.mark.parametrize(("factor", "words"), [(1.2, "1.20 times slower"), (1 / 1.2, "1.20 times faster")])
def test_moved_control_workload_puts_only_times_and_energies_in_doubt(factor, words):
    movements = [m for kind in ONE_OF_EACH for m in moved(1, 5, 1, kind=kind)]
    found = find_storm(movements, controls(), CONTROL_S * factor)
    assert found is not None
    assert found.keys == {m.key for m in movements if WATCHED[m.key.metric].kind in ("time", "energy")}  # unmoved ones alike
    assert found.words == f"environment changed: the control workload ran {words} than on the nights before"


@pytest.mark.parametrize("factor", [1.1, 1 / 1.1])
def test_control_workload_must_move_by_a_tenth(factor):
    beyond = CONTROL_S * factor ** (1 + 1e-6)
    within = CONTROL_S * factor ** (1 - 1e-6)
    assert find_storm(moved(1, 5), controls(), beyond) is not None
    assert find_storm(moved(1, 5), controls(), within) is None


def test_control_workload_must_leave_its_own_interval():
    assert find_storm(moved(1, 5), controls(30, spread=0.01), CONTROL_S * 1.2) is not None
    assert find_storm(moved(1, 5), controls(30, spread=0.20), CONTROL_S * 1.2) is None


@pytest.mark.parametrize(("nights", "says"), [(0, False), (9, False), (10, True)])
def test_too_little_history_of_the_control_workload_says_nothing(nights, says):
    assert (find_storm(moved(1, 5), controls(nights), CONTROL_S * 2) is not None) is says


def test_without_a_control_workload_the_series_still_count():
    assert find_storm(moved(1, 5), controls(), None) is None
    assert find_storm(moved(3, 3), controls(), None) is not None


def test_nights_out_of_the_window_do_not_count():
    restless, quiet = controls(3 * WINDOW, spread=0.3), controls(WINDOW, spread=0.01)
    assert find_storm(moved(1, 5), [*restless, *quiet], CONTROL_S * 1.2) is not None
    assert find_storm(moved(1, 5), [*restless, *quiet[:9]], CONTROL_S * 1.2) is None


def test_both_reasons_add_up_and_the_control_workload_is_named():
    movements = moved(1, 5) + moved(3, 1, kind="memory")
    found = find_storm(movements, controls(), CONTROL_S * 2)
    assert found is not None
    assert found.keys == {m.key for m in moved(1, 5)} | keys(moved(3, kind="memory"), 1)
    assert "control workload ran 2.00 times slower" in found.words


def test_control_workload_alone_is_told_even_where_nothing_is_in_doubt():
    found = find_storm(moved(0, 5, kind="memory"), controls(), CONTROL_S * 2)
    assert found is not None
    assert found.keys == frozenset()
