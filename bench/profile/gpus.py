"""What NVML tells of each GPU of a machine, and of each MIG slice: a device of its own, with less to measure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pynvml

from paragone.bench.profile import advice
from paragone.bench.profile.answers import NOT_FOUND, NOT_LISTED, UNSUPPORTED, Answer, changed
from paragone.bench.profile.capability import Capability, Value, from_answer, from_reading, known
from paragone.bench.profile.nvml import POWER_CAP, SLOWED, energy_meter
from paragone.bench.profile.nvml_calls import ask, library_status
from paragone.bench.profile.nvml_device import Device, Process
from paragone.bench.profile.readings import OK

INVISIBLE = "not visible to torch"
IDLE = "no process is listed now"


@dataclass(frozen=True)
class Gpu:
    """One GPU or MIG slice: `slice_of` is the UUID of the slice's GPU, `cuda_index` None where torch does not see it."""

    uuid: str
    cuda_index: int | None
    slice_of: str | None
    capabilities: tuple[Capability, ...]

    def __getitem__(self, name: str) -> Capability:
        """The capability of this name."""
        return next(found for found in self.capabilities if found.name == name)


class GpuWatch:
    """Looks at one device from when it is made until it is asked."""

    def __init__(self, uuid: str, slice_of: str | None = None) -> None:
        self.uuid, self._slice_of = uuid, slice_of
        self._device = Device(uuid)
        self._energy = energy_meter(self._device)
        self._advice = advice.SLICE if self._device.is_slice else advice.GPU

    def gpu(self, index_of: Mapping[str, int]) -> Gpu:
        """Everything about the device; `index_of` gives CUDA's index by UUID without its prefix."""
        index = index_of.get(self.uuid.partition("-")[2])
        return Gpu(self.uuid, index, self._slice_of, (*self._identity(index), *self._state()))

    def _identity(self, index: int | None) -> tuple[Capability, ...]:
        visible = (index, OK) if index is not None else (None, INVISIBLE)
        words = {INVISIBLE: "name it in CUDA_VISIBLE_DEVICES; with MIG on, torch sees slices only"}
        found = (
            self._told("name", self._device.ask(pynvml.nvmlDeviceGetName)),
            known("uuid", self.uuid),
            from_answer("cuda_index", visible, "", words),
        )
        if self._slice_of is not None:
            return found
        mode, status = self._device.ask(pynvml.nvmlDeviceGetMigMode)
        # A card that cannot be cut refuses the question
        mig: Answer[str] = ("none", OK) if status == UNSUPPORTED else changed(lambda m: "on" if m[0] else "off", (mode, status))
        return (*found, self._told("mig_mode", mig), self._told("mig_slices", changed(len, slices(self.uuid))))

    def _state(self) -> tuple[Capability, ...]:
        device = self._device
        listed = device.processes()
        return (
            self._told("memory", device.total_bytes(), "bytes"),
            self._told("memory_in_use", device.used_bytes(), "bytes"),
            from_reading("energy_counter", self._energy.reading(), self._advice),
            self._told("power", device.watts(), "W"),
            self._told("process_list", changed(len, listed), "processes"),
            self._process_memory(listed),
            self._told("throttle_reasons", changed(_reasons, device.slowed_by())),
            self._told("sm_clock", device.sm_clock_mhz(), "MHz"),
            self._told("temperature", device.celsius(), "C"),
            self._told("utilisation", device.busy_share(), "share"),
        )

    def _told(self, name: str, answer: Answer[Value], unit: str = "") -> Capability:
        return from_answer(name, answer, unit, self._advice)

    def _process_memory(self, listed: Answer[list[Process]]) -> Capability:
        words = {**self._advice, IDLE: "ask again while a run is on this GPU"}
        return from_answer("process_memory", _process_memory(listed), "", words)


def library() -> tuple[Capability, ...]:
    """NVML's library and its versions, how many GPUs it lists, and those of them that cannot be opened."""
    status = library_status()
    usable: Answer[Value] = ("usable", OK) if status == OK else (None, status)
    return (
        from_answer("library", usable, "", advice.GPU),
        from_answer("nvml_version", ask(pynvml.nvmlSystemGetNVMLVersion), "", advice.GPU),
        from_answer("driver_version", ask(pynvml.nvmlSystemGetDriverVersion), "", advice.GPU),
        from_answer("gpus", ask(pynvml.nvmlDeviceGetCount), "", advice.GPU),
        *(from_answer(f"gpu_{k}", uuid, "", advice.GPU) for k, uuid in enumerate(uuids()) if uuid[0] is None),
    )


def uuids() -> list[Answer[str]]:
    """The UUID of each GPU that NVML lists, in its order, or why that GPU cannot be opened."""
    found: list[Answer[str]] = []
    for index in range(ask(pynvml.nvmlDeviceGetCount)[0] or 0):
        handle, status = ask(pynvml.nvmlDeviceGetHandleByIndex, index)
        found.append((None, status) if handle is None else ask(pynvml.nvmlDeviceGetUUID, handle))
    return found


def watches() -> list[GpuWatch]:
    """A watch on each GPU that can be opened, followed by those on its slices."""
    found = []
    for uuid, _ in uuids():
        if uuid is not None:
            found.append(GpuWatch(uuid))
            found += [GpuWatch(part, uuid) for part in slices(uuid)[0] or []]
    return found


def slices(uuid: str) -> Answer[list[str]]:
    """UUIDs of a GPU's MIG slices; empty for a GPU that is not cut."""
    device = Device(uuid)
    many, status = device.ask(pynvml.nvmlDeviceGetMaxMigDeviceCount)
    if many is None:
        return ([], OK) if status == UNSUPPORTED else (None, status)
    found = []
    for index in range(many):
        handle, status = device.ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, index)
        uuid_of_slice, status = ask(pynvml.nvmlDeviceGetUUID, handle) if handle is not None else (None, status)
        if uuid_of_slice is not None:
            found.append(uuid_of_slice)
        elif status != NOT_FOUND:  # places that hold no slice
            return None, status
    return found, OK


def _process_memory(listed: Answer[list[Process]]) -> Answer[str]:
    """Whether a run would find its own memory in the list, judged by the processes that are in it now."""
    processes, status = listed
    if processes is None:
        return None, status
    if not processes:
        return None, IDLE
    if all(process.used_bytes is None for process in processes):
        return None, UNSUPPORTED
    ours = all(Path(f"/proc/{process.pid}").exists() for process in processes)
    return ("told", OK) if ours else (None, NOT_LISTED)


def _reasons(bits: int) -> str:
    words = {**SLOWED, POWER_CAP: "held at its power cap"}
    return ", ".join(text for bit, text in words.items() if bits & bit) or "none now"
