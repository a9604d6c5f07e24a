"""Measures of points against closed forms and planted faults."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paragone.bench.data import embedded
from paragone.bench.data.mixture import grid25, ring8
from paragone.bench.metrics.energy import Reference, mean_distance
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.modes import LEAST, found_modes, high_quality_share, mode_divergence
from paragone.bench.metrics.panel import quality_panel
from paragone.bench.metrics.references import MAKERS
from paragone.bench.metrics.table import METRICS

GRID = embedded("grid25")


def test_energy_distance_in_one_dimension_is_the_square_of_scipys():
    """scipy's is taken over all pairs, each point with itself included."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 300), rng.normal(0.5, 1.3, 400)
    ours = Reference(y[:, None]).distance(x[:, None])
    of_itself = mean_distance(x[:, None]) / 300 + mean_distance(y[:, None]) / 400
    assert ours + of_itself == pytest.approx(stats.energy_distance(x, y) ** 2)


def test_energy_distance_is_unbiased_and_sees_a_shift():
    rng = np.random.default_rng(1)
    null = [Reference(rng.normal(size=(200, 2))).distance(rng.normal(size=(150, 2))) for _ in range(200)]
    assert abs(np.mean(null)) < 3 * np.std(null) / np.sqrt(200)
    assert Reference(rng.normal(size=(2000, 2))).distance(rng.normal(size=(2000, 2)) + 0.3) > 5 * np.std(null)


@settings(max_examples=20)
@given(shift=st.floats(-5, 5), angle=st.floats(0, 6))
def test_energy_distance_does_not_change_when_both_are_moved_and_turned(shift, angle):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 2)), rng.normal(1, 2, size=(50, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = [z @ turn + shift for z in (x, y)]
    assert Reference(moved[1]).distance(moved[0]) == pytest.approx(Reference(y).distance(x), abs=1e-9)


def test_one_point_has_no_energy_distance():
    with pytest.raises(NotMeasurable, match="too few points"):
        Reference(np.zeros((5, 2))).distance(np.zeros((1, 2)))


def test_real_draws_find_all_modes_with_the_known_share():
    x = grid25().draw(20_000, np.random.default_rng(0))
    assert found_modes(x, grid25()) == 25
    known = 1 - np.exp(-9 / 2)
    assert high_quality_share(x, grid25()) == pytest.approx(known, abs=4 * np.sqrt(known * (1 - known) / 20_000))
    assert mode_divergence(x, grid25()) == pytest.approx(24 / 40_000, rel=1), "expected (K - 1) / 2N"


@pytest.mark.parametrize(("kept", "divergence"), [(1, np.log(8)), (2, np.log(4)), (4, np.log(2)), (8, 0.0)])
def test_lost_modes_are_counted_and_their_divergence_is_the_logarithm(kept, divergence):
    ring = ring8()
    x = np.repeat(ring.means[:kept], 50, 0)
    assert found_modes(x, ring) == kept
    assert mode_divergence(x, ring) == pytest.approx(divergence)
    assert high_quality_share(x, ring) == 1


def test_a_mode_needs_twenty_points_within_three_standard_deviations():
    ring = ring8()
    x = np.concatenate([np.repeat(ring.means[:1], LEAST - 1, 0), np.repeat(np.add(ring.means[1:2], [3.1 * ring.sd, 0]), LEAST, 0)])
    assert found_modes(x, ring) == 0
    assert found_modes(np.concatenate([x, ring.means[:1]]), ring) == 1
    assert high_quality_share(x, ring) == pytest.approx((LEAST - 1) / (2 * LEAST - 1))


def test_points_at_no_mode_have_no_balance():
    with pytest.raises(NotMeasurable, match="standard deviations"):
        mode_divergence(np.zeros((30, 2)), ring8())


def test_the_panel_orders_the_references():
    panel = quality_panel(GRID)
    rows = {}
    for name in ("held-out real", "train copies", "gaussian mixture", "one gaussian"):
        found = panel.measure(MAKERS[name](GRID, 2500, 0), "default", 0)
        rows[name] = {m.metric: m.value for m in found}
        assert {m.metric for m in found} == {n for n, m in METRICS.items() if m.group == "quality" and m.data == "points"} | {
            "copied_share"
        }
    assert rows["held-out real"]["energy_distance"] < rows["gaussian mixture"]["energy_distance"] + 0.002
    assert rows["gaussian mixture"]["energy_distance"] < rows["one gaussian"]["energy_distance"] / 3
    assert rows["gaussian mixture"]["modes"] == 25 > rows["one gaussian"]["modes"]
    assert (rows["train copies"]["copied_share"], rows["held-out real"]["copied_share"]) == (1, 0)


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.zeros((0, 2)), np.full((3, 2), np.nan)])
def test_what_are_no_points_is_refused(bad):
    with pytest.raises(ValueError, match="samples"):
        quality_panel(GRID).measure(bad, "default", 0)
