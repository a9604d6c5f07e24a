"""What can be measured of the host: processor, memory, load, energy and clocks."""

import os
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil

from paragone.bench.profile.advice import PROCESSOR
from paragone.bench.profile.answers import ABSENT, NO_PERMISSION, Answer
from paragone.bench.profile.capability import Capability, from_answer, from_reading, known
from paragone.bench.profile.counter import EnergyMeter
from paragone.bench.profile.machine import cpu_model, usable_cores
from paragone.bench.profile.memory import peak_mark
from paragone.bench.profile.processor import LoadWatch
from paragone.bench.profile.rapl import rapl_meter
from paragone.bench.profile.readings import OK

FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_LINUX = "run on Linux with /proc mounted"


@dataclass
class HostWatch:
    """Looks at the host from when it is made until it is asked."""

    load: LoadWatch = field(default_factory=LoadWatch)
    energy: EnergyMeter = field(default_factory=rapl_meter)

    def capabilities(self) -> tuple[Capability, ...]:
        """Everything about the host."""
        load = self.load.load()
        no_load = {ABSENT: _LINUX}
        return (
            known("processor", cpu_model()),
            known("cores", usable_cores()),
            known("cores_of_machine", os.cpu_count() or 1),
            known("memory", psutil.virtual_memory().total, "bytes"),
            from_answer(
                "peak_mark", peak_mark(), "", {ABSENT: _LINUX, NO_PERMISSION: "let the process write /proc/self/clear_refs"}
            ),
            from_answer("steal", _or(load.steal_share, ABSENT), "share", no_load),
            from_answer("foreign_load", _or(load.foreign_share, ABSENT), "share", no_load),
            from_reading("rapl", self.energy.reading(), PROCESSOR),
            from_answer("processor_clock", _clock_mhz(), "MHz", {ABSENT: "run on a machine that shows its clock in /proc/cpuinfo"}),
            from_answer("clock_governor", _governor(), "", {ABSENT: "run on a machine, not a virtual one, with cpufreq"}),
            known("timer_step", timer_step_s(), "s"),
        )


def timer_step_s(readings: int = 2000) -> float:
    """Smallest step between two readings of `time.perf_counter`, in s."""
    times = [time.perf_counter() for _ in range(readings)]
    steps = [b - a for a, b in pairwise(times) if b > a]
    return min(steps, default=time.get_clock_info("perf_counter").resolution)


def _clock_mhz() -> Answer[float]:
    try:
        found = psutil.cpu_freq()
    except (OSError, NotImplementedError):
        return None, ABSENT
    return _or(found.current if found else None, ABSENT)


def _governor(folder: Path = FREQUENCY) -> Answer[str]:
    try:
        return (folder / "scaling_governor").read_text().strip(), OK
    except OSError:
        return None, ABSENT


def _or(value: float | None, status: str) -> Answer[float]:
    return (None, status) if value is None else (value, OK)
