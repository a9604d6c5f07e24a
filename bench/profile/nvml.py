"""NVML as a source: energy, memory, power, use, clock and temperature of one GPU, and why times on it may not be trusted.

Energy is the difference of the driver's counter at the ends of a window, never a sum of power samples: on recent cards power is an
average over a second, and on some only a quarter of the time is sampled (Yang et al. 2023, arXiv:2312.02741). The counter steps up
each 20 to 100 ms. What slows the clocks: NVML API reference, nvmlClocksEventReasons.
"""

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from paragone.bench.profile.answers import NOT_LISTED, TOO_SHORT, UNSTEADY, UNSUPPORTED, Answer
from paragone.bench.profile.counter import Counter, EnergyMeter
from paragone.bench.profile.nvml_device import Device, Process
from paragone.bench.profile.readings import OK, Doubt, Reading, Source

ENERGY_TICK_S = 0.1
SLOWED: dict[int, str] = {
    0x08: "slowed down by the hardware (heat, power brake or supply)",
    0x20: "slowed down by the driver: too hot",
    0x40: "slowed down by the hardware: too hot",
    0x80: "slowed down by the hardware: external power brake",
}
"""Throttle bits that make a timing worthless, in words."""
POWER_CAP = 0x04


@dataclass(frozen=True)
class _Sampled:
    """A quantity that is sampled over a window; `mean` and `max` say of which samples."""

    name: str
    unit: str
    source: str
    over: Literal["mean", "max"]
    ask: Callable[[Device], Answer[float]]


_MEAN = "NVML, mean of samples"
_SAMPLED = (
    _Sampled("power_w", "W", f"{_MEAN}, each of up to 1 s", "mean", Device.watts),
    _Sampled("gpu_utilisation", "share", _MEAN, "mean", Device.busy_share),
    _Sampled("sm_clock_mhz", "MHz", _MEAN, "mean", Device.sm_clock_mhz),
    _Sampled("temperature_c", "C", "NVML, highest of samples", "max", Device.celsius),
)


class _Window:
    """Samples of one window by quantity, and the last reason why one could not be had."""

    def __init__(self) -> None:
        self.samples: dict[str, list[float]] = defaultdict(list)
        self._why: dict[str, str] = {}

    def note(self, name: str, answer: Answer[float]) -> None:
        value, status = answer
        if value is None:
            self._why[name] = status
        else:
            self.samples[name].append(value)

    def result(self, name: str, over: Literal["mean", "max"]) -> Answer[float]:
        samples = self.samples.get(name)
        if not samples:
            return None, self._why.get(name, TOO_SHORT)
        return (max(samples) if over == "max" else sum(samples) / len(samples)), OK


class Nvml(Source):
    """Readings of the device with this UUID (`uuid_of` finds it): `joules`, `nvml_device_bytes`, `power_w`, `gpu_utilisation`,
    `sm_clock_mhz`, `temperature_c` of each window, and `nvml_process_bytes` after a phase.

    Make it before the first work on the device: device memory is what is used over what was used then.
    """

    ticks = True

    def __init__(self, uuid: str) -> None:
        self._device = Device(uuid)
        self._resting_bytes, self._resting_status = self._device.used_bytes()
        self._slowed, self._slowed_status = 0, TOO_SHORT
        self._others = others(self._device.processes()[0] or [])
        self._energy = energy_meter(self._device)
        self._window = _Window()

    def begin(self) -> None:
        """A new window; a tick that is under way still notes in the old one."""
        window = _Window()
        window.note("nvml_device_bytes", self._more_bytes())
        self._window = window
        self._energy.restart()

    def tick(self) -> None:
        """One sample of everything but energy."""
        window = self._window
        for quantity in _SAMPLED:
            window.note(quantity.name, quantity.ask(self._device))
        window.note("nvml_device_bytes", self._more_bytes())
        self._look_for_slowing()

    def end(self) -> list[Reading]:
        """Read the counter, then what else there is."""
        energy = self._energy.reading()
        window = self._window
        window.note("nvml_device_bytes", self._more_bytes())
        self._look_for_slowing()
        used, status = window.result("nvml_device_bytes", "max")
        source = "NVML, memory in use on the device, less that before the first work"
        found = [energy, Reading("nvml_device_bytes", used, "bytes", source, status)]
        for quantity in _SAMPLED:
            value, status = window.result(quantity.name, quantity.over)
            found.append(Reading(quantity.name, value, quantity.unit, quantity.source, status, quantity.over))
        return [self._of_slice(reading) for reading in found]

    def after(self) -> list[Reading]:
        """`nvml_process_bytes`, from the list of compute processes."""
        listed, status = self._device.processes()
        self._others = max(self._others, others(listed or []))
        used, status, words = (None, status, "") if listed is None else _own_bytes(listed)
        source = "NVML, compute processes, at the end of the phase" + (f": {words}" if words else "")
        return [Reading("nvml_process_bytes", used, "bytes", source, status)]

    def doubts(self) -> list[Doubt]:
        """Slowed-down clocks, other processes, a lost device; as warnings the power cap, and clocks that cannot be watched."""
        found = [Doubt(f"the GPU was {words}") for bit, words in SLOWED.items() if self._slowed & bit]
        if self._slowed & POWER_CAP:
            found.append(Doubt("the GPU ran at its power cap", fatal=False))
        if self._slowed_status not in (OK, TOO_SHORT):
            found.append(Doubt(f"whether the GPU was slowed down cannot be told: {self._slowed_status}", fatal=False))
        if self._others:
            found.append(Doubt(f"other processes computed on the GPU: {self._others}"))
        if self._device.lost:
            found.append(Doubt("the driver lost the GPU"))
        return found

    def _more_bytes(self) -> Answer[float]:
        used, status = self._device.used_bytes()
        if used is None or self._resting_bytes is None:
            return None, status if used is None else self._resting_status
        more = used - self._resting_bytes
        return (more, OK) if more >= 0 else (None, UNSTEADY)  # somebody else gave memory back: ours cannot be told

    def _look_for_slowing(self) -> None:
        bits, status = self._device.slowed_by()
        self._slowed |= bits or 0
        if self._slowed_status != OK:  # seen once is enough
            self._slowed_status = status

    def _of_slice(self, reading: Reading) -> Reading:
        if self._device.is_slice and reading.status == UNSUPPORTED:
            return replace(reading, source=f"{reading.source}: a MIG slice has none of its own")
        return reading


def energy_meter(device: Device) -> EnergyMeter:
    """The device's energy counter, counting from now."""
    return EnergyMeter([Counter(device.joules)], ENERGY_TICK_S, "NVML, energy counter")


def others(listed: list[Process]) -> int:
    """How many other processes compute on the device.

    One of those listed is taken for this process, also where none has its number: in a container the list holds the host's
    numbers, so a single one proves nobody else. Before this process's first work on the device that hides one other process,
    which is found at the end of the first phase.
    """
    return max(0, len({process.pid for process in listed}) - 1)


def _own_bytes(listed: list[Process]) -> tuple[int | None, str, str]:
    """(bytes or None, status, words) of this process in the list."""
    mine = [process.used_bytes for process in listed if process.pid == os.getpid()]
    if not mine:
        return None, NOT_LISTED, "a container shows the host's process numbers"
    known = [used for used in mine if used is not None]
    return (sum(known), OK, "") if known else (None, UNSUPPORTED, "the driver does not tell a process's memory")
