"""The laboratory: suspicious cells of tonight's code and of the base's, run again in pairs, on this machine, now.

pair k    both sides train the suspicious cells alone, with seed S + k, where S is the number of seeds of the night: seeds that no
          night has seen, the same on both sides. Head goes first in pairs 0, 3, 4, 7 ..., the base in the others (A B B A),
          so that a machine that drifts steadily helps neither.
d_k       compared value of head less that of the base; each of a time is over the control workload around its own cell

Suspects with the same base share their runs. A cell that fails, a time that something speaks against, a side that ran under another
protocol: that pair has no value, and the log says why. A side that takes longer than 3 x the night's own time for its cells
+ 120 s is ended.
"""

import math
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from paragone.bench.errors import UsageError
from paragone.bench.history.checkouts import Checkout, CheckoutError, Checkouts, Repository, find_repository
from paragone.bench.history.recorded import take_apart
from paragone.bench.history.series import Key, Night
from paragone.bench.history.suspects import Suspect
from paragone.bench.history.watched import WATCHED
from paragone.bench.orphans import die_with_parent
from paragone.bench.records import Cell, Manifest, Record, RecordError, read_manifest, read_record

PATIENCE = 3.0
"""A side may take so many times as long as its cells took in the night ..."""
SPARE_S = 120.0
"""... and so many seconds more."""
POLITE_S = 10.0
PROTOCOL = ("budget", "training", "evaluation", "samplers")
"""Keys of a suite that must be equal on both sides."""


class GitLaboratory:
    """A `Laboratory` of git checkouts; leave it as a context, so that worktrees and temporary folders are removed.

    Args:
        run: the folder of tonight's run, whose command is run again; `night` is what was read of it.
        base: a commit or a checkout's folder that every suspect is held against; None: each suspect's own base.
        log: takes a line of plain text at a time.

    Raises:
        UsageError: `base` is neither a folder that holds the project nor a commit that git knows.
    """

    def __init__(self, run: Path, night: Night, base: str | None, log: Callable[[str], None]) -> None:
        self._run, self._night, self._log = run, night, log
        self._repository = find_repository()
        self._manifest, self._refusal = _recorded(run)
        self.named_base = "" if base is None else _named_base(base, self._repository)
        self._stack = ExitStack()
        self.why_not = cache(self._why_not)

    def __enter__(self) -> "GitLaboratory":
        if isinstance(self._repository, Repository):
            self._checkouts = self._stack.enter_context(Checkouts(self._repository))
        if threading.current_thread() is threading.main_thread():  # a polite end goes the way of an interrupt
            before = signal.signal(signal.SIGTERM, signal.default_int_handler)
            self._stack.callback(signal.signal, signal.SIGTERM, before)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was checked out."""
        self._stack.close()

    def differences(self, suspects: Sequence[Suspect], first: int, count: int) -> Mapping[Key, Sequence[float]]:
        """Compared values of head less base in pairs `first` to `first + count - 1` of each suspect; fewer where re-runs failed."""
        groups: dict[str, list[Suspect]] = defaultdict(list)
        for suspect in suspects:
            groups[self.named_base or suspect.base.commit].append(suspect)
        found: dict[Key, list[float]] = {suspect.key: [] for suspect in suspects}
        for base, group in groups.items():
            try:
                sides = self._checkouts.of(self._night.commit), self._checkouts.of(base)
            except CheckoutError as error:
                self._log(f"no re-runs against {base}: {error}")
                continue
            for k in range(first, first + count):
                if not self._pair(k, sides, group, found):
                    break
        return found

    def _why_not(self, commit: str) -> str:
        """Why head and base cannot be run again here, in words; empty where they can."""
        if self._refusal:
            return self._refusal
        if isinstance(self._repository, str):
            return self._repository
        tonight = self._repository.why_not(self._night.commit)
        if tonight:
            return f"tonight's own code cannot be run again: {tonight}"
        if self.named_base and Path(self.named_base).is_dir():
            return ""
        name = self.named_base or commit
        return self._repository.why_not(name) or self._missing(name, self._repository)

    def _missing(self, commit: str, repository: Repository) -> str:
        """What of the user's own files is not part of a commit."""
        for path in take_apart(self._manifest.command).added:
            if not path.is_file():
                return f"--add {path.name} is not found from here; check in the folder that the run was made in"
            if not path.is_relative_to(repository.top):
                return f"--add {path.name} lies outside of the repository, so what it was at {commit} is not known"
            if not repository.holds(commit, path):
                return f"--add {path.name} is not part of {commit}"
        return ""

    def _pair(self, k: int, sides: tuple[Checkout, Checkout], group: Sequence[Suspect], found: dict[Key, list[float]]) -> bool:
        """Run pair k on both sides and add its differences; False where further pairs would fail as this one did."""
        cells = {_cell(s.key, self._manifest.suite["seeds"] + k) for s in group}
        made: dict[str, _Side] = {}
        for side in sides if k % 4 in (0, 3) else reversed(sides):
            made[side.name] = self._run_side(side, k, sorted(cells, key=lambda cell: cell.id))
            if made[side.name].hopeless:
                return False
        head, base = (made[side.name] for side in sides)
        self._log(f"pair {k + 1}: tonight's {sides[0].name} {head.seconds:.1f} s, {sides[1].name} {base.seconds:.1f} s")
        for suspect in group:
            try:
                cell = _cell(suspect.key, self._manifest.suite["seeds"] + k)
                _check_protocol(head, base, cell)
                difference = head.value(suspect.key, cell) - base.value(suspect.key, cell)
            except ValueError as reason:
                self._log(f"pair {k + 1} says nothing of {suspect.key.name}: {reason}")
            else:
                found[suspect.key].append(difference)
        return True

    def _run_side(self, side: Checkout, k: int, cells: Sequence[Cell]) -> "_Side":
        """Run cells again in one checkout, and wait for it."""
        folder = self._checkouts.temporary / f"run-{time.monotonic_ns()}"
        words = take_apart(self._manifest.command).again(
            lambda path: self._checkouts.place(side, path), [c.id for c in cells], self._manifest.suite["seeds"] + k + 1, folder
        )  # fmt: skip
        limit_s = SPARE_S + PATIENCE * sum(_seconds(self._run, cell) for cell in cells)
        since = time.perf_counter()
        failure, code = _wait_for([sys.executable, str(side.script), *words], side, folder.with_suffix(".log"), limit_s)
        if failure:
            self._log(f"pair {k + 1}, {side.name}: {failure}")
        return _Side(folder, time.perf_counter() - since, hopeless=code == 2)


class _Side:
    """One side of one pair: its run folder, and the seconds it took; `hopeless` where the command was refused."""

    def __init__(self, folder: Path, seconds: float, hopeless: bool) -> None:
        self.folder, self.seconds, self.hopeless = folder, seconds, hopeless

    @property
    def suite(self) -> dict[str, Any]:
        """The suite as it was run; raises ValueError where nothing was."""
        return read_manifest(self.folder).suite

    def value(self, key: Key, cell: Cell) -> float:
        """The compared value of a series in a cell; raises ValueError with the reason where there is none."""
        return compared(read_record(self.folder / "cells" / f"{cell.id}.json"), key)


def compared(record: Record, key: Key) -> float:
    """The compared value of a series in one record.

    Raises:
        ValueError: the cell failed, something speaks against its times, or the metric has no value that can be compared; in words.
    """
    watch, where = WATCHED[key.metric], record.cell.id
    if record.status != "ok":
        failure = "" if record.failure is None else f" ({record.failure.kind}: {record.failure.message})"
        raise ValueError(f"{where} {record.status}{failure}")
    if watch.over_control and (record.timing is None or not record.timing.valid):
        raise ValueError(f"{where}: {'no control workload' if record.timing is None else '; '.join(record.timing.invalid)}")
    sampler = (*key.entry.split("/"), "")[2] or record.samplers[0]
    for found in record.measurements:
        if found.metric == key.metric and found.sampler in ("", sampler):
            if found.value is None or (watch.relative and found.value <= 0):
                raise ValueError(f"{where}: {found.source if found.value is None else f'{key.metric} is {found.value:g}'}")
            return watch.compared(found.value, math.sqrt(math.prod(record.timing.control_s)) if record.timing is not None else 1.0)
    raise ValueError(f"{where} has no {key.metric}")


def _recorded(run: Path) -> tuple[Manifest, str]:
    """The manifest of a run, and why it cannot be run again; empty where it can."""
    manifest = read_manifest(run)
    if (run / "benchmark.json").exists():
        return manifest, "benchmarks of another project cannot be run again"
    if "seeds" not in manifest.suite:
        return manifest, "its suite does not say how many seeds it has"
    return manifest, ""


def _named_base(base: str, repository: Repository | str) -> str:
    """What --base names: a folder, absolute, or the full hash of a commit."""
    if isinstance(repository, str):
        raise UsageError(f"--base {base}: {repository}; run the check inside the repository of what is benchmarked")
    if Path(base).is_dir():
        top = Path(base).resolve()
        if repository.project is not None and not (top / repository.project / "run_bench.py").is_file():
            raise UsageError(f"--base {base} holds no {repository.project / 'run_bench.py'}; name the top folder of a checkout")
        return str(top)
    if not repository.resolve(base):
        raise UsageError(f"--base {base!r} is neither a folder nor a commit of {repository.top.name}; try `git rev-parse {base}`")
    return repository.resolve(base)[:12]


def _cell(key: Key, seed: int) -> Cell:
    """The cell of a series with another seed; entries are `track/contender` or `track/contender/sampler`."""
    track, contender = key.entry.split("/")[:2]
    return Cell(track=track, contender=contender, seed=seed)


def _seconds(run: Path, cell: Cell) -> float:
    """Seconds of the slowest of this contender's cells in the night; 0 where none can be read."""
    seconds = [0.0]
    for path in (run / "cells").glob(f"{cell.id.removesuffix(str(cell.seed))}*.json"):
        try:
            seconds.append(sum(read_record(path).seconds_by_phase.values()))
        except RecordError:
            continue
    return max(seconds)


def _check_protocol(head: _Side, base: _Side, cell: Cell) -> None:
    """Raise ValueError where the two sides of a pair did not run under the same budgets on the same data."""
    for key in PROTOCOL:
        if head.suite.get(key) != base.suite.get(key):
            raise ValueError(f"the suite's {key} is not the same on both sides")
    data = [{track["name"]: track.get("data_hash") for track in side.suite["tracks"]}.get(cell.track) for side in (head, base)]
    if data[0] != data[1]:
        raise ValueError(f"the data of {cell.track} are not the same on both sides")


def _wait_for(command: Sequence[str], side: Checkout, log: Path, limit_s: float) -> tuple[str, int | None]:
    """Run a command to its end or its limit; what went wrong, in words, and its exit code."""
    with log.open("w+") as said:
        process = subprocess.Popen(
            command, cwd=side.folder, env=dict(side.environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=said, preexec_fn=die_with_parent,
        )  # fmt: skip
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return f"ended after {limit_s:.0f} s", None
        finally:
            _end(process)
    lines = log.read_text(errors="replace").strip().splitlines()
    return (lines[-1] if lines else f"exit code {process.returncode}") if process.returncode else "", process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what still runs: politely, then not."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(POLITE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
