"""Can I trust it: spending on five axes, whose times are left out and why, and how fast the machine was."""

from pathlib import Path

import pytest

from paragone.bench.records import Measurement
from paragone.reports import audit, style, timings, write_report
from paragone.reports.method import sentences
from paragone.reports.run import load
from tests.builders import CONTENDERS, QUIET_S, make_run, with_timing
from tests.reports.folders import built, suited, write_folder

SMALL = {"contenders": {name: CONTENDERS[name] for name in ("dcgan", "vqvae")}, "shares": ()}
"""What a page is written of here: the fewer, the faster."""


def written(folder: Path, change=lambda record: record, **options):
    manifest, records = make_run(3, failures=(), **options)
    return write_folder(folder, suited(manifest), [change(record) for record in records], samples=False)


def with_audit(**changes):
    return lambda r: r if r.audit is None else r.model_copy(update={"audit": r.audit.model_copy(update=changes)})


def test_every_cell_has_its_spending_on_every_axis(tmp_path: Path):
    rows = audit.audit_rows(load(built(tmp_path / "a")))
    (row,) = [row for row in rows if row.cell == "digits.dcgan.s0"]
    assert [audit.amount(axis, row.spent_on(axis)).replace(style.THIN, " ") for axis in audit.AXES] == [
        "6.00 s", "900", "115 200", "3.60 Tflop", "—",
    ]  # fmt: skip
    assert audit.audit_missing(rows)[0].startswith("Joules were not measured in any cell: unsupported")
    measured = audit.audit_rows(load(written(tmp_path / "b", watts=40.0)))
    assert audit.audit_missing(measured) == []
    assert audit.amount("joules", measured[0].spent_on("joules")).replace(style.THIN, " ") == "240 J"


@pytest.mark.parametrize(
    ("axis", "asked", "told"),
    [("flops", 3e12, "3.00 Tflop"), ("joules", 200.0, "200 J"), ("steps", 900.0, "900 steps"), ("seconds", 6.0, "6.00 s")],
)
def test_budgets_on_any_axis_are_audited_and_told(tmp_path: Path, axis, asked, told):
    change = with_audit(axis=axis, asked=asked, overrun=asked / 1000, last_update=asked / 500)
    run = load(written(tmp_path, change, watts=40.0, **SMALL))
    rows = audit.audit_rows(run)
    assert {row.asked.replace(style.THIN, " ") for row in rows} == {told}
    assert "kept the budget to within one update" in audit.audit_summary(rows)
    write_report(run.folder)
    assert told in (run.folder / "report.html").read_text().replace(style.THIN, " ")
    assert bool(timings.seconds_note(run)) == (axis == "seconds")


def test_a_quiet_machine_is_said_to_be_quiet(tmp_path: Path):
    run = load(built(tmp_path))
    assert timings.doubted(run) == []
    told = " ".join(timings.summary(run)).replace(style.THIN, " ")
    assert "The times of all 39 cells count." in told
    assert "0.20 % of its cores' time to the hypervisor" in told
    assert "1.0 % to other processes" in told
    assert "it ran at 1.00 to 1.00 times its median speed" in timings.seconds_note(run)
    assert timings.figure(run).finding.startswith("The machine kept its speed")


def test_reasons_are_grouped_and_cells_named(tmp_path: Path):
    def disturbed(r):
        if r.cell.contender == "dcgan":
            return with_timing(r, f"the hypervisor took {7 + r.cell.seed} % of the cores' time")
        return with_timing(r, control_s=1.5 * QUIET_S) if r.cell.id == "digits.vae.s0" else r

    run = load(written(tmp_path, disturbed))
    first, second = timings.doubted(run)
    assert first.reason == "the hypervisor took 7 % of the cores' time (and alike)"
    assert first.cells == ("digits.dcgan.s0", "digits.dcgan.s1", "digits.dcgan.s2")
    assert second.reason == "control workload off the run's median by more than a factor 1.25"
    assert second.cells == ("digits.vae.s0",)
    assert "The times of 4 cells of 39 are left out" in timings.summary(run)[0]
    assert "0.667 to 1.00 times its median speed" in " ".join(timings.summary(run))
    assert timings.figure(run).finding == "The machine's speed changed by a factor 1.50 in the course of the run"


def test_left_out_times_are_marked_in_page_and_markdown(tmp_path: Path):
    def disturbed(r):
        out = r.cell.contender == "vqvae" or r.cell.id == "digits.dcgan.s1"
        return with_timing(r, "throttled") if out else r

    folder = written(tmp_path, disturbed, **SMALL)
    run = write_report(folder).run
    for name in ("report.html", "report.md"):
        text = (folder / name).read_text()
        assert "no valid timing" in text
        assert "1 of 3 timings invalid" in text
        assert "throttled" in text
    (track,) = run.tracks
    entry = next(entry for entry in track.entries if entry.name == "dcgan")
    assert len(track.values(entry, "sample_latency_s")) == 2
    assert len(track.values(entry, "fid")) == 3
    assert track.value(entry, "sample_latency_s") == pytest.approx(track.ranked(entry, "sample_latency_s")["value"])
    alone = next(entry for entry in track.entries if entry.name == "vqvae")
    assert len(track.values(alone, "sample_latency_s")) == 3, "shown all the same"


def test_the_cost_of_profiling_is_its_largest(tmp_path: Path):
    def profiled(r):
        made = (("profile_thread_share", 0.001 * (1 + r.cell.seed), "share"), ("profile_boundary_s", 2e-4, "s"))
        extra = tuple(Measurement(metric=name, value=value, unit=unit, source="built") for name, value, unit in made)
        return r.model_copy(update={"measurements": (*r.measurements, *extra)})

    told = timings.summary(load(written(tmp_path, profiled)))[-1].replace(style.THIN, " ")
    assert told == "Profiling took at most: its sampling thread 0.30 % of a cell and an ordinary boundary of a phase 200 µs."


def test_records_without_timing_know_nothing_of_the_machine(tmp_path: Path):
    run = load(written(tmp_path, lambda r: r.model_copy(update={"timing": None}), **SMALL))
    assert timings.summary(run) == ["Nothing is known about the machine: no cell recorded its timing."]
    assert timings.figure(run) is None
    assert timings.seconds_note(run) == ""
    write_report(run.folder)


def test_number_formats_are_told_where_the_suite_asks_for_others(tmp_path):
    manifest, records = make_run(2)
    asked = manifest.model_copy(update={"suite": {**manifest.suite, "training": {"precision": "bfloat16", "compile": True}}})
    refused = "float32: the contender does not allow bfloat16"
    used = [r.model_copy(update={"precision": refused if r.cell.contender == "realnvp" else "bfloat16"}) for r in records]
    told = sentences(load(write_folder(tmp_path / "a", asked, used, samples=False)))
    assert f"realnvp in {refused}" in told[-2]
    assert "dcgan" in told[-2].split(" in bfloat16")[0]
    assert "compiled" in told[-1]
