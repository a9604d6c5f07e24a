"""The process of one cell: forked from a server that has imported torch, telling its parent everything over a pipe.

The server only imports (`paragone.bench.preload`). A message is one line of JSON and, for samples, the bytes of an npz after it:
nothing is unpickled on the parent's side. A cell dies with its parent, and may not write into the run folder.
"""

import faulthandler
import io
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from paragone.bench.budget import Meter
from paragone.bench.cell import run_cell
from paragone.bench.data.dataset import Items, Labels
from paragone.bench.job import Job
from paragone.bench.orphans import die_with_parent
from paragone.bench.records import Measurement
from paragone.bench.train import Diverged, InvalidOutput
from paragone.models import ContractError

TAIL_LINES = 12


def cell_process(job: Job, pipe: Connection, log: str, cores: Sequence[int], guarded: str) -> None:
    """Entry point of a cell's process: run the job and tell how it ended. `guarded` is the folder it must not write into."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    _redirect_output(Path(log))
    faulthandler.enable()
    Path("/proc/self/oom_score_adj").write_text("1000") if sys.platform == "linux" else None
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    torch.set_num_threads(job.threads)
    _guard(Path(guarded))
    reporter = PipeReporter(pipe)
    try:
        run_cell(job, reporter)
        reporter.end("ok")
    except BaseException as error:  # the cell's border: here an error becomes a row
        reporter.end(_status(error), error)
    sys.stdout.flush()
    os._exit(0)  # skip interpreter shutdown: threads that a contender left behind must not keep the cell alive


class PipeReporter:
    """A `Reporter` that sends each message to the parent at once."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._phase = "start"

    def phase(self, name: str) -> None:
        """Say which phase begins."""
        self._phase = name
        self._send({"type": "phase", "phase": name})

    def heartbeat(self, meter: Meter) -> None:
        """Say how much of the budget is spent."""
        self._send({"type": "progress", "progress": meter.progress, "steps": meter.steps})

    def facts(self, **facts: Any) -> None:
        """Send facts of the record."""
        self._send({"type": "facts", "facts": facts})

    def measurements(self, found: Sequence[Measurement]) -> None:
        """Send numbers."""
        self._send({"type": "measurements", "measurements": [m.model_dump(mode="json") for m in found]})

    def samples(self, sampler: str, items: Items, wanted: Labels | None = None) -> None:
        """Send the judged samples as an npz: `x`, and `y` where they were asked for classes."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {"x": items} if wanted is None else {"x": items, "y": wanted}
        np.savez_compressed(buffer, **arrays)
        self._send({"type": "samples", "sampler": sampler}, buffer.getvalue())

    def end(self, status: str, error: BaseException | None = None) -> None:
        """Send how the cell ended."""
        message: dict[str, Any] = {"type": "end", "status": status}
        if error is not None:
            lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
            message["failure"] = {"phase": self._phase, "kind": type(error).__name__, "message": _one_line(error),
                                  "tail": "\n".join(lines[-TAIL_LINES:])}  # fmt: skip
        self._send(message)

    def _send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        header["time"] = time.time()
        self._pipe.send_bytes(json.dumps(header).encode() + b"\n" + payload)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__


def _status(error: BaseException) -> str:
    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, InvalidOutput | ContractError):
        return "invalid"
    out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
    return "out_of_memory" if out_of_memory else "failed"


def _redirect_output(log: Path) -> None:
    """What a contender prints goes to a file of its own, not between the lines of the run."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def _guard(folder: Path) -> None:
    """Refuse, in this process, to open for writing, rename or remove anything in the run folder.

    It stops mistakes made through Python; the parent checks the folder after each cell for all others.
    """
    root = str(folder.resolve()) + os.sep
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def refuse(path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike) and (os.path.realpath(os.fsdecode(path)) + os.sep).startswith(root):
            raise PermissionError(f"a contender may not write into the run folder ({os.fsdecode(path)!r})")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if (event == "open" and isinstance(args[2], int) and args[2] & writing) or event in (
            "os.remove",
            "os.rmdir",
            "os.mkdir",
            "os.truncate",
            "shutil.rmtree",
        ):
            refuse(args[0])
        elif event in ("os.rename", "os.link", "os.symlink"):
            refuse(args[0])
            refuse(args[1])

    sys.addaudithook(hook)
