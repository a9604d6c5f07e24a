"""One run ranked at equal amounts of every axis: planted curves whose order depends on what is held equal."""

import numpy as np
import pytest

from paragone.bench.judge.axes import COLUMNS, NAMES, absent, at_equal, axis_table, in_words
from paragone.bench.judge.blocks import tracks
from paragone.bench.judge.curves import AXES
from paragone.bench.metrics.table import at_share
from paragone.bench.records import Axis
from tests.builders import BELOW_ONE, Way, make_run, planned, with_timing, with_values

SHARES = (*BELOW_ONE, 1.0)
PAIR = {"a": planned("dcgan", samplers={"default": Way(5.0, 1.0)}), "b": planned("vae", samplers={"default": Way(5.0, 1.0)})}


def planted(curves, spent, seeds=5, noise=0.0, names=None, **options):
    """A run in which `curves[name](share)` is the FID at a share and `spent[axis][name]` what the whole budget was there."""
    generator = np.random.default_rng(2)
    _, records = make_run(seeds, contenders=dict.fromkeys(names or curves, PAIR["a"]), failures=(), **options)
    changed = []
    for r in records:
        name = r.cell.contender
        if name in curves:
            shift = float(np.exp(noise * generator.standard_normal()))
            values = {(at_share("fid", s), "default"): curves[name](s) * shift for s in SHARES}
            values |= {(at_share(axis, s), ""): own[name] * s for axis, own in spent.items() for s in SHARES}
            r = with_values(r, values)
        changed.append(r)
    return tracks(changed)[0]


def by_name(track):
    return {made.name: made for made in at_equal(track)}


def ranks(made):
    return {row.entry.name: row.rank[0] if row.rank else row.status for row in made.rows}


def test_twice_as_good_at_equal_flops_and_worse_at_equal_seconds():
    """a: FID 8 / share, b: FID 10 / share; in flops the whole budget of a is 2.5 times b's: at b's, a has 8 x 2.5 = 20."""
    track = planted({"a": lambda s: 8 / s, "b": lambda s: 10 / s}, {"train_flops": {"a": 2.5e12, "b": 1e12}}, noise=0.01)
    found = by_name(track)
    assert ranks(found["seconds"]) == ranks(found["steps"]) == {"a": 1, "b": 2}
    assert ranks(found["flops"]) == {"b": 1, "a": 2}
    assert found["seconds"].amount == pytest.approx(6.0)
    assert found["flops"].amount == pytest.approx(1e12)
    (first, second) = found["flops"].rows
    assert second.summary.value / first.summary.value == pytest.approx(2.0, rel=0.02)
    assert first.rank == (1, 1, 1), "five seeds of 1 % noise make a factor of two sure"


def test_values_between_shares_are_read_on_the_logarithms():
    """A power law stays one: FID = 8 share^-.7 read at 1/3 of a's budget, between its shares 1/4 and 1/2."""
    track = planted({"a": lambda s: 8 * s**-0.7, "b": lambda s: 5.0}, {"train_steps": {"a": 900.0, "b": 300.0}})
    made = by_name(track)["steps"]
    assert made.amount == pytest.approx(300)
    assert next(row for row in made.rows if row.entry.name == "a").summary.value == pytest.approx(8 * (1 / 3) ** -0.7)


def test_curves_that_do_not_reach_have_no_rank_and_say_so():
    """c spends so little that its curve ends where a's and b's begin, d so much that its curve begins beyond them."""
    flat = {name: lambda s: 5 / s for name in "abcd"}
    steps = {"a": 640.0, "b": 320.0, "c": 16.0, "d": 16_000.0}
    made = by_name(planted(flat, {"train_steps": steps}))["steps"]
    assert made.amount == pytest.approx(320)
    assert ranks(made) == {"b": 1, "a": 2, "c": "its curve ends at 16 steps", "d": "its curve begins at 1\u202f000 steps"}
    assert all(np.isnan(row.summary.value) for row in made.rows if row.rank is None)


def test_curves_that_nowhere_overlap_rank_nobody():
    curves = {"a": lambda s: 5 / s, "b": lambda s: 6 / s}
    track = planted(curves, {"train_steps": {"a": 10.0, "b": 1000.0}})
    assert "steps" not in by_name(track)
    assert absent(track)["train_steps"] == "no two contenders' curves have an amount in common"
    assert ranks(by_name(track)["seconds"]) == {"a": 1, "b": 2}


def test_the_amount_is_the_largest_that_most_curves_reach():
    curves = {name: lambda s: 5 / s for name in "abc"}
    assert by_name(planted(curves, {"train_steps": {"a": 100.0, "b": 400.0, "c": 900.0}}))["steps"].amount == pytest.approx(100)
    far = by_name(planted(curves, {"train_steps": {"a": 10.0, "b": 400.0, "c": 900.0}}))["steps"]
    assert far.amount == pytest.approx(400), "two of three, because a ends before c begins"


def test_what_ends_the_curves_of_some_seeds_ends_the_curve():
    curves = {"a": lambda s: 5 / s, "b": lambda s: 6 / s}
    track = planted(curves, {"train_steps": {"a": 100.0, "b": 100.0}})
    (key,) = [key for key in track.measured if key[:2] == ("a", 2) and key[3] == "train_steps"]
    track.measured[key] = track.measured[key].model_copy(update={"value": 80.0})
    assert by_name(track)["steps"].amount == pytest.approx(80)


def test_axes_that_were_not_measured_are_absent_with_their_reason():
    _, records = make_run(3)
    track = tracks(records)[0]
    assert [made.axis for made in at_equal(track)] == list(AXES[:4])
    assert absent(track) == {"train_joules": "unsupported: no counter of energy can be read here"}
    _, measured = make_run(3, watts=40.0)
    joules = by_name(tracks(measured)[0])["joules"]
    assert joules.amount == pytest.approx(240)
    assert ranks(joules) == ranks(by_name(tracks(measured)[0])["seconds"]), "at constant power joules are seconds"


def test_one_point_is_no_curve():
    _, records = make_run(3, shares=())
    assert at_equal(tracks(records)[0]) == []
    assert absent(tracks(records)[0]) == {}


def test_failed_cells_rank_behind_and_cells_without_curve_say_so():
    _, records = make_run(3, failures=[("realnvp", 1), *(("vqvae", s) for s in range(3))])
    lost = {(at_share("fid", s), "default"): None for s in BELOW_ONE}
    records = [with_values(r, lost, "too early") if r.cell.contender == "dcgan" else r for r in records]
    rows = {row.entry.name: row for row in by_name(tracks(records)[0])["seconds"].rows}
    assert rows["realnvp"].status == "failed (2 of 3 seeds ok)"
    assert rows["vqvae"].status == "failed (0 of 3 seeds ok)"
    assert rows["dcgan"].status == "its FID was measured at the end only"
    assert rows["dcgan"].rank is None
    assert rows["realnvp"].rank[0] < rows["vqvae"].rank[0]


def test_the_table_has_a_row_for_every_contender_and_axis():
    manifest, records = make_run(3)
    table = axis_table(tracks(records, manifest))
    assert tuple(table.columns) == COLUMNS
    assert table.groupby("axis", sort=False).size().to_dict() == {"seconds": 7, "steps": 7, "samples": 7, "flops": 7}
    assert (table.groupby("axis").amount.nunique() == 1).all()
    ranked = table[table["rank"].notna()]
    assert ((ranked.rank_low <= ranked["rank"]) & (ranked["rank"] <= ranked.rank_high)).all()


def test_busy_machines_do_not_touch_quality_at_equal_amounts():
    _, records = make_run(3)
    disturbed = [with_timing(r, "steal 12 %") if r.cell.contender == "dcgan" else r for r in records]
    assert axis_table(tracks(disturbed)).equals(axis_table(tracks(records)))


def test_every_axis_of_a_budget_has_a_name():
    assert tuple(NAMES) == AXES
    assert {name for name, _ in NAMES.values()} == set(Axis.__args__)


def test_amounts_in_words():
    assert in_words("train_s", 6.0129) == "6.01 s"
    assert in_words("train_steps", 562.2) == "562 steps"
    assert in_words("train_samples", 76_812.0) == "76\u202f800 samples"
    assert in_words("train_flops", 3.21e12) == "3.21 Tflop"
    assert in_words("train_joules", 1234.0) == "1.23 kJ"
    assert in_words("train_joules", 0.4) == "0.4 J"
