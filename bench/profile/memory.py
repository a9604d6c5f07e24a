"""Peak memory of this process: resident set on the host, torch's allocator and NVML's figure on CUDA.

Host: VmHWM of /proc/self/status, the highest resident set since the mark was reset by writing 5 to /proc/self/clear_refs
(Linux, proc(5)). Where the mark cannot be reset, the peak is that of the process's whole life, and the source says so.
"""

import os
import re
from pathlib import Path

import psutil
import torch

from paragone.bench.records import Measurement

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def resting_rss_bytes() -> int:
    """Resident set of this process now, in bytes."""
    return int(psutil.Process().memory_info().rss)


class PeakMemory:
    """Peak memory of one phase in bytes: the highest of all times between `resume` and `pause`.

    `resting_bytes` is what the process held after imports and data: net is the peak less that.
    """

    def __init__(self, phase: str, device: torch.device, resting_bytes: int) -> None:
        self.phase, self.device, self.resting_bytes = phase, device, resting_bytes
        self._peaks: dict[str, int] = {}
        self._was_reset = True
        self.resume()

    def resume(self) -> None:
        """Begin to look: the marks are reset."""
        self._was_reset = _reset_peak() and self._was_reset
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def pause(self) -> None:
        """Stop looking, so that what comes next is not counted."""
        found = {"rss": _peak_rss_bytes()}
        if self.device.type == "cuda":
            found["allocated"] = torch.cuda.max_memory_allocated(self.device)
            found["reserved"] = torch.cuda.max_memory_reserved(self.device)
        for name, value in found.items():
            if value is not None:
                self._peaks[name] = max(value, self._peaks.get(name, 0))

    def read(self, sampler: str = "") -> list[Measurement]:
        """Gross and net peak of the host, and on CUDA the allocator's two peaks and NVML's figure."""
        self.pause()
        peak = self._peaks.get("rss")
        net = None if peak is None else max(0, peak - self.resting_bytes)
        source = "VmHWM of the cell's process" if self._was_reset else "VmHWM of its whole life: the mark cannot be reset"
        rss = f"{self.phase}_peak_rss"
        found = [
            _bytes(f"{rss}_bytes", peak, source, sampler),
            _bytes(f"{rss}_net_bytes", net, f"{source}, less its resting memory after imports and data", sampler),
        ]
        if self.device.type == "cuda":
            used, why = _nvml_process_bytes(self.device)
            found += [
                _bytes(f"{self.phase}_cuda_allocated_bytes", self._peaks["allocated"], "torch allocator, peak", sampler),
                _bytes(f"{self.phase}_cuda_reserved_bytes", self._peaks["reserved"], "torch allocator, peak", sampler),
                _bytes(f"{self.phase}_nvml_process_bytes", used, why, sampler),
            ]
        return found


def _bytes(metric: str, value: int | None, source: str, sampler: str) -> Measurement:
    return Measurement(metric=metric, value=value, unit="bytes", source=source, sampler=sampler)


def _reset_peak() -> bool:
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _peak_rss_bytes() -> int | None:
    if not _STATUS.exists():  # not Linux: the peak of the whole life
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    match = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(match.group(1)) * 1024 if match else None


def _nvml_process_bytes(device: torch.device) -> tuple[int | None, str]:
    """What the driver says this process holds on the device that torch uses, joined by UUID, never by index."""
    import pynvml

    try:
        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        processes = pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
    except pynvml.NVMLError as error:
        return None, f"NVML: {error}"
    mine = [p.usedGpuMemory for p in processes if p.pid == os.getpid()]
    if not mine or mine[0] is None:
        return None, "NVML: this process is not listed (a container shows the host's process numbers)"
    return int(mine[0]), "NVML, compute processes, at the end of the phase"
