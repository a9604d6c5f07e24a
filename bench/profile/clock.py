"""Reading the clock only after the device has done its work."""

import time

import torch


def synchronise(device: torch.device) -> None:
    """Wait for the device; nothing to wait for on the CPU. On CUDA it costs some microseconds, in everybody's time alike."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def now_s(device: torch.device) -> float:
    """`time.perf_counter` in seconds, once the device has finished what it was given."""
    synchronise(device)
    return time.perf_counter()
