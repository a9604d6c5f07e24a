"""The screen: intervals against closed forms and by error rates; three nights together; slow growth, and none that has gone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from paragone.bench.history.screen import FLOOR, baseline, crept, lingers
from paragone.bench.history.segments import LONG
from paragone.bench.history.series import Point
from paragone.bench.history.watched import WATCHED
from tests.history.simulation import CV, draw

TIME, FID = WATCHED["train_step_s"], WATCHED["fid"]


def points(values, replicates=None):
    return [
        Point(f"n{k}", f"{k:03d}", "c", "ok", float(v), 1.0, () if replicates is None else tuple(map(float, replicates[k])))
        for k, v in enumerate(values)
    ]


def test_below_ten_nights_nothing_is_said():
    assert baseline(points(np.zeros(LONG - 1)), TIME) is None
    assert baseline(points(np.zeros(LONG)), TIME) is not None


@given(st.integers(10, 60), st.floats(-3, 3))
def test_without_noise_the_floor_decides(n, level):
    """A third of the smallest effect is the least spread that is believed; all in closed form."""
    known = baseline(points(np.full(n, level)), TIME)
    widen = np.sqrt(1 + np.pi / 2 / n)
    sd = TIME.smallest * FLOOR
    assert (known.level, known.sd) == (pytest.approx(level), pytest.approx(sd))
    assert known.limit - level == pytest.approx(student.isf(0.02, n - 1) * sd * widen)
    assert known.alarm - level == pytest.approx(student.isf(0.002, n - 1) * sd * widen)
    assert level - known.floor == pytest.approx(known.limit - level)


@pytest.mark.parametrize(("kind", "most"), [("gaussian", 0.03), ("student-3", 0.04)])
def test_two_of_a_hundred_quiet_nights_are_looked_at_again(kind, most):
    values = draw(kind, np.random.default_rng(2), (1500, 41))
    worse = [baseline(points(row[:-1]), TIME).worse(row[-1], TIME.smallest) for row in values]
    assert 0.01 <= np.mean(worse) <= most


def test_small_changes_are_none_however_quiet_the_nights():
    known = baseline(points(np.zeros(30)), TIME)
    assert not known.worse(0.9 * TIME.smallest, TIME.smallest)
    assert known.worse(1.1 * TIME.smallest, TIME.smallest)
    assert known.better(-1.1 * TIME.smallest, TIME.smallest)


def test_the_seeds_are_the_replicates_of_quality():
    """Nights of one code repeat to the bit and count once: level and interval are those of one night."""
    seeds = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    known = baseline(points(np.full(20, 0.2), np.tile(seeds, (20, 1))), FID)
    sd = max(seeds.std(ddof=1) / np.sqrt(5), FID.smallest * FLOOR)
    assert known.level == pytest.approx(0.2)
    assert known.sd == pytest.approx(sd)
    assert known.limit - known.level == pytest.approx(student.isf(0.02, 4) * sd * np.sqrt(2))
    changed = np.concatenate([np.tile(seeds, (10, 1)), np.tile(seeds[::-1] + 0.01, (10, 1))])
    two = baseline(points(changed.mean(1), changed), FID)
    assert two.limit - two.level == pytest.approx(student.isf(0.02, 8) * two.sd * np.sqrt(1.5))


def test_one_bad_night_does_not_move_the_level_of_quality():
    """The night after it is held against what all others were; else two bad nights would excuse each other."""
    seeds = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    table = np.vstack([np.tile(seeds, (14, 1)), seeds + 0.5])
    known = baseline(points(table.mean(1), table), FID)
    assert known.level == pytest.approx(0.2)
    assert known.limit - known.level == pytest.approx(student.isf(0.02, 8) * known.sd * np.sqrt(2))
    assert known.alarming(0.7, FID.smallest)


def test_three_nights_together_say_what_none_says_alone():
    quiet = draw("gaussian", np.random.default_rng(4), (40,))
    known = baseline(points(np.append(quiet, [1.8 * CV, 1.8 * CV])), TIME)
    assert not known.worse(1.8 * CV, TIME.smallest)
    assert lingers(known, 1.8 * CV, TIME.smallest)
    assert not lingers(baseline(points(quiet), TIME), 1.8 * CV, TIME.smallest)
    assert not lingers(known, 0.0, TIME.smallest), "tonight itself must be worse"


def test_slow_growth_is_creep():
    slope = np.linspace(0, 0.2, 80) + 0.3 * draw("gaussian", np.random.default_rng(5), (80,))
    known = baseline(points(slope), TIME)
    assert crept(known, 0.2, TIME.smallest) == pytest.approx(0.18, abs=0.03)
    flat = baseline(points(draw("gaussian", np.random.default_rng(6), (80,))), TIME)
    assert crept(flat, 0.0, TIME.smallest) is None


def test_what_was_worse_and_went_is_no_creep():
    """The median of the last ten nights still lies above the first ten, tonight does not."""
    values = np.concatenate([np.zeros(20), np.full(8, 0.3), np.zeros(2)]) + 0.1 * draw("gaussian", np.random.default_rng(7), (30,))
    assert crept(baseline(points(values), TIME), 0.0, TIME.smallest) is None
