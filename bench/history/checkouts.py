"""Checkouts: the code as it was at a commit, and how the command is run there.

in place     where the commit is what lies here (`commit()` says the same, `+` included)
a folder     where the base was named as one: as it lies
a worktree   else: `git worktree add --detach` into a temporary folder, without the repository's hooks

Every side runs under the same interpreter and packages. Where the repository holds paragone itself, PYTHONPATH begins with a folder
whose package `paragone` is links into the checkout: its own code is imported, whatever an editable install points to. Where the
repository is a user's own, paragone stays as it is, and only what the user added comes from the checkout.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from paragone.bench.profile.machine import asked_folder, commit

PARTS = ("models", "bench", "reports")
"""The packages of paragone: folders of its checkout."""
GIT_S = 120.0
NAME = re.compile(r"[0-9A-Za-z][\w./@{}^~-]*")
"""What may be handed to git as a commit: nothing that it could take for an option."""


class CheckoutError(Exception):
    """A commit cannot be checked out; the message is what git says."""


@dataclass(frozen=True)
class Checkout:
    """One side's code: the top of its checkout, where the command is run and the script that it runs, and its environment."""

    name: str
    top: Path
    folder: Path
    script: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Repository:
    """The git repository around the working directory, else around paragone.

    Attributes:
        top: its top folder; `folder` is the working directory below it, relative ("." where that lies outside).
        project: paragone's folder below `top`, relative; None where the repository holds something else.
    """

    top: Path
    folder: Path
    project: Path | None

    @cached_property
    def here(self) -> str:
        """What lies here: a commit, with `+` where the work tree differs from it."""
        return commit()

    def why_not(self, name: str) -> str:
        """Why this commit cannot be had here, in words; empty where it can."""
        if not name:
            return "its commit is not known"
        if name == self.here:
            return ""
        if name.endswith("+"):
            return f"what it ran was not committed: its work tree differed from {name[:-1]}"
        if self.resolve(name):
            return ""
        if _git(self.top, "rev-parse", "--is-shallow-repository") == "true":
            return f"commit {name} is not in this shallow clone; `git fetch --unshallow`, or fetch-depth: 0 in a workflow"
        return f"commit {name} is not in the repository {self.top.name}"

    def resolve(self, name: str) -> str:
        """The full hash of a commit that git knows by this name, or empty."""
        return (_git(self.top, "rev-parse", "--verify", "--quiet", name + "^{commit}") or "") if NAME.fullmatch(name) else ""

    def holds(self, name: str, path: Path) -> bool:
        """Whether a commit holds this file of the repository; what lies here holds what lies there."""
        if name == self.here:
            return path.is_file()
        return _git(self.top, "cat-file", "-e", f"{name}:{path.relative_to(self.top).as_posix()}") is not None


def find_repository() -> Repository | str:
    """The repository that the command is run in, or why there is none, in words."""
    if shutil.which("git") is None:
        return "git is not installed"
    start = asked_folder()
    found = _git(start, "rev-parse", "--show-toplevel")
    if not found:
        return f"no git repository can be read at {start}"
    top, here = Path(found).resolve(), Path.cwd().resolve()
    folder = here.relative_to(top) if here.is_relative_to(top) else Path()
    own = Path(__file__).resolve().parents[2]
    places = ([own.relative_to(top)] if own.is_relative_to(top) else []) + [folder, Path()]
    return Repository(top, folder, next((place for place in places if _is_project(top / place)), None))


class Checkouts:
    """Checkouts of one repository, each made once, all in one temporary folder; leave it as a context to remove them."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._made: dict[str, Checkout] = {}
        self.temporary = Path(tempfile.mkdtemp(prefix="paragone-again-")).resolve()

    def __enter__(self) -> "Checkouts":
        return self

    def __exit__(self, *_: object) -> None:
        """Remove every worktree, whatever happened in it."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        _git(self._repository.top, "worktree", "prune")  # forgets those whose folders are gone

    def of(self, name: str) -> Checkout:
        """The checkout of a commit that `why_not` has nothing against, or of a folder.

        Raises:
            CheckoutError: git cannot make it.
        """
        if name not in self._made:
            lies_here = name == self._repository.here
            top = self._repository.top if lies_here else Path(name).resolve() if Path(name).is_dir() else self._worktree(name)
            self._made[name] = self._checkout(name, top)
        return self._made[name]

    def place(self, checkout: Checkout, path: Path) -> Path:
        """Where a checkout has a file that lies here; files outside of the repository, and those it lacks, are taken from here."""
        top = self._repository.top
        own = checkout.top / path.relative_to(top) if path.is_relative_to(top) else path
        return own if own.exists() else path

    def _worktree(self, name: str) -> Path:
        path = self.temporary / f"tree-{len(self._made)}"
        quiet = ("-c", f"core.hooksPath={os.devnull}", "-c", "advice.detachedHead=false")
        made = _ask(self._repository.top, *quiet, "worktree", "add", "--detach", str(path), self._repository.resolve(name))
        if made is None or made.returncode:
            said = "git did not answer" if made is None else (made.stderr.strip().splitlines() or ["git failed"])[-1]
            raise CheckoutError(f"no worktree of {name}: {said}")
        if self._repository.project is not None:
            _compile(path / self._repository.project)
        return path

    def _checkout(self, name: str, top: Path) -> Checkout:
        project, folder = self._repository.project, top / self._repository.folder
        script = _installed_script() if project is None else top / project / "run_bench.py"
        return Checkout(name, top, folder if folder.is_dir() else top, script, self._environment(top, len(self._made)))

    def _environment(self, top: Path, number: int) -> dict[str, str]:
        here = self._repository.top
        entries = [Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        entries = [top / entry.relative_to(here) if entry.is_relative_to(here) else entry for entry in entries]
        if self._repository.project is not None:
            entries.insert(0, _links(self.temporary / f"imports-{number}", top / self._repository.project))
        return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, entries))}


def _links(folder: Path, project: Path) -> Path:
    """A folder from which `paragone` is imported out of `project`, and nothing of it from elsewhere."""
    package = folder / "paragone"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()  # as a namespace it would be joined with the installed one
    for part in PARTS:
        if (project / part).is_dir():
            (package / part).symlink_to(project / part, target_is_directory=True)
    return folder


def _is_project(folder: Path) -> bool:
    return (folder / "models" / "contract.py").is_file() and (folder / "run_bench.py").is_file()


def _installed_script() -> Path:
    """The command's module, as it is installed."""
    found = importlib.util.find_spec("run_bench")
    if found is None or found.origin is None:
        raise CheckoutError(f"run_bench is not installed in {sys.prefix}")
    return Path(found.origin)


def _compile(project: Path) -> None:
    """Compile beforehand: what compiling leaves in the heap of the first run would hide some of its memory."""
    parts = [str(project / part) for part in PARTS]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *parts], capture_output=True, check=False)


def _git(where: Path, *arguments: str) -> str | None:
    """What git prints, or None where it fails."""
    done = _ask(where, *arguments)
    return done.stdout.strip() if done is not None and done.returncode == 0 else None


def _ask(where: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(["git", "-C", str(where), *arguments], capture_output=True, text=True, timeout=GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
