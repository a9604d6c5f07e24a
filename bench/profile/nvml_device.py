"""One device of NVML, found by its UUID, never by an index: CUDA and NVML number the same devices in different orders.

A device may be a whole GPU (`GPU-...`) or a MIG slice (`MIG-...`), which has memory but neither power nor utilisation of its own.
Sources of quantities and units: NVML API reference, device queries.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pynvml

from paragone.bench.profile.answers import LOST, MISSING, NOT_FOUND, Answer, changed
from paragone.bench.profile.nvml_calls import ask
from paragone.bench.profile.readings import OK

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class Process(NamedTuple):
    """A process that computes on a device; `used_bytes` is None where the driver does not tell."""

    pid: int
    used_bytes: int | None


class Device:
    """A device with its handle kept. Every method answers with a value, or None and why; none raises.

    `status` is `ok`, or why nothing at all can be asked: once a device is lost, it is not asked again.
    """

    def __init__(self, uuid: str) -> None:
        self.uuid = uuid
        self._handle, self.status = ask(pynvml.nvmlDeviceGetHandleByUUID, uuid)

    @property
    def lost(self) -> bool:
        """True once the driver has lost the device ("fallen off the bus")."""
        return self.status == LOST

    @property
    def is_slice(self) -> bool:
        """True for a MIG slice."""
        return self.uuid.startswith("MIG-")

    def joules(self) -> Answer[float]:
        """Energy in J since the driver was loaded (Volta and later)."""
        return changed(_thousandth, self.ask(pynvml.nvmlDeviceGetTotalEnergyConsumption))

    def watts(self) -> Answer[float]:
        """Power in W; on recent cards the average over the last second."""
        return changed(_thousandth, self.ask(pynvml.nvmlDeviceGetPowerUsage))

    def used_bytes(self) -> Answer[int]:
        """Memory in use by all processes, without what the driver reserves for itself."""
        return changed(lambda memory: int(memory.used), self.ask(pynvml.nvmlDeviceGetMemoryInfo, pynvml.nvmlMemory_v2))

    def total_bytes(self) -> Answer[int]:
        """Memory there is."""
        return changed(lambda memory: int(memory.total), self.ask(pynvml.nvmlDeviceGetMemoryInfo, pynvml.nvmlMemory_v2))

    def busy_share(self) -> Answer[float]:
        """Share of the last sampling period (1/6 to 1 s) in which a kernel ran."""
        return changed(lambda rates: rates.gpu / 100, self.ask(pynvml.nvmlDeviceGetUtilizationRates))

    def sm_clock_mhz(self) -> Answer[float]:
        """Clock of the multiprocessors now, in MHz."""
        return changed(float, self.ask(pynvml.nvmlDeviceGetClockInfo, pynvml.NVML_CLOCK_SM))

    def celsius(self) -> Answer[float]:
        """Temperature of the chip."""
        old, new = pynvml.nvmlDeviceGetTemperature, pynvml.nvmlDeviceGetTemperatureV
        return changed(float, self._ask_either(old, new, pynvml.NVML_TEMPERATURE_GPU))

    def slowed_by(self) -> Answer[int]:
        """Bits of what holds the clocks down now (nvmlClocksEventReasons)."""
        return self._ask_either(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, pynvml.nvmlDeviceGetCurrentClocksEventReasons)

    def processes(self) -> Answer[list[Process]]:
        """Processes with a compute context on the device. Takes milliseconds. In a container the numbers are the host's."""
        listed = self.ask(pynvml.nvmlDeviceGetComputeRunningProcesses_v3)
        return changed(lambda found: [Process(p.pid, p.usedGpuMemory) for p in found], listed)

    def ask(self, call: Callable[..., T], *arguments: Any) -> Answer[T]:
        """Any call of pynvml whose first argument is this device's handle."""
        if self.status != OK:
            return None, self.status
        value, status = ask(call, self._handle, *arguments)
        if status == LOST:
            self.status = LOST
        return value, status

    def _ask_either(self, call: Callable[..., T], newer: Callable[..., T], *arguments: Any) -> Answer[T]:
        """As `ask`; where the library has the call no longer (CUDA 14 drops deprecated names), its newer name."""
        answer = self.ask(call, *arguments)
        return self.ask(newer, *arguments) if answer[1] == MISSING else answer


def uuid_of(device: "torch.device") -> str:
    """NVML's UUID of a CUDA device, whatever CUDA_VISIBLE_DEVICES says.

    CUDA gives the same 16 bytes for a GPU and for a MIG slice: a slice is what NVML does not know as a GPU.
    """
    import torch

    plain = str(torch.cuda.get_device_properties(device).uuid)
    return f"MIG-{plain}" if Device(f"GPU-{plain}").status == NOT_FOUND else f"GPU-{plain}"


def _thousandth(value: int) -> float:
    return value / 1000
