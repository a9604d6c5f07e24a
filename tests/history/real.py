"""A repository that holds a copy of paragone, real nights of a small suite in it, and commits with a planted fault."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.history.project import commit_all, git

ROOT = Path(__file__).parents[2]
PARTS = ("models", "bench", "reports")
VAE = "models/autoencoder/vae.py"

SUITE = """
name = "small"
title = "Two contenders, checked every night"
seeds = {seeds}
[budget]
train = "{steps} steps"
parameters = 100000
[evaluation]
samples = 500
[[tracks]]
name = "digits"
data = "digits"
contenders = ["vae", "realnvp"]
"""

SLOWER_UPDATE = """

_update = VAE.update


def _slower(self: VAE, batch: Batch, progress: float) -> dict[str, Tensor | float]:
    import time

    begin = time.perf_counter()
    found = _update(self, batch, progress)
    until = time.perf_counter() + {share} * (time.perf_counter() - begin)
    while time.perf_counter() < until:
        pass
    return found


VAE.update = _slower
"""

HUNGRIER_SAMPLER = """

_sample, _held = VAE.sample, []


def _hungrier(self: VAE, *arguments, **named):
    import mmap

    if not _held:
        _held.append(mmap.mmap(-1, {bytes}))
        _held[0].write(b"x" * {bytes})
    return _sample(self, *arguments, **named)


VAE.sample = _hungrier
"""


class RealProject:
    """The repository at `folder`; its first commit is the project as it lies here, and `good` names it."""

    def __init__(self, folder: Path, seeds=3, steps=150) -> None:
        self.top, self.history = folder / "project", folder / "project" / "history"
        for part in PARTS:
            shutil.copytree(ROOT / part, self.top / part, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("run_bench.py", "pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, self.top / name)
        (self.top / "small.toml").write_text(SUITE.format(seeds=seeds, steps=steps))
        (self.top / ".gitignore").write_text("history/\n__pycache__/\n")
        self.files = {VAE: (self.top / VAE).read_text()}
        git(self.top, "init", "--quiet", "--initial-branch=main")
        self.good = commit_all(self.top)
        package = folder / "imports" / "paragone"  # what an editable install in this checkout would do
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        for part in PARTS:
            (package / part).symlink_to(self.top / part)
        self.environment = {**os.environ, "PYTHONPATH": str(package.parent)}

    def change(self, text="", old="", new="") -> str:
        """Commit the VAE with another ending, or with other words in it; nothing given: as it was, in a commit of its own."""
        source = self.files[VAE]
        assert old in source
        (self.top / VAE).write_text(source.replace(old, new) + text if old else source + text)
        return commit_all(self.top)

    def command(self, *words, code=None):
        """Run the project's own command in it."""
        done = subprocess.run(
            [sys.executable, str(self.top / "run_bench.py"), *map(str, words)],
            cwd=self.top, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert code is None or done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    def night(self, name, *more):
        """A night of the suite, in the history; its folder."""
        self.command("run", "small.toml", "--out", f"history/{name}", *more, code=0)
        return self.history / name

    def worktrees(self):
        """How many there are beside the repository's own."""
        return git(self.top, "worktree", "list").count("\n")

    def check(self, name, *more):
        """Check a night."""
        return self.command("alerts", "check", f"history/{name}", "--history", "history", *more)
