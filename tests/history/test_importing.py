"""pytest-benchmark's JSON as a run: by its own real output, twice, at the same time, and when it is something else."""

import json
import math
import os
import subprocess
import sys
from statistics import median

import pytest

from paragone.bench.errors import UsageError
from paragone.bench.history.importing import import_benchmarks
from paragone.bench.history.index import Index
from paragone.bench.history.reading import read_night
from tests.history.nights import benchmark_content

TESTS = """
import pytest
def test_one(benchmark): benchmark.pedantic(sum, args=([1, 2],), rounds=5)
@pytest.mark.parametrize("n", [1, 2])
def test_two(benchmark, n): benchmark.pedantic(sum, args=([n],), rounds=3)
"""

IMPORT_ALL = """
import sys
from pathlib import Path
from paragone.bench.history.importing import import_benchmarks
from paragone.bench.history.index import Index
history, *files = map(Path, sys.argv[1:])
for file in files:
    import_benchmarks(file, history)
    with Index.open(history) as index:
        assert index.skipped == (), index.skipped
"""


def saved(folder, name="out.json", **changes):
    path = folder / name
    path.write_text(json.dumps(benchmark_content(**changes)))
    return path


def test_its_real_output(tmp_path):
    (tmp_path / "test_real.py").write_text(TESTS)
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--benchmark-json=out.json", "test_real.py"]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}  # no worker: those time nothing
    subprocess.run([sys.executable, "-m", "pytest", *words], cwd=tmp_path, env=alone, check=True, capture_output=True)
    folder = import_benchmarks(tmp_path / "out.json", tmp_path / "history")
    assert (folder / "benchmark.json").read_bytes() == (tmp_path / "out.json").read_bytes()
    written = json.loads((tmp_path / "out.json").read_text())
    reading = read_night(folder)
    assert (reading.skipped, reading.night.problem, reading.night.run) == ((), "", folder.name)
    assert reading.night.fingerprint["python"].startswith("CPython 3.")
    assert reading.night.fingerprint["cores"] == str(written["machine_info"]["cpu"]["count"])
    found = {key.entry: point for key, point in reading.night.points.items()}
    assert set(found) == {"test_real.py::test_one", "test_real.py::test_two[1]", "test_real.py::test_two[2]"}
    for benchmark in written["benchmarks"]:
        rounds = median(benchmark["stats"]["data"])
        assert found[benchmark["fullname"]].raw == pytest.approx(rounds)
        assert found[benchmark["fullname"]].value == pytest.approx(math.log(rounds))
        assert found[benchmark["fullname"]].replicates == ()


def test_the_name_is_the_time_and_the_content(tmp_path):
    file = saved(tmp_path, datetime="2026-01-05T01:02:03.5+02:00")
    folder = import_benchmarks(file, tmp_path / "h")
    assert folder.name.startswith("pytest-benchmark-20260104-230203-")
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert import_benchmarks(file, tmp_path / "h") == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    other = import_benchmarks(saved(tmp_path, "b.json", median_s=0.02, datetime="2026-01-05T01:02:03.5+02:00"), tmp_path / "h")
    assert other.name[:-8] == folder.name[:-8]
    assert other != folder
    assert sorted(path.name for path in (tmp_path / "h").iterdir()) == sorted([folder.name, other.name])


@pytest.mark.parametrize(
    ("info", "commit"),
    [({"id": "abc", "dirty": True}, "abc+"), ({"id": "abc", "dirty": False}, "abc"), ({"id": "unversioned"}, ""), (None, "")],
)
def test_the_commit(tmp_path, info, commit):
    assert read_night(import_benchmarks(saved(tmp_path, commit_info=info), tmp_path / "h")).night.commit == commit


def test_what_breaks_a_series(tmp_path):
    def key(name, change):
        content = benchmark_content()
        change(content)
        (tmp_path / name).write_text(json.dumps(content))
        return next(iter(read_night(import_benchmarks(tmp_path / name, tmp_path / "h")).night.points))

    base = key("a", lambda c: None)
    assert key("b", lambda c: c["machine_info"].update(node="other", release="6.2", python_version="3.11.9")) == base
    assert key("c", lambda c: c["machine_info"].update(python_version="3.12.1")).machine != base.machine
    assert key("d", lambda c: c["machine_info"]["cpu"].update(brand_raw="Other CPU")).machine != base.machine
    timer = key("e", lambda c: c["benchmarks"][0]["options"].update(timer="process_time"))
    assert (timer.machine, timer.protocol != base.protocol) == (base.machine, True)
    assert key("f", lambda c: c["benchmarks"][0]["stats"].update(median=5)) == base


@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), float("inf"), None, "fast", True, 10**400])
def test_a_median_that_is_no_time_is_missing(tmp_path, bad):
    content = benchmark_content(median_s=bad)
    content["benchmarks"] += benchmark_content(name="good")["benchmarks"]
    (tmp_path / "f.json").write_text(json.dumps(content))
    points = {k.entry: p for k, p in read_night(import_benchmarks(tmp_path / "f.json", tmp_path / "h")).night.points.items()}
    assert points["good"].ok
    assert points["tests/test_a.py::test_a"].status == "missing"
    assert "median" in points["tests/test_a.py::test_a"].reason


def test_no_benchmark_is_imported_and_is_no_pass(tmp_path):
    night = read_night(import_benchmarks(saved(tmp_path, benchmarks=[]), tmp_path / "h")).night
    assert (night.problem, night.points) == ("the file holds no benchmark", {})
    nameless = read_night(import_benchmarks(saved(tmp_path, benchmarks=[{}, 3]), tmp_path / "h"))
    assert [words.partition(": ")[2] for words in nameless.skipped] == [
        "benchmark 0 has no fullname", "benchmark 1 has no fullname",
    ]  # fmt: skip


def test_twice_in_one_file_is_missing_and_half_characters_do_no_harm(tmp_path):
    twice = benchmark_content(name="a")["benchmarks"] * 2 + benchmark_content(name="\ud800")["benchmarks"]
    points = read_night(import_benchmarks(saved(tmp_path, benchmarks=twice), tmp_path / "h")).night.points
    assert {k.entry: p.status for k, p in points.items()} == {"a": "missing", "?": "ok"}
    with Index.open(tmp_path / "h") as index:
        assert len(index.all_series()) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"), ("[" * 100_000, "is not JSON"), ("[]", "'benchmarks' should be a list, found no such entry"),
        ('{"benchmarks": 3}', "found int"), ('{"benchmarks": [], "machine_info": {}}', "'datetime' should be a str"),
        ('{"benchmarks": [], "machine_info": {}, "datetime": "noon"}', "'noon' is not an ISO 8601 time"),
    ],
)  # fmt: skip
def test_other_files_are_refused_with_what_was_found(tmp_path, content, words):
    (tmp_path / "f.json").write_text(content)
    with pytest.raises(UsageError, match=words) as error:
        import_benchmarks(tmp_path / "f.json", tmp_path / "h")
    assert "--benchmark-json" in str(error.value)
    assert not (tmp_path / "h").exists()


def test_what_cannot_be_read_or_written_is_said(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        import_benchmarks(tmp_path / "none.json", tmp_path / "h")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        import_benchmarks(saved(tmp_path), tmp_path / "file")
    folder = import_benchmarks(saved(tmp_path), tmp_path / "h")
    (folder / "benchmark.json").unlink()
    with pytest.raises(UsageError, match="cannot be written"):  # a folder of that name that is something else
        import_benchmarks(saved(tmp_path), tmp_path / "h")
    assert [path.name for path in (tmp_path / "h").iterdir()] == [folder.name]


def test_a_damaged_original_is_named(tmp_path):
    folder = import_benchmarks(saved(tmp_path), tmp_path / "h")
    (folder / "benchmark.json").write_text("{")
    reading = read_night(folder)
    assert reading.night.problem == "the file of pytest-benchmark cannot be read"
    assert reading.skipped[0].startswith(f"{folder.name}/benchmark.json: is not JSON")


def test_processes_at_the_same_time_lose_nothing(tmp_path):
    files = [saved(tmp_path, f"{k}.json", median_s=0.01 + k / 1e4) for k in range(6)]
    words = [sys.executable, "-c", IMPORT_ALL, tmp_path / "h"]
    workers = [subprocess.Popen([*words, *files[::step]], cwd=tmp_path) for step in (1, -1)]
    assert [worker.wait() for worker in workers] == [0, 0]
    with Index.open(tmp_path / "h") as index:
        assert len(index.nights) == len(files)
        assert index.skipped == ()
        [series] = index.all_series()
    assert sorted(p.raw for p in series.points) == pytest.approx([0.01 + k / 1e4 for k in range(6)])
    assert not [path.name for path in (tmp_path / "h").iterdir() if path.name.endswith((".tmp", "-journal"))]
    fresh = read_night(import_benchmarks(files[0], tmp_path / "other")).night
    assert series.key in fresh.points
