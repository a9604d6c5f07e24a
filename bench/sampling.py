"""Sampling a contender: drawn so that training is not touched, checked before anything is measured, and timed.

Latency is the time of one item, throughput that of many at the best batch size of a small sweep; both are medians over repeats,
after a warm-up, with the device synchronised at both ends.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from paragone.bench.compilation import is_compiled
from paragone.bench.metrics.table import METRICS
from paragone.bench.precision import FLOAT32, Precision
from paragone.bench.profile.clock import now_s
from paragone.bench.profile.flops import FlopCount
from paragone.bench.records import Measurement
from paragone.bench.train import Diverged, InvalidOutput
from paragone.models import Contender, DataSpec

DRAW_BATCH = 500
"""Items drawn in one call for judging: fixed, so that the same seed gives the same samples everywhere."""
SWEEP = (32, 128, 512)
SWEEP_LIMIT_S = 2.0
"""Seconds that the throughput of one sampler may take to measure."""


@contextmanager
def evaluation(contender: Contender) -> Iterator[None]:
    """`eval()` and no gradients inside; after it, training mode and every random state as they were."""
    training, own = contender.training, contender.generator.get_state()
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - a contender may use numpy's global state
    with torch.random.fork_rng(), torch.no_grad():
        contender.eval()
        try:
            yield
        finally:
            contender.train(training)
            contender.generator.set_state(own)
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002


def draw(
    contender: Contender,
    spec: DataSpec,
    n: int,
    seed: int,
    sampler: str,
    device: torch.device,
    numbers: Precision = FLOAT32,
    wanted: Tensor | None = None,
) -> Tensor:
    """n checked items (n, *shape) on the CPU, float32, from a generator with this seed; `numbers` is the format of sampling.

    `wanted` (n, ...) is what is asked for, as the contender's `condition`.

    Raises:
        InvalidOutput: wrong type, shape or dtype.
        Diverged: a value is not finite.
    """
    generator = torch.Generator(device).manual_seed(seed)
    parts = []
    with evaluation(contender):
        for start in range(0, n, DRAW_BATCH):
            size = min(DRAW_BATCH, n - start)
            condition = None if wanted is None else wanted[start : start + size].to(device)
            with numbers.scope():
                x = numbers.restore(contender.sample(size, generator, condition, sampler))
            check_samples(x, size, spec, sampler)
            parts.append(x.cpu())
    return torch.cat(parts)


def check_samples(x: object, n: int, spec: DataSpec, sampler: str) -> None:
    """Raise unless x is a finite float32 tensor (n, *shape)."""
    if not isinstance(x, Tensor):
        raise InvalidOutput(f"sample({n}, sampler={sampler!r}) returned {type(x).__name__}, not a tensor")
    if tuple(x.shape) != (n, *spec.shape):
        raise InvalidOutput(f"sample({n}, sampler={sampler!r}) returned shape {tuple(x.shape)}, not {(n, *spec.shape)}")
    if x.dtype != torch.float32:
        raise InvalidOutput(f"sample({n}, sampler={sampler!r}) returned {x.dtype}, not torch.float32")
    if not bool(torch.isfinite(x).all()):
        share = float((~torch.isfinite(x)).float().mean())
        raise Diverged(f"sample({n}, sampler={sampler!r}) returned values that are not finite ({share:.2%} of them)")


def time_sampling(
    contender: Contender,
    sampler: str,
    device: torch.device,
    limit_s: float = SWEEP_LIMIT_S,
    sweep: Sequence[int] = SWEEP,
    numbers: Precision = FLOAT32,
) -> list[Measurement]:
    """Latency, throughput, network evaluations and parameters of one sampler, in at most about twice `limit_s` seconds.

    A batch size is tried only where the smaller one says that it fits the limit, so a slow sampler is timed on few items.
    """

    def call(n: int) -> float:
        generator = torch.Generator(device).manual_seed(n)
        start = now_s(device)
        with numbers.scope():
            contender.sample(n, generator, sampler=sampler)
        return now_s(device) - start

    with evaluation(contender):
        once = partial(contender.sample, 1, torch.Generator(device).manual_seed(0), sampler=sampler)
        with numbers.scope():
            counted = _count_work(once, contender, device)
        compiled = is_compiled(contender)
        if compiled:  # what was counted ran uncompiled: no warm-up
            call(1)
        latencies = _repeat(lambda: call(1), limit_s / 8)
        batch, rates = _best_rate(call, median(latencies), limit_s, sweep, first_counts=not compiled)
    return [
        Measurement(metric="sample_latency_s", value=median(latencies), unit="s", sampler=sampler, repeats=tuple(latencies),
                    n=1, source=f"perf_counter, median of {len(latencies)}, one item"),
        Measurement(metric="sample_throughput_per_s", value=median(rates), unit="1/s", sampler=sampler, repeats=tuple(rates),
                    n=batch, source=f"perf_counter, median of {len(rates)}, batch of {batch}"),
        *(Measurement(metric=name, value=value, unit=METRICS[name].unit, sampler=sampler, source=source)
          for name, value, source in counted),
    ]  # fmt: skip


def _repeat(call: Callable[[], float], limit_s: float, at_least: int = 1, at_most: int = 20) -> list[float]:
    seconds: list[float] = []
    while len(seconds) < at_least or (len(seconds) < at_most and sum(seconds) < limit_s):
        seconds.append(call())
    return seconds


def _best_rate(
    call: Callable[[int], float], latency_s: float, limit_s: float, sweep: Sequence[int], first_counts: bool
) -> tuple[int, list[float]]:
    """Best batch size of the sweep and its items a second, repeated within the limit.

    The first call at a size pays for allocations, and for compilation (`first_counts` False): where it was short, or that is so, a
    second one decides.
    """
    started = time.perf_counter()
    seconds = {1: [latency_s]}
    for size in sweep:
        before = max(seconds)
        # From one item to a batch the time grows by less than the items, so what one item says is no bound: try it.
        predicted_s = 0.0 if before == 1 else seconds[before][-1] * size / before
        if time.perf_counter() - started + predicted_s > limit_s:
            break
        first_s = call(size)
        seconds[size] = [first_s] if first_counts and first_s >= limit_s / 20 else [call(size)]
    best = max(seconds, key=lambda size: size / seconds[size][-1])
    left_s = limit_s - (time.perf_counter() - started)
    seconds[best] += _repeat(lambda: call(best), left_s, at_least=1 if seconds[best][-1] < limit_s / 4 else 0, at_most=10)
    return best, [best / s for s in seconds[best]]


def _count_work(call: Callable[[], Any], contender: Contender, device: torch.device) -> list[tuple[str, float, str]]:
    """Network evaluations, touched parameters and flops of one call, which also serves as the warm-up."""
    evaluations: Counter[int] = Counter()
    depth = 0

    def enter(module: nn.Module, _: Any) -> None:
        nonlocal depth
        if depth == 0:
            evaluations[id(module)] += 1
        depth += 1

    def leave(module: nn.Module, *_: Any) -> None:
        nonlocal depth
        depth -= 1

    touched = _TouchedParameters(contender)
    hooks = register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)
    try:
        with touched, FlopCount(device) as counted:
            call()
    finally:
        for hook in hooks:
            hook.remove()
    return [
        (
            "network_evaluations",
            float(max(evaluations.values(), default=0)),
            "calls of the outermost module called most, one item",
        ),
        ("sampling_parameters", float(touched.count), "parameters and learned buffers that one call touches"),
        ("sample_flops", float(counted.flops), "counted in one call, one item"),
    ]


class _TouchedParameters(TorchFunctionMode):
    """Notes which parameters and learned buffers of a contender are handed to any torch function."""

    def __init__(self, contender: Contender) -> None:
        super().__init__()
        learned = {name: b for name, b in contender.named_buffers() if name in contender.learned_buffers}
        self._sizes = {id(p): p.numel() for p in [*contender.parameters(), *learned.values()]}
        self._seen: set[int] = set()

    @property
    def count(self) -> int:
        """Number of scalars in everything touched."""
        return sum(self._sizes[key] for key in self._seen)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._note(args)
        self._note((kwargs or {}).values())
        return func(*args, **(kwargs or {}))

    def _note(self, values: Iterable[Any]) -> None:
        for value in values:
            if isinstance(value, list | tuple):
                self._note(value)
            elif id(value) in self._sizes:
                self._seen.add(id(value))
