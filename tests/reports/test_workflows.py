"""The nightly workflows: their shell parts are run, on a repository with a remote, and two jobs push at the same time.

No YAML reader is needed: each shell part is a block under a `run: |` or `- |`, or one line.
"""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CI = Path(__file__).parents[2] / "reports" / "ci"
FETCH, PUSH = CI / "fetch-history.sh", CI / "push-history.sh"


def environment(**more):
    """An environment in which git asks nobody and reads no settings of this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "PAUSE_S": "0", **more}


def shell(command, folder, code=0, **more):
    done = subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def git(folder, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    return shell(["git", *identity, *words], folder)


@pytest.fixture
def origin(tmp_path):
    """A bare repository with one commit that holds the scripts."""
    seed = tmp_path / "seed"
    (seed / "reports" / "ci").mkdir(parents=True)
    for script in (FETCH, PUSH):
        shutil.copy(script, seed / "reports" / "ci")
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(tmp_path, "init", "--quiet", "seed")
    git(seed, "add", ".")
    git(seed, "commit", "--quiet", "-m", "code")
    git(seed, "push", "--quiet", str(tmp_path / "origin.git"), "HEAD:refs/heads/main")
    git(tmp_path / "origin.git", "symbolic-ref", "HEAD", "refs/heads/main")
    return tmp_path / "origin.git"


def clone(origin, name):
    git(origin.parent, "clone", "--quiet", str(origin), name)
    return origin.parent / name


def add_run(checkout, name):
    """A night's folder, with what is kept and what is not."""
    for file in ("run.json", "cells/digits.vae.s0.json", "samples/vae.npz", "report.html"):
        path = checkout / "history" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def stored(origin):
    return set(git(origin, "ls-tree", "-r", "--name-only", "benchmarks").split())


def night_of(name):
    return {f"{name}/run.json", f"{name}/cells/digits.vae.s0.json"}


def test_the_first_night_makes_the_branch_and_the_next_finds_it(origin):
    first = clone(origin, "first")
    shell(["bash", str(FETCH), "history"], first)
    add_run(first, "night-1")
    (first / "history" / ".index.sqlite").write_text("rebuilt at will")
    (first / "history" / "acknowledged.toml").write_text("")
    shell(["bash", str(PUSH), "history"], first)
    assert stored(origin) == night_of("night-1") | {".gitignore", "acknowledged.toml"}
    second = clone(origin, "second")
    shell(["bash", str(FETCH), "history"], second)
    assert (second / "history" / "night-1" / "run.json").read_text() == "night-1"
    assert git(second, "status", "--porcelain", "--untracked-files=no") == ""
    before = git(origin, "rev-parse", "benchmarks")
    shell(["bash", str(PUSH), "history"], second)
    assert git(origin, "rev-parse", "benchmarks") == before


@pytest.mark.parametrize("first_night", [True, False])
def test_two_jobs_that_push_at_the_same_time_lose_nothing(origin, first_night):
    if not first_night:
        other = clone(origin, "before")
        shell(["bash", str(FETCH), "history"], other)
        add_run(other, "night-0")
        shell(["bash", str(PUSH), "history"], other)
    checkouts = [clone(origin, f"job-{k}") for k in range(2)]
    for k, checkout in enumerate(checkouts):  # both start from the same state
        shell(["bash", str(FETCH), "history"], checkout)
        add_run(checkout, f"night-{k + 1}")
    jobs = [subprocess.Popen(["bash", str(PUSH), "history"], cwd=c, env=environment(), stderr=subprocess.PIPE) for c in checkouts]
    said = [job.communicate(timeout=60)[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    assert stored(origin) >= night_of("night-1") | night_of("night-2") | (set() if first_night else night_of("night-0"))
    assert git(origin, "rev-list", "--count", "--merges", "benchmarks").strip() == "0"


def test_a_file_that_both_changed_is_said_and_not_overwritten(origin):
    checkouts = [clone(origin, f"job-{k}") for k in range(2)]
    for k, checkout in enumerate(checkouts):
        shell(["bash", str(FETCH), "history"], checkout)
        (checkout / "history" / "acknowledged.toml").write_text(f"reason = {k}\n")
    shell(["bash", str(PUSH), "history"], checkouts[0])
    told = shell(["bash", str(PUSH), "history"], checkouts[1], code=1)
    assert "a file was changed here and in 'benchmarks' too" in told
    assert git(origin, "show", "benchmarks:acknowledged.toml") == "reason = 0\n"
    assert git(checkouts[1] / "history", "show", "HEAD:acknowledged.toml") == "reason = 1\n"


def test_a_remote_that_is_away_ends_in_words(origin):
    checkout = clone(origin, "job")
    shell(["bash", str(FETCH), "history"], checkout)
    add_run(checkout, "night-1")
    origin.rename(origin.with_name("gone.git"))
    assert "was not pushed in 3 tries" in shell(["bash", str(PUSH), "history"], checkout, code=1, TRIES="3")
    assert "cannot be read" in shell(["bash", str(FETCH), "other"], checkout, code=1)


# --- the workflows' own shell -------------------------------------------------------------------------------------------


def blocks(workflow):
    """The shell parts of a workflow in their order, as (name of the step, text)."""
    found, name, lines = [], "", (CI / workflow).read_text().split("\n")
    for k, line in enumerate(lines):
        named = re.match(r"\s+- name: (.*)", line)
        name = named[1] if named else name
        start = re.match(r"(\s*)(?:run: |- )(\||(?:bash|make|git) .*)$", line)
        if start and start[2] == "|":
            inside = iter(lines[k + 1 :])
            taken = []
            for following in inside:
                if following.strip() and len(following) - len(following.lstrip()) <= len(start[1]):
                    break
                taken.append(following)
            found.append((name, textwrap.dedent("\n".join(taken))))
        elif start:
            found.append((name, start[2]))
    return found


@pytest.mark.parametrize("workflow", ["github-nightly.yml", "gitlab-nightly.yml"])
def test_a_workflow_is_tidy(workflow):
    text = (CI / workflow).read_text()
    assert "\t" not in text
    assert all((len(line) - len(line.lstrip())) % 2 == 0 for line in text.split("\n"))
    assert len(blocks(workflow)) >= 4
    for _, block in blocks(workflow):
        assert "${{" not in block, "a shell part reads the environment alone: what is pasted into it could be a command"
        shell(["bash", "-n", "-c", block], CI)
        for script in re.findall(r"reports/ci/(\S+\.sh)", block):
            assert (CI / script).exists()


def with_harness(checkout, code, run_code=0):
    """A stand-in for the environment and the command: it makes a run's folder and ends a check with `code`."""
    fake = checkout / ".venv" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text(f"""#!{sys.executable}
import pathlib, sys
words = sys.argv[1:]
out = dict(zip(words, words[1:]))
if words[1:3] == ["run", "nightly"]:
    folder = pathlib.Path(out["--out"])
    folder.mkdir()
    (folder / "run.json").write_text("{{}}")
    sys.exit({run_code})
for option in ("--markdown", "--junit", "--openmetrics", "--benchmark-json", "--out"):
    if option in out:
        pathlib.Path(out[option]).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(out[option]).write_text("said")
if words[1:3] == ["alerts", "check"]:
    folder = pathlib.Path(words[3])
    assert folder.parent == pathlib.Path(out["--history"])
    (folder / "alerts.json").write_text("{{}}")
    sys.exit({code})
""")
    fake.chmod(0o755)


@pytest.mark.parametrize("code", [0, 3, 2])
def test_github_stores_the_night_before_the_verdict(origin, tmp_path, code):
    checkout = clone(origin, "job")
    with_harness(checkout, code)
    steps = dict(blocks("github-nightly.yml"))
    runner = {"GITHUB_RUN_ID": "17", "GITHUB_RUN_ATTEMPT": "1"}
    runner |= {"GITHUB_ENV": str(tmp_path / "env"), "GITHUB_OUTPUT": str(tmp_path / "output")}
    for name in ("Fetch the history", "Run the suite", "Check against the history", "Store the night"):
        known = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().split()) if (tmp_path / "env").exists() else {}
        shell(["bash", "-e", "-c", steps[name]], checkout, **runner, **known)
    night = known["RUN"].removeprefix("history/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-17-1", night)
    assert stored(origin) >= {f"{night}/run.json", f"{night}/alerts.json"}
    output = (tmp_path / "output").read_text().strip()
    assert output == f"code={code}"
    shell(["bash", "-e", "-c", steps["Verdict"]], checkout, code=code, CODE=output.removeprefix("code="))
    shell(["bash", "-e", "-c", steps["Verdict"]], checkout, code=1, CODE="")
    assert {file.name for file in (checkout / "build" / "alerts").iterdir()} == {
        "alerts.md", "junit.xml", "metrics.txt", "benchmarks.json", "history.html",
    }  # fmt: skip


@pytest.mark.parametrize(("run_code", "check_code", "code"), [(0, 0, 0), (0, 3, 3), (1, 0, 1)])
def test_gitlab_stores_the_night_before_the_verdict(origin, run_code, check_code, code):
    checkout = clone(origin, "job")
    with_harness(checkout, check_code, run_code)
    job = {"CI_PIPELINE_ID": "7", "CI_JOB_ID": "8"}
    parts = [block for _, block in blocks("gitlab-nightly.yml") if not block.startswith(("make", "git remote"))]
    assert len(parts) == 2
    shell(["bash", "-e", "-o", "pipefail", "-c", "\n".join(parts)], checkout, code=code, **job)
    kept = {Path(file).name for file in stored(origin)}
    assert kept == {".gitignore", "run.json"} | ({"alerts.json"} if run_code == 0 else set())
    assert (checkout / "build" / "alerts" / "run" / "run.json").exists()
    assert (checkout / "build" / "alerts" / "junit.xml").exists() == (run_code == 0)


def test_a_workflow_fails_where_the_night_was_not_stored(origin):
    checkout = clone(origin, "job")
    with_harness(checkout, 0)
    fetch, last = (block for _, block in blocks("gitlab-nightly.yml") if not block.startswith(("make", "git remote")))
    shell(["bash", "-e", "-c", fetch], checkout)
    origin.rename(origin.with_name("gone.git"))
    shell(["bash", "-e", "-c", last], checkout, code=1, CI_PIPELINE_ID="7", CI_JOB_ID="8", TRIES="1")
