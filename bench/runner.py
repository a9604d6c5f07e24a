"""Cells to processes to records: start, watch, listen, write. Only this process writes the run folder."""

import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import wait
from typing import Protocol

from paragone.bench.attempt import Attempt, start
from paragone.bench.errors import UsageError
from paragone.bench.job import Job
from paragone.bench.metrics.modalities import REFERENCES
from paragone.bench.owed import best_checkpoint, complete
from paragone.bench.plan import Plan
from paragone.bench.profile.machine import commit, usable_cores, versions
from paragone.bench.records import Manifest, Record
from paragone.bench.store import RunFolder, check_same
from paragone.bench.twin import peaks, twin_job
from paragone.models import registered

TICK_S = 0.05


class Display(Protocol):
    """Who shows a run while it goes on."""

    def begin(self, total: int, done: list[Record]) -> None:
        """The run begins; `done` were finished before."""

    def tick(self, attempts: list[Attempt]) -> None:
        """Some time has passed; called about twenty times a second."""

    def finished(self, record: Record) -> None:
        """A cell is done."""


class Runner:
    """Runs the jobs of a plan that have no record yet, one a device at a time, each on cores of its own."""

    def __init__(self, plan: Plan, folder: RunFolder, devices: Sequence[str], memory_limit_bytes: float, display: Display) -> None:
        """One cell at once a device of `devices`, in which the CPU may stand several times."""
        self.plan, self.folder, self.display = plan, folder, display
        self.memory_limit_bytes = memory_limit_bytes
        self._devices, at_once = devices, len(devices)
        cores = _core_numbers()
        each = max(1, len(cores) // at_once)
        self._cores = [cores[k * each : (k + 1) * each] or cores for k in range(at_once)]
        self._free = list(range(at_once))
        self._attempts: list[Attempt] = []
        self._suspects: set[str] = set()
        self.warnings: list[str] = []

    def run(self, fingerprint: dict[str, str], twins: Mapping[str, dict[str, float]]) -> list[Record]:
        """Run what is left; the records made now. An interrupt ends the cells in flight and is raised again."""
        self._twins = twins
        done = self.folder.records()
        ids = {record.cell.id for record in done}
        waiting = [job for job in self.plan.jobs if job.cell.id not in ids]
        self.display.begin(len(self.plan.jobs), done)
        made: list[Record] = []
        self._fingerprint = fingerprint
        try:
            while waiting or self._attempts:
                while waiting and self._free:
                    self._start(waiting.pop(0))
                made += self._step()
        finally:
            for attempt in self._attempts:
                attempt.close()
        return made

    def measure_twins(self, known: Mapping[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        """Peaks of the empty twin of each track that has contenders, run here where they are not known."""
        _use_fork_server()
        first = {job.cell.track: job for job in reversed(self.plan.jobs) if not job.is_reference}
        return {track: known[track] if track in known else self._measure_twin(job) for track, job in first.items()}

    def _measure_twin(self, job: Job) -> dict[str, float]:
        attempt = start(replace(twin_job(job), device=self._devices[0]), 0, self._cores[0], self.folder.path)
        try:
            while not attempt.ended:
                wait([attempt.pipe], timeout=TICK_S)
                attempt.listen()
                attempt.watch(self.plan.suite.timeout_s, self.memory_limit_bytes)
        finally:
            attempt.close()
        if attempt.status != "ok" and attempt.failure is not None:
            self.warnings.append(f"no net memory on {job.cell.track}: the empty twin failed ({attempt.failure['message']})")
        return peaks(attempt.measurements)

    def _start(self, job: Job) -> None:
        slot = self._free.pop(0)
        own = replace(job, device=self._devices[slot], twin=self._twins.get(job.cell.track, {}))
        attempt = start(own, slot, self._cores[slot], self.folder.path)
        self._attempts.append(attempt)
        self._suspects.add(job.cell.id)

    def _step(self) -> list[Record]:
        """Listen to all cells for a moment; the records of those that ended."""
        wait([attempt.pipe for attempt in self._attempts], timeout=TICK_S)
        for attempt in self._attempts:
            attempt.listen()
            attempt.watch(self.plan.suite.timeout_s, self.memory_limit_bytes)
        self.display.tick(self._attempts)
        ended = [attempt for attempt in self._attempts if attempt.ended]
        return [self._finish(attempt) for attempt in ended]

    def _finish(self, attempt: Attempt) -> Record:
        attempt.close()
        self._attempts.remove(attempt)
        self._free.append(attempt.slot)
        self._check_folder(attempt)
        record = self.folder.write_cell(self._record(attempt), attempt.samples, self.plan.specs[attempt.job.cell.track].levels)
        self._suspects = {other.job.cell.id for other in self._attempts}
        self.display.finished(record)
        return record

    def _check_folder(self, attempt: Attempt) -> None:
        """What a cell did to the files of others is undone, and is its failure where nobody else can have done it."""
        touched = self.folder.repair()
        if not touched:
            return
        names = ", ".join(touched[:3]) + (f" and {len(touched) - 3} more" if len(touched) > 3 else "")
        if self._suspects == {attempt.job.cell.id}:
            attempt.end("invalid", "ForeignFiles", f"it wrote into the run folder ({names}); what it changed was put back")
        else:
            among = ", ".join(sorted(self._suspects))
            self.warnings.append(f"one of {among} wrote into the run folder ({names}); what it changed was put back")

    def _record(self, attempt: Attempt) -> Record:
        job, facts, plan = attempt.job, attempt.facts, self.plan
        name, track = job.cell.contender, job.cell.track
        status = attempt.status or "failed"
        failure = None
        if status != "ok" and attempt.failure is not None:
            failure = {**attempt.failure, "elapsed_s": attempt.elapsed_s}
        why = "not measured" if failure is None else f"{status} in {failure['phase']}"
        found = [*attempt.measurements, *best_checkpoint(attempt.measurements)]
        content = {
            "cell": job.cell,
            "dataset": plan.datasets[track],
            "modality": plan.specs[track].modality,
            "family": plan.families[name],
            "ablation": False if job.is_reference else _is_ablation(name),
            "samplers": ("default",) if job.is_reference else (*job.judged, *job.timed),
            "status": status,
            "flags": tuple(facts.get("flags", ())),
            "failure": failure,
            "audit": facts.get("audit"),
            "timing": facts.get("timing"),
            "width": facts.get("width"),
            "precision": facts.get("precision", "float32"),
            "measurements": complete(job, found, why, facts.get("owed_reason", {})),
            "seconds_by_phase": {k: round(v, 4) for k, v in attempt.seconds_by_phase.items()},
            "hashes": {"suite": plan.suite.hash, "data": plan.data_hashes[track], "source": plan.sources[name]},
            "fingerprint": self._fingerprint,
            "position": job.position,
            "started": attempt.started.isoformat(timespec="milliseconds"),
            "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        return Record.model_validate(content)


def begin(plan: Plan, folder: RunFolder, fingerprint: dict[str, str], command: tuple[str, ...]) -> Manifest:
    """Write the manifest of a new run, or check that an old one may go on here.

    Raises:
        UsageError: suite, data, a contender's source or the machine differ from those of the run so far.
    """
    suite = plan.suite.model_dump(mode="json")
    for track in suite["tracks"]:
        track["level_count"] = plan.specs[track["name"]].levels
        track["data_hash"] = plan.data_hashes[track["name"]]
        track["modality"] = plan.specs[track["name"]].modality
    named = tuple(name for name in REFERENCES if name in plan.families)
    manifest = Manifest(
        run=folder.path.resolve().name, suite=suite, command=command, fingerprint=fingerprint, versions=versions(),
        commit=commit(), order=tuple(job.cell.id for job in plan.jobs), references=named,
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )  # fmt: skip
    before = folder.manifest()
    if before is None:
        folder.write_manifest(manifest)
        return manifest
    check_same(before, manifest)
    for record in folder.records():
        name = record.cell.contender
        if name in plan.sources and record.hashes["source"] != plan.sources[name]:
            raise UsageError(f"--resume: the source of {name!r} has changed since its cells were run; begin a new run")
    return before


def finish(folder: RunFolder, manifest: Manifest, warnings: list[str], since_s: float) -> Manifest:
    """Write the manifest of a run whose cells are all done."""
    content = manifest.model_dump() | {
        "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "wall_s": round(manifest.wall_s + time.perf_counter() - since_s, 3),
        "warnings": (*manifest.warnings, *warnings),
    }
    final = Manifest.model_validate(content)
    folder.write_manifest(final)
    return final


def _use_fork_server() -> None:
    multiprocessing.set_forkserver_preload(["__main__", "paragone.bench.preload"])


def _core_numbers() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(usable_cores()))


def _is_ablation(name: str) -> bool:
    return registered()[name].ablation
