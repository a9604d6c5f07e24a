"""`run`: from the command's options to a run folder full of records."""

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import torch

from paragone.bench.errors import UsageError
from paragone.bench.plan import Options, make_plan
from paragone.bench.profile.machine import fingerprint, usable_cores
from paragone.bench.records import REFERENCE, Record
from paragone.bench.runner import Display, Runner, begin, finish
from paragone.bench.store import RunFolder
from paragone.bench.suite import load_suite

MEMORY_SHARE = 0.8


def run_suite(
    suite_name: str, options: Options, out: Path | None, resume: bool, command: tuple[str, ...], display: Display
) -> tuple[Path, list[Record]]:
    """Run a suite, or what is left of it; the run folder and all its records.

    Raises:
        UsageError: anything wrong with what the user gave, before any cell starts.
        OSError: the run folder cannot be written any more; what was finished stays.
    """
    since_s = time.perf_counter()
    if resume and out is None:
        raise UsageError("--resume needs the folder of the run to go on with: --out DIR")
    device = choose_device(options.device)
    cores = usable_cores()
    if not 1 <= options.jobs <= cores:
        raise UsageError(f"--jobs {options.jobs} must lie between 1 and the {cores} cores of this machine")
    threads = max(1, cores // options.jobs)
    suite = load_suite(suite_name)
    plan = make_plan(suite, options, threads, device)
    folder = RunFolder.create(out or default_folder(plan.suite.name), resume)
    machine = fingerprint(device, threads)
    manifest = begin(plan, folder, machine, command)
    limit = plan.suite.memory_limit_bytes or MEMORY_SHARE * psutil.virtual_memory().total / options.jobs
    # A polite end (SIGTERM) goes the way of an interrupt: cells are ended, what is finished stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runner = Runner(plan, folder, options.jobs, limit, display)
    made = runner.run(machine)
    if made or manifest.ended is None:
        finish(folder, manifest, runner.warnings, since_s)
    return folder.path, folder.records()


def default_folder(suite: str) -> Path:
    """results/<suite>-<time>, new."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = Path("results") / f"{suite}-{stamp}"
    return path if not path.exists() else path.with_name(f"{path.name}-{os.getpid()}")


def choose_device(text: str) -> str:
    """`cpu`, `cuda:0` ... from auto|cpu|cuda[:i]; raises UsageError where it is unknown or absent."""
    if text == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if text == "cpu":
        return "cpu"
    name, _, index = text.partition(":")
    if name != "cuda" or not (index or "0").isdigit():
        raise UsageError(f"--device {text!r} is not one of auto, cpu, cuda, cuda:0, cuda:1 ...")
    count = torch.cuda.device_count()
    if int(index or "0") >= count:
        raise UsageError(f"--device {text!r}: torch sees {count} CUDA devices here; use --device cpu")
    return f"cuda:{index or 0}"


def all_failed(records: list[Record]) -> bool:
    """True where there were contenders and none of their cells ended well."""
    competing = [record for record in records if record.family != REFERENCE]
    return bool(competing) and all(record.status != "ok" for record in competing)
