"""THE loop: hand a contender batches until its budget is spent, looking at quality at fixed shares of it.

There is one loop for every family. The harness's own work inside the counted time is one clock reading and a few comparisons;
the updates whose flops are counted are charged what others take (budget.py).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import pairwise
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from paragone.bench.budget import Counted, Meter
from paragone.bench.profile.clock import synchronise
from paragone.bench.profile.flops import FlopCount
from paragone.models import Batch, Contender

T = TypeVar("T")
HEARTBEAT_S = 0.25
"""Counted seconds between two looks at the logged scalars."""


class Diverged(ArithmeticError):
    """A loss, parameter or sample is not finite."""


class InvalidOutput(TypeError):
    """A contender returned something that the contract does not allow."""


def batches(x: Tensor, batch_size: int, generator: torch.Generator, condition: Tensor | None = None) -> Iterator[Batch]:
    """Endless batches (B, *shape) of x (N, *shape): every epoch in a new order; the items that fill no batch wait an epoch.

    `condition` (N, ...) holds what belongs to each item, such as its class.
    """
    size = min(batch_size, len(x))
    while True:
        order = torch.randperm(len(x), generator=generator).to(x.device)
        for start, end in pairwise(range(0, len(x) + 1, size)):
            # Not x[...]: its threads cost more than the copy, milliseconds where they have gone to sleep.
            chosen = order[start:end]
            yield Batch(x.index_select(0, chosen), None if condition is None else condition.index_select(0, chosen))


class Watcher(Protocol):
    """Who looks at a training while its clock stands still."""

    def at_share(self, share: float) -> None:
        """This share of the budget is spent; the last one is 1."""

    def heartbeat(self, meter: Meter) -> None:
        """Training goes on."""

    def counting(self, begins: bool) -> None:
        """A run of updates whose flops are counted begins or has ended: what they hold and use beyond others is no contender's."""


def train(
    contender: Contender,
    stream: Iterator[Batch],
    meter: Meter,
    shares: Sequence[float],
    watcher: Watcher,
    device: torch.device,
    scope: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Train until the meter's budget is spent; the watcher is called at each share of it, last at 1, with the clock stopped.

    Each update runs in a `scope` of its own, which may set its number format.

    Raises:
        Diverged: a logged scalar or a parameter is not finite.
        InvalidOutput: `update` returned no dict of scalars.
        EnergyLost: the budget is in joules and their counter has ceased to answer.
    """
    pending = [*shares, 1.0]
    beat_s, counting = 0.0, False
    contender.train()
    synchronise(device)
    meter.resume()
    while pending:
        due = meter.due(contender.stage_at(meter.progress)[0])
        if due != counting:
            counting = _switch(due, meter, watcher)
        batch = next(stream)
        with scope():
            logs, counted = finished(partial(contender.update, batch, meter.progress), due, device)
        meter.count(len(batch.x), counted)
        if meter.seconds >= beat_s or meter.progress >= pending[0]:
            meter.pause()
            beat_s = meter.seconds + HEARTBEAT_S
            check_logs(logs, meter.steps)
            watcher.heartbeat(meter)
            # A step can pass several shares at once: the early ones are then measured at the same state.
            while pending and meter.progress >= pending[0]:
                check_parameters(contender, meter.steps)
                watcher.at_share(pending.pop(0))
            meter.resume()
    meter.pause()


def _switch(due: bool, meter: Meter, watcher: Watcher) -> bool:
    meter.pause()
    watcher.counting(due)
    meter.resume()
    return due


def finished(update: Callable[[], T], count: bool, device: torch.device) -> tuple[T, Counted | None]:
    """What an update returns once the device has finished it, and what counting its flops found, if it is to be counted."""
    if not count:
        result = update()
        synchronise(device)
        return result, None
    with FlopCount(device) as found:
        result = update()
        synchronise(device)
    return result, Counted(found.flops, found.time_share)


def check_logs(logs: object, step: int) -> None:
    """Raise unless `update` returned a dict of finite scalars."""
    if not isinstance(logs, dict):
        raise InvalidOutput(f"update returned {type(logs).__name__}, not a dict of scalars to log (step {step})")
    for name, value in logs.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise InvalidOutput(f"update logged {name!r} as {type(value).__name__}, not a scalar (step {step})") from None
        if not math.isfinite(number):
            raise Diverged(f"update logged {name} = {number} at step {step}")


def check_parameters(contender: Contender, step: int) -> None:
    """Raise if a parameter is not finite."""
    for name, parameter in contender.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise Diverged(f"parameter {name} is not finite at step {step}")
