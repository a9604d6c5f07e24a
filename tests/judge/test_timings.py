"""Times of disturbed cells: kept out of what is said about speed, and of nothing else."""

import numpy as np
import pytest

from paragone.bench.judge.claims import Claim
from paragone.bench.judge.ranking import rankings
from paragone.bench.judge.timings import CONTROL_BOUND, CONTROL_REASON, control_speeds, invalid_timings, timed
from paragone.bench.judge.verdicts import verdicts
from paragone.bench.metrics.table import METRICS
from paragone.bench.profile import control
from tests.builders import QUIET_S, make_run, with_timing

FAST = Claim(id="mine", statement="Mine.", sides=(("GAN", "diffusion"),), metrics=("sample_throughput_per_s",))
GOOD = Claim(id="yours", statement="Yours.", sides=(("GAN", "flow"),), metrics=("fid",))
STEAL = "steal 12 % of the cell's processors"


def run(disturbed=(), seeds=5, reason=STEAL, **options):
    manifest, records = make_run(seeds, failures=options.pop("failures", ()), **options)
    return manifest, [with_timing(r, reason) if (r.cell.contender, r.cell.seed) in disturbed else r for r in records]


def judged(claim, disturbed=(), **options):
    manifest, records = run(disturbed, **options)
    return verdicts(records, manifest, [claim])[0]


def ranked(metric, disturbed=(), **options):
    manifest, records = run(disturbed, **options)
    table = rankings(records, manifest)
    return table[table.metric == metric].set_index("entry")


def test_a_record_without_timing_says_nothing_against_its_times():
    _, records = make_run(2)
    assert invalid_timings([r.model_copy(update={"timing": None}) for r in records]) == {}
    assert invalid_timings(records) == {}
    assert invalid_timings([]) == {}


def test_what_the_record_says_is_taken_over():
    _, records = run({("dcgan", 1)})
    assert invalid_timings(records) == {"digits.dcgan.s1": (STEAL,)}


@pytest.mark.parametrize(("factor", "invalid"), [(1.24, False), (1.26, True), (1 / 1.24, False), (1 / 1.26, True)])
def test_a_control_workload_far_from_the_median_invalidates(factor, invalid):
    _, records = make_run(2)
    changed = [with_timing(r, control_s=QUIET_S * factor) if r.cell.id == "digits.dcgan.s1" else r for r in records]
    assert invalid_timings(changed) == ({"digits.dcgan.s1": (CONTROL_REASON,)} if invalid else {})
    assert control_speeds(changed)["digits.dcgan.s1"] == pytest.approx(1 / factor)


def test_the_control_of_a_cell_is_the_geometric_mean_of_before_and_after():
    _, records = make_run(2)
    twice = records[0].timing.model_copy(update={"control_s": (QUIET_S * CONTROL_BOUND, QUIET_S / CONTROL_BOUND)})
    assert control_speeds([records[0].model_copy(update={"timing": twice}), *records[1:]])[records[0].cell.id] == pytest.approx(1)


def test_the_bound_is_the_one_under_which_a_cell_judges_itself():
    """Two constants, because the control workload needs torch and the judge must not import it."""
    assert CONTROL_BOUND == control.BOUND


def test_a_slow_run_is_not_invalid_for_being_slow():
    _, records = make_run(2)
    assert invalid_timings([with_timing(r, control_s=7 * QUIET_S) for r in records]) == {}


def test_every_time_and_energy_is_known_as_one():
    """A busy machine spoils speed, energy and power, but no amounts of budgets, no processor time and no counts."""
    for name, known in METRICS.items():
        if known.group == "speed" and name != "network_evaluations":
            assert timed(name), name
        if name.endswith(("_joules", "_power_w", "_utilisation")) and "gpu" not in name:
            assert timed(name), name
        if known.group in ("quality", "likelihood", "memory", "stability", "task"):
            assert not timed(name), name
    assert timed("train_joules@0.25")
    sound = ("network_evaluations", "train_flops", "sample_flops", "train_s", "train_s@0.5", "fid@0.5", "sample_cpu_s")
    assert not any(map(timed, sound))


def test_an_invalid_cell_changes_the_n_of_a_speed_verdict_and_no_quality_verdict():
    fast, good = judged(FAST), judged(GOOD)
    assert (fast.n, fast.verdict, good.n) == (5, "supported", 5)
    for disturbed in ({("dcgan", 1)}, {("ddpm", 1)}):
        less = judged(FAST, disturbed)
        assert (less.n, less.verdict) == (4, "supported")
        assert "without seed 1, where a timing is invalid" in less.conditions
    same = judged(GOOD, {("dcgan", 1), ("realnvp", 0)})
    assert (same.n, same.p, same.verdict, same.conditions) == (good.n, good.p, good.verdict, good.conditions)


def test_an_invalid_timing_is_no_failure():
    """A failure of the side claimed better never supports; a disturbed cell is left out and the rest decides."""
    manifest, records = make_run(5, failures=[("dcgan", 1)])
    assert verdicts(records, manifest, [FAST])[0].verdict == "undetermined"
    failed_and_disturbed = [with_timing(r, STEAL) if r.cell.id == "digits.dcgan.s1" else r for r in records]
    assert verdicts(failed_and_disturbed, manifest, [FAST])[0].verdict == "undetermined", "a failure stays one on a busy machine"


def test_without_any_valid_timing_a_speed_claim_is_not_tested():
    found = judged(FAST, {("dcgan", seed) for seed in range(5)})
    assert found.verdict == "undetermined"
    assert not found.components
    assert "no valid timing of GAN" in found.reason
    assert STEAL in found.reason
    assert "quiet machine" in found.remedy


def test_sides_without_a_common_valid_seed_are_not_tested():
    disturbed = {("dcgan", 0), ("dcgan", 1), ("ddpm", 2), ("ddpm", 3)}
    found = judged(FAST, disturbed)
    assert (found.verdict, found.components) == ("undetermined", ())
    assert "no valid timing of all sides at once in 4 of 5 seeds" in found.reason


def test_a_limit_of_time_without_valid_timing_is_no_choice():
    """The side whose times are all disturbed may keep the limit or not: that is unknown, not a reason to leave it out."""
    choice = FAST.model_copy(update={"metrics": ("fid",), "under": ("sample_latency_s", 1.0)})
    assert judged(choice).components
    assert "no valid timing of diffusion" in judged(choice, {("ddpm", seed) for seed in range(5)}).reason


def test_rankings_count_what_they_leave_out():
    whole, less = ranked("sample_latency_s"), ranked("sample_latency_s", {("vqvae", 0), ("vqvae", 3)})
    row = less.loc["vqvae"]
    assert (row.status, row.n) == ("2 of 5 timings invalid", 3)
    assert row["rank"] == whole.loc["vqvae", "rank"]
    assert row.value != whole.loc["vqvae"].value
    assert ranked("fid", {("vqvae", 0)}).equals(ranked("fid"))
    assert ranked("train_peak_rss_bytes", {("vqvae", 0)}).equals(ranked("train_peak_rss_bytes"))


def test_an_entry_without_valid_timing_is_shown_without_rank():
    whole, less = ranked("sample_latency_s"), ranked("sample_latency_s", {("vqvae", seed) for seed in range(5)})
    row = less.loc["vqvae"]
    assert (row.status, row.value) == ("no valid timing", whole.loc["vqvae"].value)
    assert np.isnan(less["rank"].astype(float)["vqvae"])
    assert less["rank"].max() == whole["rank"].max() - 1


def test_a_whole_run_off_its_median_is_judged_cell_by_cell():
    """Half of the cells on a machine twice as slow: the median lies between, and neither half can be compared."""
    manifest, records = make_run(4, failures=())
    slow = [with_timing(r, control_s=2 * QUIET_S) if r.cell.seed % 2 else r for r in records]
    assert len(invalid_timings(slow)) == len(records)
    assert verdicts(slow, manifest, [FAST])[0].verdict == "undetermined"
