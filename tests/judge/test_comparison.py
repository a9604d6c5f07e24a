"""Two runs compared: planted changes are found and named, nothing is found where nothing is, A against B mirrors B against A."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paragone.bench.errors import UsageError
from paragone.bench.judge.comparison import ALPHA, compare, compare_sides
from paragone.bench.judge.differences import paired_difference, welch_difference
from paragone.bench.judge.sides import NO_CONTROL, Key, Side, read_side
from paragone.bench.metrics.table import METRICS
from tests.builders import CONTENDERS, make_run, with_timing, with_values
from tests.reports.folders import suited, write_folder

TWO = {name: CONTENDERS[name] for name in ("vae", "ddpm")}
OPPOSITE = {"better": "worse", "worse": "better"}
QUIET: dict[str, object] = {"failures": (), "shares": (), "contenders": TWO}
STEP = Key("digits", "vae", "", "train_step_s")
FID = Key("digits", "vae", "mean", "fid")
METRICS_CHANGED = ["fid", "train_step_s", "recall", "kid"]
FLOPS = Key("digits", "vae", "mean", "sample_flops")


def side(name="A", seeds=5, generator_seed=7, keep=None, **options):
    manifest, records = make_run(seeds, generator_seed=generator_seed, **QUIET | options)
    return replaced(Side(name, Path(name), suited(manifest), tuple(records), ()), keep=keep)


def replaced(one, change=None, keep=None, **manifest):
    """A side whose records are changed, of which only some seeds are kept, and whose manifest has other fields."""
    records = [change(r) if change is not None else r for r in one.records if keep is None or r.cell.seed in keep]
    order = tuple(r.cell.id for r in records)
    return Side(one.name, one.folder, one.manifest.model_copy(update={"order": order, **manifest}), tuple(records), one.skipped)


def times(metric, factor, contender="vae", noise=0.0, seed=0):
    """A change of records: one metric of a contender multiplied, with noise of its own in each record."""
    generator = np.random.default_rng(seed)

    def change(record):
        own = {(m.metric, m.sampler): m.value for m in record.measurements if m.metric == metric and m.value is not None}
        if record.cell.contender != contender:
            return record
        return with_values(record, {key: v * factor * math.exp(noise * generator.standard_normal()) for key, v in own.items()})

    return change


def row(comparison, key):
    return next(row for row in comparison.rows if row.key == key)


def verdicts(comparison):
    return {row.key: row.verdict for row in comparison.rows}


def test_a_run_against_itself_changed_nowhere():
    found = compare_sides(side(), side())
    assert found.same_run
    assert found.counts["no difference seen"] == len(found.rows) > 50
    assert (found.obstacles, found.environment, found.only, found.failed) == ((), (), (), ())
    assert all(r.ratio == 1 for r in found.rows if not math.isnan(r.ratio))


def test_identical_code_has_no_verdicts_in_95_of_100():
    rounds = 120
    false = sum(
        any(v in OPPOSITE for v in verdicts(compare_sides(side(generator_seed=2 * n), side(generator_seed=2 * n + 1))).values())
        for n in range(rounds)
    )
    assert false <= stats.binom.ppf(0.999, rounds, ALPHA)


@pytest.mark.parametrize("contenders", [TWO, CONTENDERS], ids=["two", "seven"])
def test_a_planted_slow_down_is_found_and_named(contenders):
    """Steps of one contender take 20 % longer; times scatter by 3 % (2 % of the builder's own and more), five seeds."""
    rounds, missed, others, more = 24, 0, 0, math.sqrt(0.03**2 - 0.02**2)
    for n in range(rounds):
        a, b = (
            replaced(side(generator_seed=k, contenders=contenders), times("train_step_s", f, noise=more, seed=k))
            for k, f in ((n, 1.0), (n + 99, 1.2))
        )
        found = compare_sides(a, b)
        missed += row(found, STEP).verdict != "worse"
        others += len([r for r in found.worst_first if r.key != STEP and r.verdict in OPPOSITE])
    assert missed <= stats.binom.ppf(0.999, rounds, 0.1)
    # With one true change, a share of 5 % of the verdicts may be false.
    assert others <= stats.poisson.ppf(0.999, 2 * ALPHA * rounds)


def test_rates_and_qualities_go_the_right_way():
    def change(record):
        return times("fid", 0.4)(times("sample_throughput_per_s", 0.7)(record))

    found = compare_sides(side(noise=0.02), replaced(side(generator_seed=8, noise=0.02), change))
    assert row(found, FID).verdict == "better"
    rate = row(found, Key("digits", "vae", "mean", "sample_throughput_per_s"))
    assert rate.verdict == "worse"
    assert rate.ratio == pytest.approx(0.7, rel=0.05)
    assert rate.ratio_interval[0] < rate.ratio < rate.ratio_interval[1] < 1
    assert found.worst_first[0].verdict == "worse"


def test_a_change_smaller_than_counts_is_no_verdict():
    a = side(noise=0.0)
    found = row(compare_sides(a, replaced(a, times("train_step_s", 1.01))), STEP)
    # Repeated to the letter the spread would be 0; it is believed to be at least a tenth of what counts.
    assert found.verdict == "no difference seen"
    larger = row(
        compare_sides(a, replaced(a, times("train_peak_rss_net_bytes", 1.05))), Key("digits", "vae", "", "train_peak_rss_net_bytes")
    )
    assert larger.verdict == "worse"


def test_a_metric_without_a_better_direction_only_changes():
    found = compare_sides(side(), replaced(side(generator_seed=8), times("high_frequency_ratio", 1.5)))
    assert row(found, Key("digits", "vae", "mean", "high_frequency_ratio")).verdict == "changed"


def test_counts_are_compared_to_the_letter():
    a = side()
    found = compare_sides(a, replaced(a, times("sample_flops", 1 + 1e-9)))
    assert row(found, FLOPS).verdict == "changed"
    assert row(found, FLOPS).difference is None
    assert row(found, Key("digits", "ddpm", "ddim-50", "sample_flops")).reason == "the same to the letter"


def test_one_seed_says_too_few_seeds():
    found = compare_sides(side(seeds=1), replaced(side(seeds=1, generator_seed=8), times("fid", 3.0)))
    assert row(found, FID).verdict == "undetermined"
    assert row(found, FID).reason == "too few seeds (1 in A, 1 in B): an interval needs 2 on either side"
    assert not [r for r in found.rows if r.verdict in OPPOSITE]


def test_other_seeds_are_compared_unpaired():
    paired = row(compare_sides(side(seeds=6, keep=range(5)), side(seeds=6, keep=range(6))), FID)
    assert paired.difference.paired
    apart = row(compare_sides(side(seeds=6, keep=range(3), noise=0.5), side(seeds=6, keep=range(3, 6), noise=0.5)), FID)
    assert not apart.difference.paired
    x, y = ([math.log(v) for v in seen.values.values()] for seen in (apart.before, apart.after))
    assert apart.difference.p == pytest.approx(stats.ttest_ind(x, y, equal_var=False).pvalue)


def test_another_machine_has_no_verdict_on_times():
    slower = times("train_step_s", 2.0)
    keys = {**side().manifest.fingerprint, "cpu": "Other CPU"}
    found = compare_sides(side(), replaced(side(), slower, fingerprint=keys))
    assert row(found, STEP).verdict == "undetermined"
    assert row(found, STEP).reason == "another machine (cpu is Example CPU in A and Other CPU in B)"
    assert row(found, STEP).ratio == pytest.approx(2.0)
    assert row(found, FLOPS).verdict == "no difference seen"
    # Six seconds buy other training there.
    assert "budget in seconds" in row(found, FID).reason


def test_quality_on_another_machine_where_the_budget_is_counted():
    def counted(record):
        audit = record.audit
        steps = None if audit is None else audit.model_copy(update={"axis": "steps", "asked": 600.0})
        return times("fid", 3.0)(record).model_copy(update={"audit": steps})

    a = replaced(side(), lambda r: times("fid", 1 / 3)(counted(r)))
    b = replaced(side(generator_seed=8), counted, fingerprint={**a.manifest.fingerprint, "cpu": "Other CPU"})
    found = compare_sides(a, b)
    assert row(found, FID).verdict == "worse"
    assert row(found, STEP).verdict == "undetermined"


def test_software_that_decides_times_is_another_set_up():
    keys = {**side().manifest.fingerprint, "torch": "3.0"}
    found = compare_sides(side(), replaced(side(), fingerprint=keys))
    assert row(found, STEP).reason == "another set-up (torch is none in A and 3.0 in B)"
    assert row(found, FID).verdict == "no difference seen"


@pytest.mark.parametrize(
    ("section", "key", "value", "stopped", "kept"),
    [
        ("budget", "train", "60 s", FID, FLOPS),
        ("budget", "parameters", 5, FLOPS, None),
        ("evaluation", "samples", 50, FID, STEP),
        ("training", "precision", "bfloat16", STEP, None),
    ],
)
def test_another_protocol_forbids_what_depends_on_it(section, key, value, stopped, kept):
    a = side()
    suite = {**a.manifest.suite, section: {**a.manifest.suite.get(section, {}), key: value}}
    found = compare_sides(a, replaced(a, suite=suite))
    assert row(found, stopped).verdict == "undetermined"
    assert row(found, stopped).reason.startswith("another ")
    assert kept is None or row(found, kept).verdict == "no difference seen"


def test_the_same_budget_in_other_words():
    a = side()
    suite = {**a.manifest.suite, "budget": {**a.manifest.suite["budget"], "train": "6.0 seconds"}}
    assert not compare_sides(a, replaced(a, suite=suite)).obstacles


def test_other_data_forbids_everything():
    found = compare_sides(side(), replaced(side(), lambda r: r.model_copy(update={"hashes": {**r.hashes, "data": "ff"}})))
    assert found.counts["undetermined"] == len(found.rows)
    assert "other data on digits" in found.obstacles[0].what


def test_a_yardstick_that_moved_forbids_quality():
    found = compare_sides(side(), replaced(side(), times("fid", 1.1, "held-out real")))
    assert "the yardstick moved" in row(found, FID).reason
    assert row(found, STEP).verdict == "no difference seen"


def test_a_slower_machine_moves_no_time_and_a_much_slower_one_forbids_them():
    def slower(factor):
        def change(record):
            changed = times("train_step_s", factor, record.cell.contender)(record)
            return with_timing(changed, control_s=0.1 * factor)

        return change

    found = row(compare_sides(side(), replaced(side(), slower(1.15))), STEP)
    assert found.verdict == "no difference seen"
    assert found.ratio == pytest.approx(1.0)
    assert found.after.values[0] == pytest.approx(1.15 * found.before.values[0])
    far = row(compare_sides(side(), replaced(side(), slower(1.6))), STEP)
    assert "slower in B by a factor 1.60" in far.reason


def test_times_of_disturbed_cells_are_left_out():
    a = side()
    some = replaced(a, lambda r: with_timing(r, "throttled") if r.cell.seed == 0 else r)
    assert 0 not in row(compare_sides(a, some), STEP).after.values
    found = row(compare_sides(a, replaced(a, lambda r: with_timing(r, "throttled"))), STEP)
    assert (found.verdict, found.reason) == ("undetermined", "no time that counts in B: throttled")
    assert math.isnan(found.ratio)
    without = row(compare_sides(a, replaced(a, lambda r: r.model_copy(update={"timing": None}))), STEP)
    assert NO_CONTROL in without.reason


def test_what_only_one_run_has():
    a = side(contenders={**TWO, "dcgan": CONTENDERS["dcgan"]})
    b = replaced(side(), lambda r: with_values(r, {("kid", "mean"): None}, source="timed only"))
    found = compare_sides(a, b)
    assert [(o.side, o.entry) for o in found.only if not o.metrics] == [("A", "dcgan")]
    assert [(o.side, o.entry, o.metrics, o.reason) for o in found.only if o.metrics] == [("A", "vae/mean", ("kid",), "timed only")]
    assert not [r for r in found.rows if r.key.contender == "dcgan"]


def test_no_common_entry():
    found = compare_sides(side(contenders={"vae": TWO["vae"]}), side(contenders={"ddpm": TWO["ddpm"]}))
    assert not found.rows
    assert {o.side for o in found.only} == {"A", "B"}


def test_one_sampler_and_several_are_matched_by_what_they_are():
    def one(record):
        kept = tuple(m for m in record.measurements if m.sampler in ("", "mean"))
        return record.model_copy(update={"samplers": ("mean",), "measurements": kept}) if record.cell.contender == "vae" else record

    found = compare_sides(side(), replaced(side(), one))
    assert row(found, FID).entry == "vae/mean"
    assert row(found, FID).verdict == "no difference seen"
    assert [o.entry for o in found.only] == ["vae/noise"]


def test_failures_of_one_side_are_told_and_favour_nobody():
    b = side(failures=(("vae", 1), ("vae", 2)), noise=0.01)
    better = replaced(b, times("fid", 0.2))
    found = compare_sides(side(noise=0.01), better)
    assert [(f.side, f.cell, f.other) for f in found.failed] == [("B", "digits.vae.s1", "ok"), ("B", "digits.vae.s2", "ok")]
    assert row(found, FID).reason == "more cells failed in B, whose values are those of survivors"
    assert row(compare_sides(side(noise=0.01), replaced(b, times("fid", 5.0))), FID).verdict == "worse"


def test_damage_is_named_and_skipped(tmp_path):
    manifest, records = make_run(2, **QUIET)
    a = write_folder(tmp_path / "a", suited(manifest), records, samples=False)
    b = write_folder(tmp_path / "b", suited(manifest), records, samples=False)
    cells = sorted((b / "cells").glob("*.json"))
    cells[0].write_text("{")
    cells[1].write_text('{"schema_version": 1}')
    cells[2].write_bytes(cells[3].read_bytes())
    found = compare(a, b)
    assert [words.split(":")[0] for words in found.b.skipped] == [f"b/cells/{cell.name}" for cell in cells[:3]]
    assert str(tmp_path) not in " ".join(found.b.skipped)
    assert not found.a.skipped
    assert found.a.finished
    assert not found.b.finished
    assert len(found.b.unrecorded) == 3


@pytest.mark.parametrize("broken", ["missing", "empty", "file", "json"])
def test_no_run_is_an_error_that_says_what_to_do(tmp_path, broken):
    path = tmp_path / "x"
    if broken == "file":
        path.write_text("hello")
    elif broken != "missing":
        path.mkdir()
    if broken == "json":
        (path / "run.json").write_text("[]")
    with pytest.raises(UsageError, match=r"Name a folder that `run` wrote|remove it from the run folder"):
        read_side(path)


def test_samples_are_compared_to_the_letter():
    def sampled(digest):
        def change(record):
            files = {f"samples/{record.cell.id}/{s}.npz": digest for s in record.samplers}
            return record.model_copy(update={"files": files})

        return change

    a, b = replaced(side(), sampled("one")), replaced(side(), lambda r: sampled("two" if r.cell.contender == "vae" else "one")(r))
    found = compare_sides(a, b)
    assert found.same_samples == ("digits/ddpm/ddim-50", "digits/ddpm/ddpm-1000")
    assert found.other_samples == ("digits/vae/mean", "digits/vae/noise")


@settings(max_examples=40)
@given(
    noise=st.sampled_from([0.0, 0.01, 0.1]), factor=st.floats(0.3, 3.0), metric=st.sampled_from(METRICS_CHANGED),
    seeds=st.tuples(st.integers(1, 5), st.integers(1, 5)), failed=st.sets(st.integers(0, 4), max_size=2), speed=st.floats(0.7, 1.4),
)  # fmt: skip
def test_exchanging_the_runs_mirrors_everything(noise, factor, metric, seeds, failed, speed):
    a = side(seeds=seeds[0], noise=noise)
    b = side("B", seeds=seeds[1], noise=noise, generator_seed=8, failures=[("ddpm", s) for s in failed if s < seeds[1]])
    b = replaced(b, lambda r: with_timing(times(metric, factor)(r), control_s=0.1 * speed))
    there, back = compare_sides(a, b), compare_sides(b, a)
    assert {key: OPPOSITE.get(v, v) for key, v in verdicts(there).items()} == verdicts(back)
    for one in there.rows:
        other = row(back, one.key)
        assert (one.a, one.b, one.smallest) == pytest.approx((other.b, other.a, other.smallest), nan_ok=True)
        assert one.p == pytest.approx(other.p, nan_ok=True)
        assert one.ratio == pytest.approx(1 / other.ratio, nan_ok=True)
        low, high = one.ratio_interval
        if low > 0 and math.isfinite(high):
            assert other.ratio_interval == pytest.approx((1 / high, 1 / low), nan_ok=True)
    assert [(o.side, o.entry) for o in there.only] == [
        ({"A": "B", "B": "A"}[o.side], o.entry) for o in sorted(back.only, key=lambda o: o.side, reverse=True)
    ]
    assert there.counts["better"] == back.counts["worse"]


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=13), st.lists(st.floats(-5, 5), min_size=2, max_size=13))
def test_differences_are_those_of_scipy(x, y):
    a, b = np.array(x), np.array(y)
    n = min(a.size, b.size)
    if min(a.std(), b.std(), (b[:n] - a[:n]).std()) < 1e-3:
        return
    apart, theirs = welch_difference(a, b, 0.0), stats.ttest_ind(b, a, equal_var=False)
    assert (apart.p, apart.low, apart.high) == pytest.approx((theirs.pvalue, *theirs.confidence_interval()), rel=1e-6, abs=1e-9)
    paired, theirs = paired_difference(b[:n] - a[:n], 0.0), stats.ttest_rel(b[:n], a[:n])
    assert (paired.p, paired.low, paired.high) == pytest.approx((theirs.pvalue, *theirs.confidence_interval()), rel=1e-6, abs=1e-9)


def test_two_seeds_that_differ_alike_are_no_proof():
    lucky = paired_difference(np.array([0.1, 0.1]), least=0.05)
    assert lucky.p > 0.05
    assert lucky.low < 0


def test_every_row_is_of_a_known_metric_and_says_why_it_is_open():
    found = compare_sides(side(), side(generator_seed=8, failures=(("vae", 0),)))
    for one in found.rows:
        assert one.key.metric in METRICS
        assert one.reason or one.verdict != "undetermined"
