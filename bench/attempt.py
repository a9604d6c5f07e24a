"""One cell in flight, as its parent sees it: the process, what it told so far, and the watch over its time and memory."""

import contextlib
import json
import multiprocessing
import os
import signal
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
from pydantic import ValidationError

from paragone.bench.job import Job
from paragone.bench.process import TAIL_LINES, cell_process
from paragone.bench.records import Measurement

LOG_LIMIT_BYTES = 16 << 20
"""A contender that prints without end fills no disk: its log is emptied at this size."""


@dataclass
class Attempt:
    """A running cell. `ended` is set once it has told how it ended, died, or was ended from outside."""

    job: Job
    slot: int
    process: ForkServerProcess
    pipe: Connection
    log: Path
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    started_s: float = field(default_factory=time.perf_counter)
    phase: str = "start"
    phase_since_s: float = field(default_factory=time.perf_counter)
    progress: float = 0.0
    seconds_by_phase: dict[str, float] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    samples: dict[str, bytes] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    status: str | None = None
    failure: dict[str, Any] | None = None

    @property
    def elapsed_s(self) -> float:
        """Wall seconds since the start."""
        return time.perf_counter() - self.started_s

    @property
    def ended(self) -> bool:
        """True once it is known how the cell ended."""
        return self.status is not None

    def listen(self) -> None:
        """Take in every message that is waiting; at the pipe's end without an end message the process has died."""
        try:
            while not self.ended and self.pipe.poll():
                self._take(self.pipe.recv_bytes())
        except (EOFError, OSError):
            self._died()
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            self.end("invalid", type(error).__name__, f"the cell's process sent a message that cannot be read: {error}")

    def watch(self, timeout_s: float, memory_limit_bytes: float) -> None:
        """End the cell if it runs too long or holds too much memory."""
        if self.ended:
            return
        if self.elapsed_s > timeout_s:
            self.end("timeout", "Timeout", f"still running after {self.elapsed_s:.0f} s; the limit is {timeout_s:.0f} s")
        held = _held_bytes(self.process.pid)
        if held > memory_limit_bytes:
            limit = f"{memory_limit_bytes / 1e6:.0f} MB"
            self.end("out_of_memory", "MemoryLimit", f"the process held {held / 1e6:.0f} MB; the limit is {limit}")
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            os.truncate(self.log, 0)

    def end(self, status: str, kind: str, message: str) -> None:
        """Note how the cell ended where it did not tell itself."""
        self.status = status
        self.failure = {
            "phase": self.phase,
            "kind": kind,
            "message": " ".join(message.split())[:300],
            "tail": self._log_tail(),
        }

    def close(self) -> None:
        """End the process with all its children, and tidy up."""
        self._enter_phase("end")
        _kill(self.process.pid)
        self.process.join()
        self.process.close()
        self.pipe.close()
        self.log.unlink(missing_ok=True)

    def _take(self, message: bytes) -> None:
        line, _, payload = message.partition(b"\n")
        header = json.loads(line)
        match header["type"]:
            case "phase":
                self._enter_phase(header["phase"])
            case "progress":
                self.progress = float(header["progress"])
            case "facts":
                self.facts.update(header["facts"])
            case "measurements":
                self.measurements += [Measurement.model_validate(m) for m in header["measurements"]]
            case "samples":
                self.samples[header["sampler"]] = payload
            case "end":
                self.status, self.failure = header["status"], header.get("failure")

    def _enter_phase(self, name: str) -> None:
        now = time.perf_counter()
        spent = now - self.phase_since_s
        self.seconds_by_phase[self.phase] = self.seconds_by_phase.get(self.phase, 0.0) + spent
        self.phase, self.phase_since_s = name, now

    def _died(self) -> None:
        self.process.join(10)
        code = self.process.exitcode
        if code is not None and code < 0:
            self.end("failed", "Killed", f"the process was killed by signal {-code} ({_signal_name(-code)})")
        else:
            self.end("failed", "Exited", f"the process ended with exit code {code} before it was done")

    def _log_tail(self) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


def start(job: Job, slot: int, cores: list[int], guarded: Path) -> Attempt:
    """Start a cell in a process forked from the server."""
    context = multiprocessing.get_context("forkserver")
    mine, theirs = context.Pipe(duplex=False)
    handle, log = tempfile.mkstemp(prefix="paragone-", suffix=".log")
    os.close(handle)
    process = context.Process(target=cell_process, args=(job, theirs, log, cores, str(guarded)), daemon=True)
    process.start()
    theirs.close()
    return Attempt(job, slot, process, mine, Path(log))


def _held_bytes(pid: int | None) -> float:
    """Resident memory of a process and its children."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _kill(pid: int | None) -> None:
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [*root.children(recursive=True), root]:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else "unknown"
