"""`alerts` as a user runs it: nights of benchmarks and of cells, every exit code, every output read by its reader."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from jsonschema import Draft202012Validator
from junitparser import Failure, JUnitXml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from paragone.bench.history.importing import import_benchmarks
from paragone.bench.history.life import CHECK_FILE
from paragone.reports.ci.webhook import SCHEMA
from tests.builders import with_timing
from tests.cli.conftest import bench
from tests.history.nights import benchmark_content, write_night
from tests.reports.test_webhook import receiver

TODAY = datetime.now(UTC).replace(hour=3, minute=0, second=0, microsecond=0)
LEVEL_S = 0.01
SLOW = "tests/test_a.py::test_slow"
STEADY = "tests/test_a.py::test_steady"


@pytest.fixture(autouse=True)
def _no_proxy_no_github(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def benchmarks(folder, days, slow=1.0, commit="abc"):
    """A file of pytest-benchmark of so many days from today, with two benchmarks, the first `slow` times as long as it was."""
    content = benchmark_content(datetime=(TODAY + timedelta(days=days)).isoformat(), commit_info={"id": commit, "dirty": False})
    wobble = 1 + 0.01 * ((days * 7) % 5 - 2) / 2
    template = content["benchmarks"][0]
    content["benchmarks"] = [
        template | {"fullname": name, "stats": {"median": s, "data": [s] * 5}}
        for name, s in ((SLOW, LEVEL_S * slow * wobble), (STEADY, LEVEL_S / wobble))
    ]
    path = folder / f"benchmarks{days}.json"
    path.write_text(json.dumps(content))
    return path


def night(folder, days, slow=1.0, commit="abc"):
    """The same as a run of the history."""
    return import_benchmarks(benchmarks(folder, days, slow, commit), folder / "history")


def check(folder, run, *more, code, env=None):
    done = bench("alerts", "check", run, "--history", "history", *more, cwd=folder, env=env, check=code)
    assert f", exit code {0 if code == 1 else code}\n" in done.stdout
    return done


@pytest.fixture
def broken(tmp_path):
    """A history of twelve nights, a thirteenth that is 30 % slower and was checked, and a fourteenth like it."""
    for days in range(-14, -2):
        night(tmp_path, days)
    first = night(tmp_path, -2, 1.3, "bad1")
    done = check(tmp_path, first, code=0)
    assert "waiting for a second night" in done.stdout
    return tmp_path, first, night(tmp_path, -1, 1.3, "bad2")


def test_the_life_of_an_alert(broken):
    """Warming up, waiting, alert, known, acknowledged through its last day, failing again, resolved."""
    folder, first, second = broken
    done = check(folder, second, code=3)
    assert "1 confirmed regression in 2 series" in done.stdout.splitlines()[0]
    said = json.loads((second / CHECK_FILE).read_text())
    assert [(alert["entry"], alert["first_bad"], alert["first_bad_commit"]) for alert in said["opened"]] == [
        (SLOW, first.name, "bad1")
    ]
    name = said["opened"][0]["id"]
    assert check(folder, second, code=3).stdout == done.stdout, "checked again it says the same"

    known = check(folder, night(folder, 0, 1.3), code=0)
    assert name in known.stdout
    assert "1 known" in known.stdout

    silenced = bench(
        "alerts",
        "acknowledge",
        name,
        "--history",
        "history",
        "--reason",
        'a "larger" net',
        "--until",
        TODAY.date(),
        cwd=folder,
        check=0,
    )
    assert "commit this file" in silenced.stdout
    assert 'a "larger" net' in check(folder, folder / "history" / known_run(folder, 0), code=0).stdout
    ran_out = check(folder, night(folder, 1, 1.3), code=3)
    assert name in ran_out.stdout
    assert "acknowledge" in ran_out.stdout

    for days in (2, 3):
        check(folder, night(folder, days), code=3)
    assert "resolved" in check(folder, night(folder, 4), code=0).stdout
    assert SLOW not in check(folder, night(folder, 5), code=0).stdout
    bench("alerts", "history", "--history", "history", cwd=folder, check=0)
    page = (folder / "history" / "history.html").read_text()
    assert name in page
    assert SLOW in page


def known_run(folder, days):
    """The name of the run of that day."""
    day = (TODAY + timedelta(days=days)).strftime("%Y%m%d")
    return next(path.name for path in (folder / "history").iterdir() if day in path.name)


def test_every_output_is_read_by_its_reader(broken):
    folder, _, second = broken
    outputs = ["--markdown", "o/a.md", "--junit", "o/j.xml", "--openmetrics", "o/m.txt", "--benchmark-json", "o/b.json"]
    summary = folder / "summary.md"
    with receiver(200) as (url, arrived):
        github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
        done = check(folder, second, *outputs, "--webhook", url, "--webhook", "o/w.json", code=3, env=github)
    assert done.stderr == ""
    body = json.loads(arrived[0][3])
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(body)
    assert body == json.loads((folder / "o/w.json").read_text())
    assert (body["verdict"], body["exit_code"], len(body["failing"])) == ("regression", 3, 1)
    cases = [case for suite in JUnitXml.fromfile(str(folder / "o/j.xml")) for case in suite]
    assert [any(isinstance(r, Failure) for r in case.result) for case in cases].count(True) == 1
    assert len(cases) == 2
    metrics = (folder / "o/m.txt").read_text()
    assert metrics.endswith("# EOF\n")
    assert any(
        sample.labels.get("entry") == SLOW for family in text_string_to_metric_families(metrics) for sample in family.samples
    )
    entries = json.loads((folder / "o/b.json").read_text())
    assert {entry["name"] for entry in entries} == {f"{SLOW} benchmark_s", f"{STEADY} benchmark_s"}
    errors = [line for line in done.stdout.splitlines() if line.startswith("::error ")]
    assert len(errors) == 1
    assert SLOW.replace(":", "%3A") in errors[0]
    assert body["failing"][0]["id"] in summary.read_text()
    assert len((folder / "o/a.md").read_bytes()) <= 65_536


@pytest.mark.parametrize("answer", [500, None])
def test_a_webhook_that_fails_loses_no_verdict(broken, answer):
    folder, _, second = broken
    if answer is None:
        done = check(folder, second, "--webhook", "http://127.0.0.1:9/", code=3)
    else:
        with receiver(answer) as (url, arrived):
            done = check(folder, second, "--webhook", url, code=3)
        assert 2 <= len(arrived) <= 4
    assert "not delivered" in done.stderr
    assert "the verdict stands" in done.stderr


def test_a_file_that_cannot_be_written_is_said(broken):
    """The verdict stands; a night without one does not end as if all were well."""
    folder, first, second = broken
    (folder / "file").write_text("")
    assert "cannot be written" in check(folder, second, "--junit", "file/x.xml", code=3).stderr
    assert "cannot be written" in check(folder, first, "--junit", "file/x.xml", code=1).stderr
    shutil.rmtree(second / CHECK_FILE, ignore_errors=True)
    (second / CHECK_FILE).unlink(missing_ok=True)
    (second / CHECK_FILE).mkdir()
    assert "later checks will not know" in check(folder, second, code=3).stderr


def test_kinds_that_do_not_fail_are_still_told(broken):
    folder, _, second = broken
    assert "alert-" in check(folder, second, "--fail-on", "quality", "--fail-on", "memory", code=0).stdout
    check(folder, second, "--fail-on", "time", code=3)


def test_a_run_outside_the_history_is_judged_alike(broken):
    folder, _, second = broken
    inside = check(folder, second, code=3).stdout
    shutil.move(second, folder / second.name)
    assert check(folder, folder / second.name, code=3).stdout == inside


def test_calibrate(broken):
    folder, *_ = broken
    done = bench("alerts", "calibrate", "--history", "history", cwd=folder, check=0)
    assert f"{STEADY} benchmark_s" in done.stdout
    assert "2 of 2 series have the 10 nights" in done.stdout
    assert "false alerts a month" in done.stdout


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Twelve nights of cells in a history; copy it before it is changed."""
    folder = tmp_path_factory.mktemp("nights")
    for day in range(1, 13):
        spoiled(folder / "history", day)
    return folder


def spoiled(history, day=13, **changes):
    """A night like all others but for some changes."""
    return write_night(history, day, generator_seed=1, **changes)


def spoiled_empty(history):
    run = spoiled(history)
    shutil.rmtree(run / "cells")
    return run


def spoiled_no_manifest(history):
    (history / "night-13" / "cells").mkdir(parents=True)
    return history / "night-13"


SPOILED = {
    "empty": (spoiled_empty, "holds no record"),
    "no manifest": (spoiled_no_manifest, "no run.json"),
    "vanished entry": (lambda history: spoiled(
            history,
            change=lambda r: r if r.cell.contender == "ddpm" else None,
            order=tuple(f"digits.ddpm.s{seed}" for seed in range(3)),
        ), "digits/vqvae"),
    "another machine": (lambda history: spoiled(history, fingerprint={"cpu": "another"}), "another machine"),
    "throttled": (
        lambda history: spoiled(history, change=lambda r: with_timing(r, "the GPU was throttled: thermal")), "throttled",
    ),
    "failed cell": (lambda history: spoiled(history, failures=[("vqvae", 1)]), "digits.vqvae.s1"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILED)
def test_missing_data_never_passes(nights, tmp_path, case):
    shutil.copytree(nights / "history", tmp_path / "history")
    make, words = SPOILED[case]
    run = make(tmp_path / "history")
    done = check(tmp_path, run, "--confirm", "0", code=0)
    assert "not judged" in done.stdout
    assert words in done.stdout
    check(tmp_path, run, "--confirm", "0", "--strict", code=4)


def test_first_nights_warm_up(nights, tmp_path):
    shutil.copytree(nights / "history" / "night-01", tmp_path / "history" / "night-01")
    done = check(tmp_path, "history/night-01", code=0)
    assert done.stdout.startswith("warming up: 1 of 11 nights")
    check(tmp_path, "history/night-01", "--strict", code=4)


USAGE = {
    "no run": (("check", "nowhere", "--history", "history"), "nowhere is not a folder"),
    "history is a file": (("check", "history", "--history", "file"), "--history file is not a folder"),
    "two pairs": (("check", "history", "--history", "history", "--confirm", "2"), "--confirm 2"),
    "base for nothing": (("check", "history", "--history", "history", "--confirm", "0", "--base", "x"), "--base x has no use"),
    "kind": (("check", "history", "--history", "history", "--fail-on", "tim"), "Did you mean 'time'"),
    "bad file": (("check", "history", "--history", "history", "--acknowledged", "bad.toml"), "bad.toml, entry 1"),
    "alert": (("acknowledge", "alert-x", "--history", "history", "--reason", "r", "--until", "2999-01-01"), "unknown alert"),
    "day": (("acknowledge", "alert-x", "--history", "history", "--reason", "r", "--until", "soon"), "YYYY-MM-DD"),
    "past": (("acknowledge", "alert-x", "--history", "history", "--reason", "r", "--until", "2020-01-01"), "has passed"),
    "no benchmarks": (("import", "file", "--history", "history"), "file"),
    "nothing to show": (("history", "--history", "nowhere"), "nowhere is not a folder"),
    "nothing to calibrate": (("calibrate", "--history", "nowhere"), "nowhere is not a folder"),
}


@pytest.mark.parametrize("case", USAGE)
def test_what_is_wrong_is_said_in_a_line(tmp_path, case):
    (tmp_path / "history").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.toml").write_text('[[acknowledged]]\nid = "alert-1"\n')
    words, said = USAGE[case]
    done = bench("alerts", *words, cwd=tmp_path, check=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_no_torch_for_benchmarks(tmp_path):
    """Import, check, page and calibration where torch cannot even be imported."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text("raise ImportError('torch was imported')")
    env = {"PYTHONPATH": str(tmp_path / "broken")}
    for days in range(3):
        done = bench("alerts", "import", benchmarks(tmp_path, days), "--history", "history", cwd=tmp_path, env=env, check=0)
        run = done.stdout.splitlines()[-1]
        assert (tmp_path / run / "run.json").is_file()
    check(tmp_path, run, code=0, env=env)
    bench("alerts", "history", "--history", "history", cwd=tmp_path, env=env, check=0)
    bench("alerts", "calibrate", "--history", "history", cwd=tmp_path, env=env, check=0)
