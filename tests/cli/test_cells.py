"""Single cells: `--cell` may be repeated, keeps the suite's order, and writes no report of a contest that was not held."""

import pytest

from paragone.bench.errors import UsageError
from paragone.bench.plan import Options, make_plan
from paragone.bench.records import read_manifest, read_records
from paragone.bench.suite import load_suite
from tests.cli.conftest import CONTENDERS, bench


def planned(*cells):
    return [job.cell.id for job in make_plan(load_suite("smoke"), Options(seeds=2, cells=cells), 1, "cpu").jobs]


def test_cells_are_run_in_the_order_of_the_suite():
    wanted = ("digits.vae.s1", "digits.dcgan.s0", "digits.vae.s0", "digits.vae.s1")
    whole = planned()
    assert planned(*wanted) == [cell for cell in whole if cell in wanted]
    assert len(planned(*wanted)) == 3


def test_one_unknown_cell_among_known_ones_is_refused():
    with pytest.raises(UsageError, match=r"unknown cell 'digits.vae.s2'\. Did you mean 'digits.vae.s"):
        planned("digits.vae.s0", "digits.vae.s2")


def test_two_cells_as_a_user_runs_them(tmp_path, tiny):
    """References do not run along, their places in the order are those of the whole suite, and no report is written."""
    cells = ["--cell", "digits.good.s1", "--cell", "digits.good.s0"]
    done = bench("run", tiny(seeds=2), "--add", CONTENDERS, "--only", "good", *cells, "--out", "out", cwd=tmp_path, check=0)
    out = tmp_path / "out"
    assert read_manifest(out).order == ("digits.good.s0", "digits.good.s1")
    assert [record.status for record in read_records(out)] == ["ok", "ok"]
    assert [record.position for record in read_records(out)] != [0, 1]
    assert read_manifest(out).twins["digits"]["train"] > 0
    assert "write one with: report out" in done.stdout
    assert not (out / "report.html").exists()
    bench("report", "out", cwd=tmp_path, check=0)
    assert (out / "report.html").exists()
