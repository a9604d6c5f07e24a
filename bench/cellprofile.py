"""The profile of one cell: the machine's speed before and after it, its phases, and whether its times can be trusted.

    train      updates, without those whose flops are counted
    evaluate   looks along the budget, and measuring the samples
    sample     drawing the samples that are judged, a phase of its own for each sampler

The control workload runs before anything else and after everything, so that all times of the cell lie between two of its runs.
"""

from collections.abc import Mapping

import torch

from paragone.bench.metrics.table import METRICS
from paragone.bench.profile.allocator import CudaAllocator
from paragone.bench.profile.clock import synchronise
from paragone.bench.profile.control import BOUND, Control, Speed, apart
from paragone.bench.profile.energy import energy_counter
from paragone.bench.profile.memory import ResidentSet, release_freed
from paragone.bench.profile.processor import LoadWatch, ProcessorTime
from paragone.bench.profile.profiler import Profiler
from paragone.bench.profile.rapl import Rapl
from paragone.bench.profile.readings import Source
from paragone.bench.records import Measurement, Timing

TRIES = 5
"""Runs of the control workload after a cell before it counts as changed."""


class CellProfile:
    """Profiles one cell on one device. `twin` holds the peaks of the empty twin by phase, in bytes; close it at the end.

    Attributes:
        energy: the device's counter of energy, or why there is none.
    """

    def __init__(self, device: torch.device, twin: Mapping[str, float]) -> None:
        self._device, self._twin = device, twin
        self._profiler = Profiler(sources(device))  # before the first work on the device: its memory is what is used beyond that
        self.energy = energy_counter(device)
        self._control = Control(device)
        self._before = self._control.run()
        self._load = LoadWatch()

    @property
    def peak_flops_per_s(self) -> float:
        """The rate that the control workload reached before the cell."""
        return self._before.peak_flops_per_s

    def start(self, phase: str, sampler: str = "") -> None:
        """A window of this phase begins, once the device is done with what came before; the one that is open ends."""
        synchronise(self._device)
        self._profiler.start(phase, sampler)

    def stop(self) -> None:
        """The open window ends."""
        synchronise(self._device)
        self._profiler.stop()

    def settle_memory(self) -> None:
        """Before a phase of its own: what came before leaves nothing in its peak that it could leave out."""
        release_freed()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def measurements(self, phase: str, sampler: str = "", twin: str = "") -> list[Measurement]:
        """What was read in a phase, with its peak memory less the empty twin's in that phase, or in the one called `twin`."""
        found = self._profiler.measurements(phase, sampler)
        gross = f"{phase}_peak_rss_bytes"
        return [row for m in found for row in ((m, self._net(m, twin or phase)) if m.metric == gross else (m,))]

    def seconds(self, phase: str) -> float:
        """Seconds of a phase's windows."""
        return self._profiler.seconds(phase)

    def finish(self) -> tuple[Timing, list[Measurement]]:
        """Run the control workload again: whether the times between can be trusted, and what the machine was like."""
        self._profiler.stop()
        load, after = self._load.load(), self._control_again()
        both = (self._before.seconds, after.seconds)
        doubts = [*load.doubts(), *self._profiler.doubts()]
        invalid = [doubt.words for doubt in doubts if doubt.fatal]
        if apart(*both) > BOUND:
            change = "slower" if both[1] > both[0] else "faster"
            invalid.append(
                f"the control workload ran {apart(*both):.2f} times {change} after the cell than before (bound {BOUND:g})"
            )
        timing = Timing(
            control_s=both, steal_share=load.steal_share, foreign_share=load.foreign_share, invalid=tuple(invalid),
            warnings=tuple(doubt.words for doubt in doubts if not doubt.fatal),
        )  # fmt: skip
        peak = max(self._before.peak_flops_per_s, after.peak_flops_per_s)
        control_s = (both[0] * both[1]) ** 0.5
        return timing, [
            Measurement(metric="control_s", value=control_s, unit="s", source="geometric mean of before and after", repeats=both),
            Measurement(
                metric="control_flops_per_s", value=peak, unit="flop/s", source="fastest of product and convolution, float32"
            ),
            *self._profiler.overhead(),
        ]

    def _control_again(self) -> Speed:
        """The workload after the cell. Threads that slept may wake on one core and take a moment to part: a run that is off is
        repeated, and the fastest counts; a machine that has become slow stays slow."""
        fastest = self._control.run()
        for _ in range(TRIES - 1):
            if apart(self._before.seconds, fastest.seconds) <= BOUND:
                break
            fastest = min(fastest, self._control.run(), key=lambda speed: speed.seconds)
        return fastest

    def close(self) -> None:
        """End what runs beside the cell."""
        self._profiler.close()

    def _net(self, gross: Measurement, phase: str) -> Measurement:
        metric = gross.metric.replace("_rss_", "_rss_net_")
        twin = self._twin.get(phase)
        value, source = None, gross.source
        if gross.value is not None and twin is None:
            source = "no baseline: the empty twin of this cell was not measured"
        elif gross.value is not None and twin is not None:
            value, source = gross.value - twin, f"{gross.source}, less {twin / 1e6:.0f} MB of the empty twin"
            if value <= 0:
                value, source = None, f"too small: {-(gross.value - twin) / 1e6:.1f} MB below the empty twin's peak"
        return Measurement(metric=metric, value=value, unit=METRICS[metric].unit, source=source, sampler=gross.sampler)


def sources(device: torch.device) -> list[Source]:
    """Everything that can be read of a cell on this device."""
    if device.type == "cuda":
        from paragone.bench.profile.nvml import Nvml
        from paragone.bench.profile.nvml_device import uuid_of

        return [ResidentSet(), ProcessorTime(), CudaAllocator(device), Nvml(uuid_of(device))]
    return [ResidentSet(), ProcessorTime(), Rapl()]
