"""The index: what earlier nights are, what is missing tonight, and that it can be thrown away at any time."""

import math
import os
import shutil
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.bench.history import rows
from paragone.bench.history.importing import import_benchmarks
from paragone.bench.history.index import INDEX_FILE, Index
from paragone.bench.history.judging import judge_night
from paragone.bench.history.life import CHECK_FILE, Alert, Check
from paragone.bench.history.outcome import Outcome
from paragone.bench.history.reading import read_night
from paragone.bench.history.screen import WINDOW
from tests.builders import with_timing, with_values
from tests.history.nights import write_night
from tests.history.test_importing import saved

COUNT_NIGHTS = """
import sys
from pathlib import Path
from paragone.bench.history.index import Index
print(len(Index.open(Path(sys.argv[1])).nights))
"""


def dump(folder):
    """All rows of the index but the numbers of series, in a fixed order."""
    connection = sqlite3.connect(folder / INDEX_FILE)
    asked = (
        "SELECT s.name, s.entry, s.metric, s.machine, s.protocol, p.started, p.run, p.status, p.value, p.raw, p.replicates,"
        " p.exact, p.reason FROM points p JOIN series s ON s.id = p.series",
        "SELECT * FROM runs", "SELECT * FROM checks", "SELECT * FROM skipped", "SELECT name, entry, metric FROM series",
    )  # fmt: skip
    found = [sorted(connection.execute(words).fetchall(), key=repr) for words in asked]
    connection.close()
    return found


def before(history, folder):
    with Index.open(history) as index:
        return index.before(read_night(folder).night)


def earlier_of(history, folder):
    return {point.run for series in before(history, folder)[1].series.values() for point in series.points}


def missing(night):
    return {(k.entry, k.metric): p.reason for k, p in night.points.items() if p.status == "missing"}


def check_of(folder, *alerts, **said):
    night = read_night(folder).night
    check = Check(run=night.run, started=night.started, opened=alerts, **said)
    (folder / CHECK_FILE).write_text(check.model_dump_json())


def alert_of(folder, key):
    night = read_night(folder).night
    return Alert(
        id="alert-1", series=key.id, entry=key.entry, metric=key.metric, kind="time", first_bad=night.run, opened=night.run,
        opened_at=night.started, how="re-run",
    )  # fmt: skip


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    history = tmp_path_factory.mktemp("three")
    for day in (1, 2, 3):
        write_night(history, day, change=lambda r, day=day: with_timing(r, control_s=0.1 * day))
    return history


@pytest.fixture
def nights(three, tmp_path):
    return shutil.copytree(three, tmp_path / "h", ignore=shutil.ignore_patterns(".index*"))


def test_only_earlier_runs_count_and_never_the_run_itself(nights):
    tonight, history = before(nights, nights / "night-02")
    assert tonight.points == {k: p for k, p in read_night(nights / "night-02").night.points.items() if p.ok}  # less what never was
    assert {p.run for s in history.series.values() for p in s.points} == {"night-01"}
    assert [c.run for c in history.controls] == ["night-01"]
    _, history = before(nights, nights / "night-03")
    step = next(s for k, s in history.series.items() if (k.entry, k.metric) == ("digits/vqvae", "train_step_s"))
    assert [p.run for p in step.points] == ["night-01", "night-02"]
    assert [c.value for c in history.controls] == pytest.approx([math.log(0.1), math.log(0.2)])
    for number, night in enumerate(("night-01", "night-02")):
        assert step.points[number] == read_night(nights / night).night.points[step.key]


def test_equal_starts_are_not_earlier(nights, tmp_path):
    twin = shutil.copytree(nights / "night-02", nights / "twin")
    outside = shutil.copytree(nights / "night-02", tmp_path / "elsewhere" / "night-02")
    for folder in (twin, outside, nights / "night-02"):
        assert earlier_of(nights, folder) == {"night-01"}
    assert earlier_of(nights, nights / "night-03") == {"night-01", "night-02", "twin"}


def test_a_history_that_is_not_there_or_empty(tmp_path):
    run = write_night(tmp_path / "runs", 1)
    (tmp_path / "empty").mkdir()
    for history in (tmp_path / "none", tmp_path / "empty"):
        tonight, found = before(history, run)
        assert (found.series, found.foreign) == ({}, {})
        assert {p.status for p in tonight.points.values()} == {"ok"}  # unmeasured energy is no series
    assert not (tmp_path / "none").exists()


def test_a_rebuilt_index_equals_the_old_one(nights, tmp_path):
    (nights / "night-01" / "cells" / "digits.vqvae.s0.json").write_text("{")
    check_of(nights / "night-02", refuted=("x",))
    Index.open(nights).close()
    write_night(nights, 5)
    Index.open(nights).close()
    write_night(nights, 4, failures=[("ddpm", 0)])
    shutil.rmtree(nights / "night-03")
    Index.open(nights).close()
    grown = dump(nights)
    (nights / INDEX_FILE).unlink()
    Index.open(nights).close()
    assert dump(nights) == grown
    assert len(grown[1]) == 4
    assert len(grown[3]) == 1


def test_an_index_that_is_up_to_date_reads_no_run(nights, monkeypatch):
    Index.open(nights).close()
    read = []
    monkeypatch.setattr("paragone.bench.history.index.read_night", lambda path: read.append(path.name) or read_night(path))
    Index.open(nights).close()
    assert read == []
    check_of(nights / "night-02")
    Index.open(nights).close()
    assert read == ["night-02"]
    with Index.open(nights) as index:
        assert [check.run for check in index.checks] == ["night-02"]


def test_merging_is_copying(nights, tmp_path):
    other = tmp_path / "other"
    for day in (4, 5):
        write_night(other, day)
    Index.open(other).close()
    both = tmp_path / "both"
    for history in (nights, other):
        shutil.copytree(history, both, dirs_exist_ok=True)  # an index comes along, and is of no consequence
    with Index.open(both) as index:
        assert [n.run for n in index.nights] == [f"night-{day:02d}" for day in (1, 2, 3, 4, 5)]
        assert all(len(s.points) == 5 for s in index.all_series())


@pytest.mark.parametrize("damage", ["text", "cut", "empty", "older", "folder"])
def test_a_damaged_or_older_index_is_made_again(nights, damage, monkeypatch):
    path = nights / INDEX_FILE
    if damage == "older":
        monkeypatch.setattr(rows, "VERSION", rows.VERSION - 1)
    Index.open(nights).close()
    monkeypatch.undo()
    whole, content = dump(nights), path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage != "older":
        path.write_bytes({"text": b"not a database", "cut": content[: len(content) // 2], "empty": b""}[damage])
    read = []
    monkeypatch.setattr("paragone.bench.history.index.read_night", lambda path: read.append(path.name) or read_night(path))
    with Index.open(nights) as index:
        assert len(index.nights) == 3
        assert index.all_series()
    assert len(read) == 3
    if damage != "folder":
        assert dump(nights) == whole


@given(position=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
@settings(max_examples=40, deadline=None)
def test_one_wrong_byte_of_the_index_changes_nothing(three, position, bits):
    Index.open(three).close()
    path = three / INDEX_FILE
    whole, content = dump(three), bytearray(path.read_bytes())
    content[int(position * len(content))] ^= bits
    path.write_bytes(content)
    Index.open(three).close()
    assert dump(three) == whole


def test_where_the_file_cannot_be_written_nothing_is_lost(nights, monkeypatch):
    with Index.open(nights) as index:
        expected = index.all_series()
    (nights / INDEX_FILE).unlink()

    def refusing(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rows, "write_atomically", refusing)
    with Index.open(nights) as index:
        assert index.all_series() == expected
    assert not (nights / INDEX_FILE).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_folder_without_permission(nights):
    nights.chmod(0o555)
    try:
        with Index.open(nights) as index:
            assert len(index.nights) == 3
    finally:
        nights.chmod(0o755)


def test_folders_that_are_no_runs(nights):
    (nights / "notes").mkdir()
    (nights / ".hidden").mkdir()
    (nights / "file.json").write_text("{")
    (nights / "half" / "cells").mkdir(parents=True)
    with Index.open(nights) as index:
        assert index.skipped == ("half/run.json: half is not a run folder: it has no run.json. Name a folder that `run` wrote",)
        assert len(index.nights) == 3


def test_a_vanished_entry_is_missing_for_three_nights(nights):
    write_night(nights, 4, names=("vqvae",))
    tonight, _ = before(nights, nights / "night-04")
    told = missing(tonight)
    assert {entry.split("/")[1] for entry, _ in told} == {"ddpm"}
    assert ("digits/ddpm/ddim-50", "fid") in told
    assert set(told.values()) == {"it is not in this run; night-03 had it"}
    assert not any("joules" in metric for _, metric in told)
    for day in (5, 6, 7):
        write_night(nights, day, names=("vqvae",))
    assert missing(before(nights, nights / "night-06")[0])
    assert not missing(before(nights, nights / "night-07")[0])


def test_a_vanished_series_with_an_open_alert_stays_missing(nights):
    key = next(k for k in read_night(nights / "night-03").night.points if (k.entry, k.metric) == ("digits/ddpm", "train_step_s"))
    check_of(nights / "night-03", alert_of(nights / "night-03", key))
    for day in range(4, 9):
        write_night(nights, day, names=("vqvae",))
    assert list(missing(before(nights, nights / "night-08")[0])) == [("digits/ddpm", "train_step_s")]
    check_of(nights / "night-05", resolved=("alert-1",))
    assert not missing(before(nights, nights / "night-08")[0])


def test_an_empty_run_and_those_before_it(nights):
    for day in (4, 5, 6, 7):
        write_night(nights, day, change=lambda r: None)
    tonight, history = before(nights, nights / "night-07")
    assert {p.status for p in tonight.points.values()} == {"missing"}  # empty nights before it do not make it forgotten
    assert {k.entry for k in tonight.points} == {"digits/ddpm", "digits/ddpm/ddim-50", "digits/ddpm/ddpm-1000", "digits/vqvae"}
    outcome = Outcome(judge_night(tonight, history, None), strict=True)
    assert (outcome.exit_code, outcome.headline) == (4, "not judged: the run holds no record")


def test_failed_cells_keep_their_reason(nights):
    write_night(nights, 4, failures=[("vqvae", 2)])
    told = missing(before(nights, nights / "night-04")[0])
    assert set(told.values()) == {"cell digits.vqvae.s2: failed in train (RuntimeError)"}
    assert ("digits/vqvae", "samples_hash") in told
    assert not any("joules" in metric for _, metric in told)
    write_night(nights, 5, change=lambda r: None if r.cell.contender == "ddpm" else r)
    told = missing(before(nights, nights / "night-05")[0])
    assert set(told.values()) == {"cell digits.ddpm.s0 has no record, and 2 more"}
    assert ("digits/ddpm/ddim-50", "fid") in told


def test_an_entry_that_never_worked_is_no_pass(tmp_path):
    folder = write_night(tmp_path / "h", 1, failures=[("vqvae", 0)])
    told = missing(before(tmp_path / "h", folder)[0])
    assert ("digits/vqvae", "fid") in told


def test_a_metric_that_was_lost_is_missing_and_one_that_never_was_is_not(nights):
    write_night(nights, 4, change=lambda r: with_values(r, {("fid", "default"): None}, "too early"))
    assert missing(before(nights, nights / "night-04")[0]) == {("digits/vqvae", "fid"): "not measured: too early"}


def test_another_machine_has_no_baseline_and_says_what_differs(nights):
    other = {"device": "cpu", "cpu": "New CPU", "cores": "2", "memory_bytes": "8000000000", "gpu": "one"}
    write_night(nights, 4, fingerprint=other)
    tonight, history = before(nights, nights / "night-04")
    assert (history.series, history.controls) == ({}, [])
    assert set(history.foreign) == set(tonight.points)
    assert set(history.foreign.values()) == {
        "another machine: cpu is 'New CPU' tonight and 'Example CPU' before; gpu is 'one' tonight and 'unknown' before; "
        "system is 'unknown' tonight and 'Linux' before"
    }
    assert {f.state for f in judge_night(tonight, history, None).findings} == {"no baseline"}
    write_night(nights, 5, fingerprint=other)
    assert before(nights, nights / "night-05")[1].foreign == {}


def test_another_protocol_has_no_baseline_and_nothing_is_missing(nights):
    write_night(nights, 4, suite={"budget": {"train": "9 steps", "parameters": 1}})
    tonight, history = before(nights, nights / "night-04")
    assert not missing(tonight)
    assert set(history.foreign.values()) == {"another protocol: budget or suite changed since night-03"}
    assert set(history.foreign) == set(tonight.points)


def test_another_suite_misses_nothing(nights):
    write_night(nights, 4, names=("vqvae",), suite={"name": "weekly"})
    tonight, history = before(nights, nights / "night-04")
    assert not missing(tonight)
    assert history.series


def test_a_series_that_was_always_invalid_warms_up(tmp_path):
    for day in (1, 2):
        write_night(tmp_path, day, change=lambda r: with_timing(r, "throttled"))
    write_night(tmp_path, 3)
    tonight, history = before(tmp_path, tmp_path / "night-03")
    assert history.foreign == {}
    states = {f.key.metric: f.state for f in judge_night(tonight, history, None).findings}
    assert states["train_step_s"] == "warming up"


def test_invalid_times_stay_series_and_are_not_compared(nights):
    write_night(nights, 4, change=lambda r: with_timing(r, "throttled"))
    write_night(nights, 5)
    tonight, history = before(nights, nights / "night-05")
    key = next(k for k in tonight.points if (k.entry, k.metric) == ("digits/vqvae", "train_step_s"))
    assert [p.run for p in history.series[key].points] == ["night-01", "night-02", "night-03"]
    with Index.open(nights) as index:
        series = next(s for s in index.all_series() if s.key == key)
    assert [p.status for p in series.points] == ["ok", "ok", "ok", "invalid", "ok"]


def test_what_earlier_checks_said_and_no_later_one(nights):
    key = next(iter(read_night(nights / "night-01").night.points))
    for day in (1, 2, 3):
        folder = nights / f"night-{day:02d}"
        check_of(folder, alert_of(folder, key).model_copy(update={"id": f"alert-{day}"}))
    past = before(nights, nights / "night-02")[1].past
    assert [a.id for a in past.open[key.id]] == ["alert-1"]
    (nights / "night-01" / "run.json").write_text("{")
    assert [a.id for a in before(nights, nights / "night-02")[1].past.alerts] == ["alert-1"]  # an alert outlives a lost manifest


def test_a_long_past_is_cut(tmp_path):
    for k in range(WINDOW + 5):
        content = {"datetime": f"2026-01-01T{k // 60:02d}:{k % 60:02d}:00+00:00"}
        import_benchmarks(saved(tmp_path, **content), tmp_path / "h")
    run = import_benchmarks(saved(tmp_path, datetime="2026-02-01T00:00:00"), tmp_path / "h")
    _, history = before(tmp_path / "h", run)
    [series] = history.series.values()
    assert len(series.points) == WINDOW
    assert series.points[-1].started == "2026-01-01T02:04:00.000+00:00"
    assert [p.started for p in series.points] == sorted(p.started for p in series.points)


def test_processes_at_the_same_time_agree(nights):
    workers = [subprocess.Popen([sys.executable, "-c", COUNT_NIGHTS, nights], stdout=subprocess.PIPE) for _ in range(3)]
    assert [worker.communicate()[0] for worker in workers] == [b"3\n"] * 3
    grown = dump(nights)
    (nights / INDEX_FILE).unlink()
    Index.open(nights).close()
    assert dump(nights) == grown
