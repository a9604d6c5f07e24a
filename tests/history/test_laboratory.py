"""Cells run again: head and base in turns, the same seeds, each side its own code, nothing left behind, every refusal said."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from paragone.bench.errors import UsageError
from paragone.bench.history import checkouts, laboratory
from paragone.bench.history.checkouts import Checkouts, find_repository
from paragone.bench.history.laboratory import GitLaboratory, compared
from paragone.bench.history.recorded import take_apart
from paragone.bench.history.series import Key
from tests.builders import with_timing, with_values
from tests.history.project import LATENCY, MEMORY, SEEDS, STEP, Project, commit_all, git, own_environment, suspect


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = Project(tmp_path)
    own_environment(monkeypatch, made)
    return made


@pytest.fixture
def said():
    return []


def calls(project):
    return [json.loads(line) for line in project.log.read_text().splitlines()] if project.log.exists() else []


def value_after(words, name):
    return words[words.index(name) + 1]


def test_pairs_alternate_share_seeds_and_give_the_planted_ratio(project, tmp_path, said):
    base, head = project.commit(0.010), project.commit(0.013)
    run, night = project.night(tmp_path, head)
    with GitLaboratory(run, night, None, said.append) as lab:
        assert lab.why_not(base) == ""
        found = lab.differences([suspect(STEP, base), suspect(MEMORY, base), suspect(LATENCY, base)], 1, 4)
    assert found[STEP] == pytest.approx([math.log(1.3)] * 4)
    assert found[MEMORY] == found[LATENCY] == [0.0] * 4
    ran = calls(project)
    assert [call["step_s"] for call in ran] == [0.010, 0.013, 0.010, 0.013, 0.013, 0.010, 0.013, 0.010]  # pairs 1, 2, 3, 4
    for k, (one, other) in enumerate(zip(ran[::2], ran[1::2], strict=True), start=1):
        assert one["arguments"][:-1] == other["arguments"][:-1]
        assert one["arguments"][:-1] == [
            "run", "tiny", "--cell", f"digits.ddpm.s{SEEDS + k}", "--cell", f"digits.vae.s{SEEDS + k}",
            "--seeds", str(SEEDS + k + 1), "--out",
        ]  # fmt: skip
    assert {Path(call["top"]) for call in ran if call["step_s"] == 0.013} == {project.top}
    assert project.worktrees() == 0
    assert not [call["top"] for call in ran if Path(call["top"]).exists() and Path(call["top"]) != project.top]
    assert len(said) == 4


def test_each_base_is_run_for_its_own_suspects(project, tmp_path, said):
    old, newer, head = project.commit(0.010), project.commit(0.011), project.commit(0.022)
    run, night = project.night(tmp_path, head)
    with GitLaboratory(run, night, None, said.append) as lab:
        found = lab.differences([suspect(STEP, old), suspect(LATENCY, newer)], 0, 1)
    assert found[STEP] == pytest.approx([math.log(2.2)])
    cells = [(call["step_s"], value_after(call["arguments"], "--cell")) for call in calls(project)]
    vae, ddpm = f"digits.vae.s{SEEDS}", f"digits.ddpm.s{SEEDS}"
    assert cells == [(0.022, vae), (0.010, vae), (0.022, ddpm), (0.011, ddpm)]


def test_what_is_not_committed_lies_here_and_is_run_here(project, tmp_path, said):
    base = project.commit(0.010)
    project.write(0.020)
    (project.top / "notes.txt").write_text("untracked files do not count")
    run, night = project.night(tmp_path, f"{base}+")
    with GitLaboratory(run, night, None, said.append) as lab:
        assert lab.why_not(base) == ""
        assert lab.differences([suspect(STEP, base)], 0, 1)[STEP] == pytest.approx([math.log(2)])
    project.write(0.010)
    assert "not committed" in GitLaboratory(run, night, None, said.append).why_not(base)
    run, night = project.night(tmp_path, base)
    assert "not committed" in GitLaboratory(run, night, None, said.append).why_not(f"{base}+")
    assert GitLaboratory(run, night, None, said.append).why_not(base) == ""


def test_a_detached_head_a_hook_and_an_absent_submodule_do_no_harm(project, tmp_path, said):
    other = Project(tmp_path / "other")
    other.commit()
    git(project.top, "submodule", "--quiet", "add", str(other.top), "part")
    base = project.commit(0.010)
    head = project.commit(0.020)
    hook = project.top / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/hooked'\nexit 1\n")
    hook.chmod(0o755)
    git(project.top, "-c", f"core.hooksPath={os.devnull}", "checkout", "--quiet", "--detach")
    git(project.top, "submodule", "--quiet", "deinit", "--all", "--force")
    run, night = project.night(tmp_path, head)
    with GitLaboratory(run, night, None, said.append) as lab:
        assert lab.differences([suspect(STEP, base)], 0, 1)[STEP] == pytest.approx([math.log(2)])
    assert not (tmp_path / "hooked").exists()
    assert project.worktrees() == 0


def test_the_base_may_be_named(project, tmp_path, said):
    base, head = project.commit(0.010), project.commit(0.020)
    elsewhere = tmp_path / "as it lies"
    shutil.copytree(project.top, elsewhere)
    (elsewhere / "run_bench.py").write_text((project.top / "run_bench.py").read_text().replace("0.02", "0.005"))
    run, night = project.night(tmp_path, head)
    for name, factor in (("HEAD~1", 2), (base, 2), (str(elsewhere), 4)):
        with GitLaboratory(run, night, name, said.append) as lab:
            assert lab.why_not("0" * 12) == ""
            assert lab.differences([suspect(STEP, "0" * 12)], 0, 1)[STEP] == pytest.approx([math.log(factor)])
    assert (elsewhere / "run_bench.py").exists()
    with pytest.raises(UsageError, match=r"--base 'HEAD~9' is neither a folder nor a commit"):
        GitLaboratory(run, night, "HEAD~9", said.append)
    with pytest.raises(UsageError, match="neither"):
        GitLaboratory(run, night, "--upload-pack=x", said.append)
    with pytest.raises(UsageError, match=r"holds no run_bench\.py"):
        GitLaboratory(run, night, str(tmp_path), said.append)


def test_why_not(project, tmp_path, said, monkeypatch):
    base, head = project.commit(0.010), project.commit(0.020)
    run, night = project.night(tmp_path, head)

    def refusal(commit=base, run=run, night=night):
        return GitLaboratory(run, night, None, said.append).why_not(commit)

    assert refusal() == ""
    assert refusal("") == "its commit is not known"
    assert "not in the repository" in refusal("0123456789ab")
    assert "not in the repository" in refusal("--help")
    assert "tonight's own code" in refusal(run=run, night=project.night(tmp_path, "0123456789ab")[1])
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{project.top}", str(shallow)], check=True)
    monkeypatch.chdir(shallow)
    assert "git fetch --unshallow" in refusal()
    monkeypatch.chdir(project.top)
    (run / "benchmark.json").write_text("{}")
    assert refusal() == "benchmarks of another project cannot be run again"
    (run / "benchmark.json").unlink()
    monkeypatch.setattr(checkouts, "asked_folder", lambda: tmp_path)
    assert "no git repository" in refusal()
    monkeypatch.setenv("PATH", "")
    assert refusal() == "git is not installed"
    with pytest.raises(UsageError, match="git is not installed"):
        GitLaboratory(run, night, "HEAD", said.append)


def test_files_of_ones_own_are_each_sides_own_version(tmp_path, monkeypatch, said):
    """A user's repository, paragone installed elsewhere: the script is the installed one, --add and suite the checkout's."""
    top = tmp_path / "mine"
    (top / "sub").mkdir(parents=True)
    git(top, "init", "--quiet")
    (top / "sub" / "late.py").write_text("")
    (top / "sub" / "suite.toml").write_text("")
    empty = commit_all(top)
    (top / "sub" / "mine.py").write_text("base")
    base = commit_all(top)
    (top / "sub" / "mine.py").write_text("head")
    head = commit_all(top)
    monkeypatch.chdir(top / "sub")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(top / "sub"), "/elsewhere"]))
    source = Project(tmp_path)
    run, night = source.night(tmp_path, head, "--add=mine.py")
    lab = GitLaboratory(run, night, None, said.append)
    assert lab.why_not(base) == ""
    assert lab.why_not(empty) == f"--add mine.py is not part of {empty}"
    with Checkouts(find_repository()) as made:
        before, now = made.of(base), made.of(head)
        assert now.top == top
        assert before.folder == before.top / "sub"
        assert before.script == now.script == Path(sys.modules["run_bench"].__file__ if "run_bench" in sys.modules else now.script)
        assert before.environment["PYTHONPATH"].split(os.pathsep) == [str(before.top / "sub"), "/elsewhere"]
        words = take_apart(("run", "suite.toml", "--add", "mine.py")).again(lambda p: made.place(before, p), ["a"], 3, Path("o"))
        assert Path(words[1]) == before.top / "sub" / "suite.toml"
        assert Path(value_after(words, "--add")).read_text() == "base"
    (tmp_path / "outside.py").write_text("")
    run, night = source.night(tmp_path, head, "--add", str(tmp_path / "outside.py"))
    assert "lies outside of the repository" in GitLaboratory(run, night, None, said.append).why_not(base)
    run, night = source.night(tmp_path, head, "--add", "absent.py")
    assert "not found from here" in GitLaboratory(run, night, None, said.append).why_not(base)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("failed", "digits.vae.s2 failed (E: planted)"),
        ("throttled", "the device was throttled"),
        ("budget", "the suite's budget is not the same on both sides"),
    ],
)
def test_a_pair_that_says_nothing_is_left_out_and_said(project, tmp_path, said, fault, words):
    base, head = project.commit(0.010, fault), project.commit(0.020)
    run, night = project.night(tmp_path, head)
    with GitLaboratory(run, night, None, said.append) as lab:
        found = lab.differences([suspect(STEP, base), suspect(MEMORY, base)], 0, 1)
    assert found[STEP] == []
    assert any(words in line for line in said)
    assert found[MEMORY] == ([0.0] if fault == "throttled" else [])


def test_a_refused_command_ends_its_group_only(project, tmp_path, said):
    broken, good, head = project.commit(0.010, "refused"), project.commit(0.010), project.commit(0.020)
    run, night = project.night(tmp_path, head)
    with GitLaboratory(run, night, None, said.append) as lab:
        found = lab.differences([suspect(STEP, broken), suspect(MEMORY, good)], 0, 3)
    assert (len(found[STEP]), len(found[MEMORY])) == (0, 3)
    assert len(calls(project)) == 2 + 6


def test_a_re_run_that_hangs_is_ended_and_said(project, tmp_path, said, monkeypatch):
    monkeypatch.setattr(laboratory, "SPARE_S", 0.7)
    base, head = project.commit(0.010, "slow"), project.commit(0.020)
    run, night = project.night(tmp_path, head)
    with GitLaboratory(run, night, None, said.append) as lab:
        assert lab.differences([suspect(STEP, base)], 0, 1)[STEP] == []
    assert any("ended after 1 s" in line for line in said)


def test_an_interrupt_leaves_nothing(project, tmp_path, monkeypatch):
    base, head = project.commit(0.010), project.commit(0.020)
    run, night = project.night(tmp_path, head)

    def interrupt(line):
        raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt), GitLaboratory(run, night, None, interrupt) as lab:
        lab.differences([suspect(STEP, base)], 0, 1)
    assert len(calls(project)) == 2
    assert not list(tmp_path.glob("paragone-again-*"))
    assert project.worktrees() == 0


DIES = """
import sys
from pathlib import Path
from paragone.bench.history.laboratory import GitLaboratory
from tests.history.project import STEP, Night, suspect
run, head, base = sys.argv[1:]
night = Night("tonight", "", head, "tiny", "machine", {})
with GitLaboratory(Path(run), night, None, print) as lab:
    lab.differences([suspect(STEP, base)], 0, 1)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_check_stops_its_re_runs_and_not_the_next_check(project, tmp_path, said, how, monkeypatch):
    base, head = project.commit(0.010), project.commit(0.020, "slow")
    run, night = project.night(tmp_path, head)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = subprocess.Popen([sys.executable, "-P", "-c", DIES, str(run), head, base], stderr=subprocess.DEVNULL)
    ends = time.perf_counter() + 60
    while not calls(project) and time.perf_counter() < ends:
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(how)
    process.wait(30)
    assert not psutil.wait_procs(children, timeout=10)[1]
    if how == signal.SIGTERM:
        assert not list(tmp_path.glob("paragone-again-*"))
        assert project.worktrees() == 0
    head = project.commit(0.020)
    run, night = project.night(tmp_path, head)
    with GitLaboratory(run, night, None, said.append) as lab:
        assert lab.differences([suspect(STEP, base)], 0, 1)[STEP] == pytest.approx([math.log(2)])


@pytest.mark.parametrize(
    ("command", "suite", "options"),
    [
        ((), "quick", ()),
        (("run",), "quick", ()),
        (("run", "nightly", "--out", "a", "--resume", "--jobs", "2"), "nightly", (("--jobs", "2"),)),
        (("run", "--budget=5 steps", "my.toml", "--seeds=3"), "my.toml", (("--budget", "5 steps"),)),
        (("x/run_bench.py", "run", "--only", "vae", "--cell", "c", "smoke", "--only=ddpm"), "smoke",
         (("--only", "vae"), ("--only", "ddpm"))),
    ],
)  # fmt: skip
def test_a_recorded_command_is_taken_apart(command, suite, options):
    found = take_apart(command)
    assert (found.suite, found.options) == (suite, options)


def test_data_and_suites_from_outside_are_taken_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    words = take_apart(("run", "my.toml", "--data", "images", "--device", "cpu")).again(lambda path: path, [], 1, Path("out"))
    assert words == ["run", str(tmp_path / "my.toml"), "--data", str(tmp_path / "images"), "--device", "cpu",
                     "--seeds", "1", "--out", "out"]  # fmt: skip
    assert value_after(take_apart(("run", "--data", "mnist")).again(lambda path: path, [], 1, Path("out")), "--data") == "mnist"


def test_a_time_is_over_the_control_workload_and_memory_is_not(tmp_path):
    record = next(r for r in Project(tmp_path).records if r.cell.contender == "vae")
    slower = with_timing(record, control_s=0.2)
    assert compared(record, STEP) - compared(slower, STEP) == pytest.approx(math.log(2))
    assert compared(record, MEMORY) == compared(slower, MEMORY)
    first, second = (Key(f"digits/vae/{name}", "sample_latency_s", "", "") for name in record.samplers)
    assert compared(record, first) != compared(record, second)
    with pytest.raises(ValueError, match="no counter of energy"):
        compared(record, Key("digits/vae", "train_joules", "", ""))
    nothing = with_values(record, {("train_peak_rss_net_bytes", ""): 0.0})
    with pytest.raises(ValueError, match="train_peak_rss_net_bytes is 0"):
        compared(nothing, MEMORY)
