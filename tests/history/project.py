"""A small git repository that looks like the project, whose command trains nothing and writes records with planted numbers."""

import os
import subprocess
from pathlib import Path

from paragone.bench.history.series import Key, Night, Point
from paragone.bench.history.suspects import Suspect
from paragone.bench.records import to_json
from tests.builders import make_run, planned

SEEDS = 2
SUITE = {"name": "tiny", "seeds": SEEDS, "budget": {"train": "30 steps"}, "tracks": [{"name": "digits", "data_hash": "d"}]}
STEP = Key("digits/vae", "train_step_s", "machine", "protocol")
MEMORY = Key("digits/vae", "train_peak_rss_net_bytes", "machine", "protocol")
LATENCY = Key("digits/ddpm/ddim-50", "sample_latency_s", "machine", "protocol")

COMMAND = """
import json, os, sys, time
from pathlib import Path
STEP_S = 0.010
FAULT = ""
here, arguments = Path(__file__).parent, sys.argv[1:]
print(json.dumps({"arguments": arguments, "cwd": os.getcwd(), "path": os.environ.get("PYTHONPATH", ""), "step_s": STEP_S,
                  "top": str(here)}), file=open(os.environ["PLANTED_LOG"], "a"))
if FAULT == "slow":
    time.sleep(60)
if FAULT == "refused":
    sys.exit("error: unknown contender 'vae'" and 2)
out = Path(arguments[arguments.index("--out") + 1])
(out / "cells").mkdir(parents=True)
manifest = json.loads((here / "template" / "run.json").read_text())
if FAULT == "budget":
    manifest["suite"]["budget"]["train"] = "31 steps"
(out / "run.json").write_text(json.dumps(manifest))
for cell in [value for name, value in zip(arguments, arguments[1:]) if name == "--cell"]:
    track, contender, seed = cell.split(".")
    record = json.loads((here / "template" / f"{contender}.json").read_text())
    record["cell"]["seed"] = int(seed[1:])
    if FAULT == "failed":
        record["status"], record["failure"] = "failed", {"phase": "train", "kind": "E", "message": "planted", "elapsed_s": 1.0}
    if FAULT == "throttled":
        record["timing"]["invalid"] = ["the device was throttled"]
    for found in record["measurements"]:
        if found["metric"] == "train_step_s":
            found["value"] = STEP_S * (1 + int(seed[1:]))
    (out / "cells" / f"{cell}.json").write_text(json.dumps(record))
"""


def git(top, *arguments):
    """Run git as somebody; what it prints."""
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always")
    return subprocess.run(["git", *who, "-C", str(top), *arguments], capture_output=True, text=True, check=True).stdout.strip()


def commit_all(top, message="a change"):
    """Commit everything; the twelve digits that `commit()` says."""
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(top, "rev-parse", "--short=12", "HEAD")


class Project:
    """The repository: `write` changes the planted numbers, `calls` are the commands that were run in it."""

    def __init__(self, folder: Path) -> None:
        self.top, self.log = folder / "a project", folder / "calls.jsonl"
        (self.top / "models").mkdir(parents=True)
        (self.top / "models" / "contract.py").write_text("")
        (self.top / "template").mkdir()
        manifest, records = make_run(1, contenders={"vae": planned("vae"), "ddpm": planned("ddpm")}, failures=())
        (self.top / "template" / "run.json").write_bytes(to_json(manifest.model_copy(update={"suite": SUITE})))
        for record in records:
            if record.cell.contender in ("vae", "ddpm"):
                (self.top / "template" / f"{record.cell.contender}.json").write_bytes(to_json(record))
        self.write()
        git(self.top, "init", "--quiet", "--initial-branch=main")
        self.manifest, self.records = manifest, records

    def write(self, step_s=0.010, fault=""):
        """The command with other numbers, uncommitted."""
        text = COMMAND.replace("0.010", repr(step_s)).replace('FAULT = ""', f"FAULT = {fault!r}")
        (self.top / "run_bench.py").write_text(text)

    def commit(self, step_s=0.010, fault=""):
        """The same, committed; the commit."""
        self.write(step_s, fault)
        return commit_all(self.top)

    def night(self, folder, commit, *words):
        """A run of `commit` made with these words after `run tiny`: its folder and what was read of it."""
        run = folder / "tonight"
        (run / "cells").mkdir(parents=True, exist_ok=True)
        manifest = self.manifest.model_copy(update={"suite": SUITE, "command": ("run", "tiny", *words), "commit": commit})
        (run / "run.json").write_bytes(to_json(manifest))
        return run, Night("tonight", "2026-01-05T10:00:00.000+00:00", commit, "tiny", "machine", {})

    def worktrees(self):
        """How many there are beside the repository's own."""
        return git(self.top, "worktree", "list").count("\n")


def suspect(key, base, tonight="head"):
    """A suspicion against a base."""
    nights = {name: Point(name, "", commit, "ok", 0.0, 1.0) for name, commit in (("base", base), ("tonight", tonight))}
    return Suspect(key, None, nights["tonight"], nights["tonight"], nights["base"], nights["base"], "")


def own_environment(monkeypatch, project):
    """Work in the repository, with its log of calls."""
    monkeypatch.chdir(project.top)
    monkeypatch.setenv("PLANTED_LOG", str(project.log))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
