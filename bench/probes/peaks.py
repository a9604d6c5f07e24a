"""How much memory of tensors one call needs: its peak, and what it leaves behind, over what was held before it.

torch's allocators tell both to the byte. The one of CUDA keeps account itself; the one of the host tells a profiler of every block
that it hands out (size +b) or takes back (-b), in order, so that

    peak = max over the events of the running sum of b         kept = the whole sum

This is the need of the computation, the same in every call. A resident set holds besides what the heap does with it: gaps, and
freed blocks that stay resident, made it half as much again to three times as much, and different each time. What torch does not
hand out, such as numpy's arrays and the workspaces of libraries, is not seen, nor is the return of a block from before all calls.
Calls on the host run on one thread: each more has buffers of its own, and peaks would depend on the machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import ParamSpec

import torch


@dataclass(frozen=True)
class Held:
    """Memory of one call in bytes over that before it: the most at any time, and what is left after it."""

    peak_bytes: int
    kept_bytes: int


P = ParamSpec("P")


def held(device: torch.device, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Held:
    """Make the call and tell its memory on the device."""
    made = partial(call, *args, **kwargs)
    return _on_cuda(made, device) if device.type == "cuda" else _on_host(made)


def told_by(device: torch.device) -> str:
    """Who tells, for a source."""
    return "torch's CUDA allocator" if device.type == "cuda" else "torch's allocator, every block"


def _on_cuda(call: Callable[[], object], device: torch.device) -> Held:
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    return Held(torch.cuda.max_memory_allocated(device) - before, torch.cuda.memory_allocated(device) - before)


def _on_host(call: Callable[[], object]) -> Held:
    # Imported here: a torch without these private names costs this measure alone.
    from torch.autograd import ProfilerConfig, ProfilerState, _disable_profiler_legacy, _enable_profiler_legacy

    # The profiler without Kineto: it keeps the order of events, and writes nothing into the cell's log.
    experimental = torch._C._profiler._ExperimentalConfig()
    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    _enable_profiler_legacy(ProfilerConfig(ProfilerState.CPU, False, True, False, False, False, experimental))
    try:
        call()
    finally:
        threads = _disable_profiler_legacy()
        torch.set_num_threads(usual)
    blocks = (event.cpu_memory_usage() for thread in threads for event in thread if str(event.kind()) == "memory_alloc")
    sums = [0, *accumulate(blocks)]
    return Held(max(sums), sums[-1])
