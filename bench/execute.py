"""`run`: from the command's options to a run folder full of records."""

import os
import re
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
import torch

from paragone.bench.budget import Budget
from paragone.bench.errors import UsageError
from paragone.bench.plan import Options, make_plan
from paragone.bench.profile.energy import Refusal, energy_counter
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
    devices = choose_devices(options.device, options.jobs)
    threads = max(1, usable_cores() // options.jobs)
    suite = load_suite(suite_name)
    plan = make_plan(suite, options, threads, devices[0])
    check_energy(Budget.parse(plan.suite.budget.train), devices)
    folder = RunFolder.create(out or default_folder(plan.suite.name), resume)
    machine = fingerprint(devices[0], threads)
    manifest = begin(plan, folder, machine, command)
    limit = plan.suite.memory_limit_bytes or MEMORY_SHARE * psutil.virtual_memory().total / options.jobs
    # A polite end (SIGTERM) goes the way of an interrupt: cells are ended, what is finished stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runner = Runner(plan, folder, devices, limit, display)
    if len(folder.records()) < len(plan.jobs):
        manifest = manifest.model_copy(update={"twins": runner.measure_twins(manifest.twins)})
        folder.write_manifest(manifest)
    made = runner.run(machine, manifest.twins)
    if made or manifest.ended is None:
        finish(folder, manifest, runner.warnings, since_s)
    return folder.path, folder.records()


def default_folder(suite: str) -> Path:
    """results/<suite>-<time>, new."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = Path("results") / f"{suite}-{stamp}"
    return path if not path.exists() else path.with_name(f"{path.name}-{os.getpid()}")


def choose_devices(text: str, jobs: int) -> tuple[str, ...]:
    """The device of each cell that runs at the same time, from auto|cpu|cuda[:i]: the CPU's cores shared, or a GPU each.

    Raises:
        UsageError: the device is unknown or absent, the GPUs are of different kinds, or there are fewer cores or GPUs than jobs.
    """
    cores = usable_cores()
    if not 1 <= jobs <= cores:
        raise UsageError(f"--jobs {jobs} must lie between 1 and the {cores} cores of this machine")
    gpus = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return ("cpu",) * jobs if text == "cpu" or (text == "auto" and not gpus) else one_gpu_each(text, jobs, gpus)


def one_gpu_each(text: str, jobs: int, gpus: Sequence[str]) -> tuple[str, ...]:
    """`cuda:k` for each of `jobs` cells from auto|cuda[:i], where `gpus` names the GPUs that torch sees; raises as above."""
    if text not in ("auto", "cuda") and not re.fullmatch(r"cuda:\d+", text):
        raise UsageError(f"--device {text!r} is not one of auto, cpu, cuda, cuda:0, cuda:1 ...")
    index = text.partition(":")[2]
    if index and jobs > 1:
        raise UsageError(f"--device {text!r} is one GPU, and --jobs {jobs} needs one each; leave the number out")
    chosen = [int(index)] if index else list(range(jobs))
    if max(chosen) >= len(gpus):
        raise UsageError(
            f"--device {text!r}, --jobs {jobs}: torch sees {len(gpus)} CUDA devices here; use --device cpu or fewer jobs"
        )
    kinds = sorted({gpus[k] for k in chosen})
    if len(kinds) > 1:
        raise UsageError(
            f"--jobs {jobs}: the GPUs differ ({', '.join(kinds)}), and cells are compared; name one with --device cuda:i"
        )
    return tuple(f"cuda:{k}" for k in chosen)


def check_energy(budget: Budget, devices: Sequence[str]) -> None:
    """Raise `UsageError` where the budget is in joules and no counter of energy can be read."""
    for device in dict.fromkeys(devices) if budget.axis == "joules" else ():
        counter = energy_counter(torch.device(device))
        if isinstance(counter, Refusal):
            raise UsageError(
                f"a budget in joules cannot be kept on {device}: {counter.words}. Budget seconds, steps, samples or flops instead"
            )


def all_failed(records: list[Record]) -> bool:
    """True where there were contenders and none of their cells ended well."""
    competing = [record for record in records if record.family != REFERENCE]
    return bool(competing) and all(record.status != "ok" for record in competing)
