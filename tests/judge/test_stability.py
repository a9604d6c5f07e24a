"""Stability on planted cells: every figure has a value that follows from what was planted, by hand or in closed form."""

import math

import numpy as np
import pytest

from paragone.bench.judge.drawdown import excess_drawdown, flat_shortfall, shortfall
from paragone.bench.judge.ranking import rankings
from paragone.bench.judge.stability import stability, stability_measurements, stability_table
from paragone.bench.metrics.table import METRICS, at_share
from paragone.bench.records import Cell, Measurement
from tests.builders import Plan, Way, make_run, with_values

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
TARGETS = {"factors": [0.25, 0.5, 1, 2, 4], "common": 0.1, "own": 2.0, "shifted": {}}
SHARES = tuple(k / 16 for k in range(1, 17))
FLOOR, HOPELESS = 1.0, 51.0
"""FIDs of the references: the common target is 1 + .1 x 50 = 6."""
FAILED = "failed"
DIVERGED = "diverged"
TEMPLATE = make_run(1, contenders={"any": Plan("gan", {"default": Way(5.0, 100.0)})}, failures=())[1][0]


def measured(metric, value):
    return Measurement(metric=metric, value=value, unit=METRICS[metric.partition("@")[0]].unit, source="built", sampler="default")


def cell(name, seed, factor, outcome, curve=None, noise=0.0):
    """A record: `outcome` is a FID or a status; the curve ends in it, flat unless given."""
    status = outcome if isinstance(outcome, str) else "ok"
    found = [measured("fid", None if status != "ok" else outcome)]
    if status == "ok":
        points = curve or [outcome] * 16
        found += [measured(at_share("fid", share), value) for share, value in zip(SHARES[:-1], points, strict=False)]
    if noise is not None and factor == 1:
        found.append(measured("fid_noise", noise))
    place = Cell(track="digits", contender=name, seed=seed, variant="" if factor is None else f"lr{factor:g}")
    return TEMPLATE.model_copy(update={"cell": place, "status": status, "measurements": tuple(found)})


def references(seeds=5):
    planted = {"held-out real": FLOOR, "independent pixels": HOPELESS}
    return [
        cell(name, seed, None, fid).model_copy(update={"family": "reference"})
        for seed in range(seeds)
        for name, fid in planted.items()
    ]


def contender(outcome, name="one", seeds=5, factors=FACTORS, **more):
    """Cells of a contender: `outcome(seed, factor)` is a FID or a status."""
    return [cell(name, seed, factor, outcome(seed, factor), **more) for seed in range(seeds) for factor in factors]


def judged(outcome, seeds=5, **more):
    return stability([*contender(outcome, seeds=seeds, **more), *references(seeds)], TARGETS)["one"]


def grid(rows):
    return lambda seed, factor: rows[seed][FACTORS.index(factor)]


def test_a_contender_that_always_reaches():
    own = judged(lambda seed, factor: 4.0 + abs(math.log2(factor)) / 10)
    assert own.own == own.common == (1.0,) * 5
    assert (own.best_factor, own.edge, own.enough) == (1.0, False, True)
    assert (own.diverged, own.misses, own.cells) == (0, 0, 25)
    row = stability_table({"one": own}).iloc[0]
    assert row.diverged_high == pytest.approx(1 - 0.025 ** (1 / 25))  # 0 of 25 is not "never"


def test_one_that_fails_at_the_two_largest_factors():
    own = judged(lambda seed, factor: FAILED if factor > 1 else 4.0 + abs(math.log2(factor)))
    assert own.own == own.common == (0.6,) * 5
    assert (own.diverged, own.misses) == (0, 10)
    assert (own.best_factor, own.edge) == (1.0, False)


def test_one_that_diverges_in_half_of_its_cells():
    own = judged(lambda seed, factor: DIVERGED if (seed + FACTORS.index(factor)) % 2 else 4.0, seeds=6)
    assert (own.diverged, own.misses, own.cells) == (15, 15, 30)
    row = stability_table({"one": own}).iloc[0]
    assert row.diverged_low < 0.5 < row.diverged_high
    assert np.mean(own.common) == 0.5


def test_a_best_factor_at_the_edge_is_told():
    low = judged(lambda seed, factor: 4.0 * factor)
    high = judged(lambda seed, factor: 4.0 / factor + 1)
    assert (low.best_factor, low.edge) == (0.25, True)
    assert (high.best_factor, high.edge) == (4.0, True)


def test_a_shifted_grid_is_read_where_it_is_given():
    factors = (1.0, 2.0, 4.0, 8.0, 16.0)
    records = contender(lambda seed, factor: 4.0 + abs(math.log2(factor / 4)), factors=factors)
    own = stability([*records, *references()], {**TARGETS, "shifted": {"one": factors}})["one"]
    assert (own.factors, own.best_factor, own.edge) == (factors, 4.0, False)


def test_a_seed_has_no_part_in_its_own_target():
    rows = [[11.0] * 5, [4.0] * 5, [6.0] * 5]
    own = judged(grid(rows), seeds=3)
    assert own.own == (0.0, 1.0, 1.0)  # the target of seed 0 is 2 sqrt(24) = 9.8; with its own 11 it would be 12
    better = judged(grid([[9.7] * 5, *rows[1:]]), seeds=3)
    assert better.own == (1.0, 1.0, 1.0)


def test_the_target_is_that_of_the_factor_that_is_best_for_the_others():
    rows = [[25.0, 19.0, 21.0, 20.0, 1.0]] + [[30.0, 12.0, 10.0, 12.0, 30.0]] * 4
    assert judged(grid(rows)).own[0] == 3 / 5  # at most 2 x 10; by its own best factor's 30 it would reach all


def test_the_other_seeds_choose_the_best_factor_too():
    rows = [[9.0, 9.0, 5.0, 9.0, 2.0], [9.0, 9.0, 4.0, 9.0, 3.0], [9.0, 9.0, 4.0, 9.0, 20.0]]
    own = judged(grid(rows), seeds=3)
    assert own.best_factor == 4.0  # the median of 2, 3, 20 is 3, that of 5, 4, 4 is 4
    logs = np.log(rows[0])
    assert own.sensitivity[0] == pytest.approx(np.mean(logs - logs[2]))  # but the others are best at 1: sqrt(60) > 4


def test_misses_enter_sensitivity_and_spread_as_independent_pixels():
    rows = [[4.0, 4.0, 4.0, FAILED, 60.0]] * 4 + [[4.0, 4.0, DIVERGED, 4.0, 4.0]]
    own = judged(grid(rows))
    assert own.misses == 9  # 60 is worse than hopeless
    assert own.diverged == 1
    assert own.sensitivity[0] == pytest.approx(2 / 5 * math.log(HOPELESS / 4))
    assert own.spread == 0.0  # one seed of five is outside the middle half
    two = judged(grid(rows[:3] + [rows[4]] * 2))
    assert two.spread == pytest.approx(math.log(HOPELESS / 4))


def test_spread_is_the_interquartile_range_of_log_fid():
    values = [2.0, 3.0, 5.0, 7.0, 11.0]
    assert judged(lambda seed, factor: values[seed]).spread == pytest.approx(math.log(7 / 3))


def test_a_family_that_misses_nearly_always_reaches_nothing():
    own = judged(lambda seed, factor: 4.0 if (seed, factor) == (0, 1) else FAILED)
    assert own.own == (0.0,) * 5
    assert own.common == (0.2, 0.0, 0.0, 0.0, 0.0)
    assert np.isnan([*own.sensitivity, own.best_factor, own.gain, own.spread]).all()
    assert own.edge is False
    assert own.misses == 24


def test_a_planted_drawdown():
    curve = [40.0, 20.0, *[10.0] * 10, 20.0, 20.0, 20.0]
    own = judged(lambda seed, factor: 20.0, curve=curve, noise=0.0)
    assert own.drawdown == pytest.approx([math.log(2)] * 5)
    noisy = judged(lambda seed, factor: 20.0, curve=curve, noise=0.1)
    assert noisy.noise == pytest.approx(0.1)
    assert noisy.drawdown == pytest.approx([math.log(2) - 0.1 * flat_shortfall(16)] * 5)


def test_a_curve_that_only_falls_has_none():
    falling = [40.0 - k for k in range(15)]
    assert judged(lambda seed, factor: 20.0, curve=falling, noise=0.0).drawdown == (0.0,) * 5


def test_no_drawdown_without_the_noise_or_of_a_failed_base_cell():
    assert np.isnan(judged(lambda seed, factor: 4.0, noise=None).drawdown).all()
    own = judged(lambda seed, factor: DIVERGED if (seed, factor) == (3, 1) else 4.0)
    assert np.isnan(own.drawdown).tolist() == [False, False, False, True, False]


def test_noise_alone_brings_the_published_shortfall():
    assert flat_shortfall(5) == pytest.approx(1.88, abs=0.02)
    assert flat_shortfall(16) == pytest.approx(2.62, abs=0.02)


@pytest.mark.parametrize(("evaluations", "noise"), [(5, 0.3), (16, 0.05)])
def test_flat_curves_with_noise_have_no_drawdown_on_average(evaluations, noise):
    curves = noise * np.random.default_rng(5).standard_normal((4000, evaluations)) + 2.0
    excess = np.array([excess_drawdown(curve, noise) for curve in curves])
    assert abs(excess.mean()) < 4 * excess.std() / math.sqrt(len(excess))
    assert shortfall(curves).mean() > 1.5 * noise  # what the correction takes away is not small


def test_gain_over_the_last_doubling():
    curve = [30.0] * 7 + [12.0] * 8
    own = judged(lambda seed, factor: 8.0 + abs(math.log2(factor)), curve=curve)
    assert own.gain == pytest.approx(12 / 8)


def test_the_unit_of_fid_changes_nothing():
    generator = np.random.default_rng(3)
    rows = np.exp(1.5 + 0.8 * generator.standard_normal((5, 5))).tolist()
    rows[2][3], rows[4][0], rows[1][1] = FAILED, DIVERGED, 500.0
    curve = np.exp(2 + 0.3 * generator.standard_normal(15)).tolist()
    records = [*contender(grid(rows), curve=curve, noise=0.05), *references()]
    scaled = [
        with_values(r, {(m.metric, m.sampler): m.value * 7.3 for m in r.measurements if m.value and m.metric != "fid_noise"})
        for r in records
    ]
    one, other = (stability(found, TARGETS)["one"] for found in (records, scaled))
    assert one.own == other.own
    for name in ("drawdown", "sensitivity", "spread", "gain"):
        assert getattr(one, name) == pytest.approx(getattr(other, name)), name
    assert (one.best_factor, one.misses, one.diverged) == (other.best_factor, other.misses, other.diverged)


def test_a_seed_that_was_not_run_to_its_end_is_left_out():
    records = contender(lambda seed, factor: 4.0 + seed)
    unjudged = with_values(records[0], {("fid", "default"): None}, "too slow")
    own = stability([unjudged, *records[1:-1], *references()], TARGETS)["one"]
    assert own.seeds == (1, 2, 3)
    assert own.cells == 15


def test_without_references_there_is_no_common_target():
    found = stability(contender(lambda seed, factor: 4.0), TARGETS)
    assert found["one"].own == (1.0,) * 5
    common = stability_measurements(found)["one", 0, "", "stability_common"]
    assert common.value is None
    assert "held-out real" in common.source


def test_a_suite_without_targets_has_no_stability():
    assert stability(contender(lambda seed, factor: 4.0), None) == {}
    assert stability_table({}).empty


@pytest.mark.parametrize(("seeds", "factors"), [(2, FACTORS), (5, (0.5, 1.0))])
def test_too_few_runs_are_measured_by_nobody(seeds, factors):
    records = [*contender(lambda seed, factor: 4.0, seeds=seeds, factors=factors), *references(seeds)]
    found = stability(records, TARGETS)
    assert not found["one"].enough
    assert stability_measurements(found) == {}
    table = rankings(records, make_run(1)[0], metrics=())
    assert table[table.metric == "stability"].status.tolist() == ["too few runs"]


def three():
    """Three contenders: one that always reaches its target, one whose base cell failed once, one that needs its own rate."""
    return [
        *contender(lambda seed, factor: 4.0 + seed / 10, "steady"),
        *contender(lambda seed, factor: FAILED if (seed, factor) == (1, 1) else 4.0, "unlucky"),
        *contender(lambda seed, factor: 4.0 if factor == 1 else 9.0 + seed, "touchy"),
        *references(),
    ]


def test_measurements_are_what_was_found():
    found = stability(three(), TARGETS)
    measurements = stability_measurements(found)
    assert len(measurements) == 3 * 5 * 4
    values = [measurements["unlucky", seed, "", "stability"].value for seed in range(5)]
    assert values == [1.0, 0.8, 1.0, 1.0, 1.0]
    assert measurements["unlucky", 1, "", "stability_drawdown"].value is None
    assert all(m.metric == key[3] and m.unit == METRICS[m.metric].unit for key, m in measurements.items())
    assert "2 x the median" in measurements["steady", 0, "", "stability"].source
    assert "at most 6" in measurements["steady", 0, "", "stability_common"].source


def test_the_ranking_is_by_the_own_target_and_keeps_who_failed():
    manifest = make_run(1)[0]
    manifest = manifest.model_copy(update={"suite": {**manifest.suite, "stability": TARGETS}})
    table = rankings(three(), manifest, metrics=())
    assert table.metric.eq("stability").all()
    assert table.entry.tolist() == ["steady", "unlucky", "touchy"]
    assert table.value.tolist() == pytest.approx([1.0, 0.96, 0.2])
    assert table["rank"].tolist() == [1, 2, 3]
    assert table.status.tolist() == ["ok"] * 3


def test_the_table_has_a_row_a_contender_most_stable_first():
    table = stability_table(stability(three(), TARGETS))
    assert table.contender.tolist() == ["steady", "unlucky", "touchy"]
    assert table.own.tolist() == pytest.approx([1.0, 0.96, 0.2])
    assert table.misses.tolist() == [0, 1, 0]
    assert (table.own_low <= table.own).all()
    assert (table.own <= table.own_high).all()


def test_samplers_and_curves_are_those_of_the_default_entry():
    contenders = {"vae": Plan("autoencoder", {"mean": Way(9.0, 1000.0), "noise": Way(2.0, 1000.0)})}
    variants = tuple(f"lr{factor:g}" for factor in FACTORS)
    records = make_run(4, contenders=contenders, failures=(), variants=variants, shares=SHARES[:-1])[1]
    own = stability(records, TARGETS)["vae"]
    fids = {
        (r.cell.seed, r.cell.variant): m.value for r in records for m in r.measurements if (m.metric, m.sampler) == ("fid", "mean")
    }
    expected = [[math.log(fids[seed, variant]) for variant in variants] for seed in range(4)]
    np.testing.assert_allclose(own.log_fid, expected)
    assert own.enough
