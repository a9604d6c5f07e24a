"""`doctor`: what can be measured on this machine, why the rest cannot, and what would change that.

Everything is tried, not looked up: energy counters must move, the peak mark is reset, the process list is read. Nothing here
fails for want of a GPU, a driver or a permission: that is what it is asked about.
"""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from paragone.bench.profile.advice import GPU
from paragone.bench.profile.answers import UNSUPPORTED
from paragone.bench.profile.capability import Capability, known
from paragone.bench.profile.gpus import Gpu, library, watches
from paragone.bench.profile.host import HostWatch
from paragone.bench.profile.torch_probe import Seen, seen

SCHEMA_VERSION = 1
LOOK_S = 0.5
"""Time for which load and energy counters are watched: NVML's steps up each 20 to 100 ms."""
NO_CUDA = "torch sees no CUDA device"


@dataclass(frozen=True)
class Examination:
    """What was found: of the host, torch, NVML's library, each GPU; and what a run here can measure."""

    host: tuple[Capability, ...]
    torch: tuple[Capability, ...]
    nvml: tuple[Capability, ...]
    gpus: tuple[Gpu, ...]
    measures: tuple[Capability, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data: capabilities by name, under the schema's version."""
        gpus = [
            {"uuid": gpu.uuid, "cuda_index": gpu.cuda_index, "slice_of": gpu.slice_of, "capabilities": _by_name(gpu.capabilities)}
            for gpu in self.gpus
        ]
        parts = {name: _by_name(getattr(self, name)) for name in ("host", "torch", "nvml", "measures")}
        return {"schema_version": SCHEMA_VERSION, **parts, "gpus": gpus}


def examine() -> Examination:
    """Look at the machine for some seconds, most of which torch takes to start."""
    torch = seen()
    host, devices = HostWatch(), watches()  # not before: torch's process would count as the load of others
    time.sleep(LOOK_S)
    found = tuple(device.gpu(torch.index_of) for device in devices)
    of_host = host.capabilities()
    return Examination(of_host, torch_capabilities(torch), library(), found, measures(of_host, torch, found))


def torch_capabilities(torch: Seen) -> tuple[Capability, ...]:
    """Version, CUDA build and the devices that torch sees."""
    here = Capability("version", bool(torch.version), torch.version or None, "", torch.why if not torch.version else "")
    build = (
        known("cuda_build", torch.cuda_build) if torch.cuda_build else _no("cuda_build", UNSUPPORTED, "install torch's CUDA build")
    )
    devices = known("cuda_devices", len(torch.index_of)) if torch.index_of else _no("cuda_devices", *_why_no_cuda(torch))
    return here, build, devices


def measures(host: Iterable[Capability], torch: Seen, gpus: Iterable[Gpu]) -> tuple[Capability, ...]:
    """What a run here can measure: axes of budgets, memory, and what tells whether times can be trusted."""
    of_host = {capability.name: capability for capability in host}
    exact = of_host["peak_mark"].available
    rows = [known(f"budget_in_{axis}", "counted on every device") for axis in ("seconds", "steps", "samples", "flops")]
    rows.append(_as("budget_in_joules_on_cpu", of_host["rapl"], "RAPL, whole packages"))
    rows.append(known("peak_rss_bytes", "the kernel's mark, reset at each phase" if exact else "resident set polled at 100 Hz"))
    rows.append(_as("load_by_others", of_host["foreign_load"], "time of the cores, stolen and used by others"))
    usable = [gpu for gpu in gpus if gpu.cuda_index is not None]
    for gpu in usable:
        rows += _on_gpu(gpu)
    for index in sorted(set(torch.index_of.values()) - {gpu.cuda_index for gpu in usable}):
        rows.append(_no(f"nvml_on_cuda_{index}", "NVML does not list it", "see the library of NVML above"))
    if not torch.index_of:
        rows.append(_no("gpu_energy_memory_and_throttling", *_why_no_cuda(torch)))
    return tuple(rows)


def _on_gpu(gpu: Gpu) -> list[Capability]:
    place = f"on_cuda_{gpu.cuda_index}"
    return [
        _as(f"budget_in_joules_{place}", gpu["energy_counter"], "NVML, energy counter"),
        known(f"cuda_allocated_bytes_{place}", "torch's allocator, peaks"),
        _as(f"nvml_device_bytes_{place}", gpu["memory_in_use"], "NVML, memory in use on the device"),
        _as(f"nvml_process_bytes_{place}", gpu["process_memory"], "NVML, compute processes"),
        _as(f"power_w_{place}", gpu["power"], "NVML, mean of samples"),
        _as(f"throttling_{place}", gpu["throttle_reasons"], "NVML, what slows the clocks"),
        _as(f"other_processes_{place}", gpu["process_list"], "NVML, compute processes"),
    ]


def _why_no_cuda(torch: Seen) -> tuple[str, str]:
    if torch.why:
        return torch.why, GPU["no driver"]
    return NO_CUDA, GPU["not found"]


def _as(name: str, found: Capability, words: str) -> Capability:
    """What a run measures by means of a capability that was found, or its reasons."""
    return known(name, words) if found.available else _no(name, found.why, found.advice)


def _no(name: str, why: str, advice: str) -> Capability:
    return Capability(name, False, why=why, advice=advice)


def _by_name(capabilities: Iterable[Capability]) -> dict[str, dict[str, Any]]:
    return {found.name: {key: value for key, value in asdict(found).items() if key != "name"} for found in capabilities}
