"""The energy counter of a device, for a budget in joules: NVML's for a GPU, RAPL's for the processor, or why there is none."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from paragone.bench.profile.advice import GPU, PROCESSOR, SLICE
from paragone.bench.profile.counter import EnergyMeter
from paragone.bench.profile.rapl import POWERCAP, rapl_meter

if TYPE_CHECKING:
    import torch


class EnergyCounter(Protocol):
    """Energy used since it was made."""

    tick_s: float
    """Longest time between two steps of the counter, in s."""
    source: str

    def joules(self) -> float | None:
        """J since it was made, never less than before; None where they cannot be read (lost, reset, stuck)."""


@dataclass(frozen=True)
class Refusal:
    """Why a device has no energy counter, and what would change that."""

    words: str


def energy_counter(device: "torch.device", rapl_root: Path = POWERCAP) -> EnergyCounter | Refusal:
    """A counter that starts now, or why there is none."""
    if device.type == "cpu":
        return _or_refusal(rapl_meter(rapl_root), "the processor", PROCESSOR)
    if device.type != "cuda":
        return Refusal(f"no energy counter is known for {device.type}: use a CUDA device or the processor")
    from paragone.bench.profile.nvml import energy_meter
    from paragone.bench.profile.nvml_device import Device, uuid_of

    gpu = Device(uuid_of(device))
    return _or_refusal(energy_meter(gpu), str(device), SLICE if gpu.is_slice else GPU)


def _or_refusal(meter: EnergyMeter, name: str, advice: dict[str, str]) -> EnergyCounter | Refusal:
    joules, status = meter.total()
    if joules is not None:
        return meter
    what_to_do = f": {advice[status]}" if status in advice else ""
    return Refusal(f"the energy of {name} cannot be read, {status} ({meter.source}){what_to_do}")
