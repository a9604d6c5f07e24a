"""Ranks by axis in the report: the words of the finding, the table, the figure."""

from pathlib import Path

import pandas as pd
import pytest

from paragone.bench.judge.axes import AtEqual
from paragone.bench.judge.blocks import Entry
from paragone.bench.judge.intervals import Interval
from paragone.bench.judge.ranking import Row
from paragone.bench.metrics.table import at_share
from paragone.reports import axes, chart, style, write_report
from paragone.reports.run import load
from tests.builders import BELOW_ONE, Way, make_run, planned, with_values
from tests.reports.folders import built, suited, write_folder

FLOPS = {"a": 2.5e12, "b": 1e12, "c": 1e12}


def row(name, low=1, high=1, rank=1):
    entry = Entry(name, "default", name, "gan", ablation=False, default=True)
    return Row(entry, {0: 1.0}, Interval(1.0, 0.9, 1.1), "ok", (rank, low, high))


def led(**leaders):
    return [AtEqual(f"train_{axis}", 1.0, (own,)) for axis, own in leaders.items()]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (led(s=row("a"), steps=row("a")), "a leads at equal seconds and steps"),
        (led(s=row("a"), steps=row("a", 1, 2)), "a leads at equal seconds and steps, but surely only in seconds"),
        (led(s=row("a", 1, 2)), "a leads at equal seconds, but nowhere surely"),
        (
            led(s=row("a"), steps=row("a"), flops=row("b", 1, 3)),
            "Who leads depends on the axis: a at equal seconds and steps, b at equal flops (not sure)",
        ),
        ([], ""),
    ],
)
def test_the_finding_says_who_leads_and_how_surely(found, told):
    assert axes.finding(found) == told


@pytest.fixture
def crossed(tmp_path: Path) -> Path:
    """At equal seconds a is ahead, at equal flops b by a factor of two, in all of five seeds; a begins late in joules."""
    plans = {name: planned("dcgan", samplers={"default": Way(5.0, 100.0)}) for name in FLOPS}
    manifest, records = make_run(5, contenders=plans, failures=(), watts=40.0)
    changed = []
    for r in records:
        name = r.cell.contender
        if name in FLOPS:
            level, joules = {"a": (8.0, 1e5), "b": (10.0, 100.0), "c": (30.0, 90.0)}[name]
            level *= 1 + 0.001 * r.cell.seed
            shares = (*BELOW_ONE, 1.0)
            values = {(at_share("fid", s), "default"): level / s for s in shares}
            values |= {(at_share("train_flops", s), ""): FLOPS[name] * s for s in shares}
            values |= {(at_share("train_joules", s), ""): joules * s for s in shares}
            r = with_values(r, values)
        changed.append(r)
    return write_folder(tmp_path, suited(manifest), changed)


def test_page_and_markdown_and_table_tell_the_same(crossed: Path):
    write_report(crossed)
    table = pd.read_csv(crossed / "tables" / "by_axis.csv").set_index(["axis", "entry"])
    assert table.loc[("seconds", "a"), "rank"] == table.loc[("flops", "b"), "rank"] == 1
    told = "Who leads depends on the axis: a at equal seconds, steps and samples, b at equal flops and joules"
    html, markdown = (crossed / "report.html").read_text(), (crossed / "report.md").read_text()
    assert told in html
    assert told in markdown
    assert "its curve begins at 6.25 kJ" in html
    assert "its curve begins at 6.25 kJ" in markdown
    assert table.loc[("joules", "a"), "status"] == "its curve begins at 6.25 kJ"
    assert (crossed / "plots" / "digits-axes.png").is_file()


def test_the_table_of_the_report_is_that_of_the_judge(tmp_path: Path):
    run = load(built(tmp_path))
    track = run.tracks[0]
    own = {r["name"]: r["cells"] for r in axes.table(track)}
    columns = [name for name, _ in axes.heads(track)]
    for line in run.by_axis.itertuples():
        rank, value, why = own[line.entry][columns.index(line.axis)]
        assert rank == style.rank(line.rank_low, line.rank_high)
        assert value == style.number(line.value)
        assert why == ("" if line.status == "ok" else line.status)
    assert axes.missing(track) == "Not ranked at equal joules (unsupported: no counter of energy can be read here)."


def test_what_cannot_be_ranked_has_no_figure(tmp_path: Path):
    track = load(built(tmp_path / "one", shares=())).tracks[0]
    assert (axes.table(track), axes.missing(track), axes.crossings(track)) == ([], "", [])
    with chart.visual():
        assert axes.figure(track) is None
        (alone,) = load(built(tmp_path / "alone", contenders={"ddpm": planned("ddpm")}, failures=())).tracks
        assert axes.figure(alone) is None, "one contender has nobody to be ranked against"
