"""Untrained copies of a contender's class, led as far as a question needs: for what does not depend on weights."""

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from paragone.bench.probes.probe import Subject
from paragone.models import Batch, Contender, DataSpec, NotTrained


def untrained(subject: Subject, spec: DataSpec, purpose: str) -> Contender:
    """A copy of the contender's class at its own width for this kind of data, on the device, with a generator of its own."""
    make: Any = type(subject.contender)
    copy: Contender = make(spec, subject.width)
    copy.to(subject.device)
    copy.generator = subject.torch_draws(purpose)
    return copy


def middles(contender: Contender) -> tuple[float, ...]:
    """Progress in the middle of each training stage."""
    ends = accumulate(share for _, share in contender.stages)
    return tuple(end - share / 2 for end, (_, share) in zip(ends, contender.stages, strict=True))


def lead_through(copy: Contender, x: Tensor, stages: int) -> None:
    """One update in the middle of each of the first `stages` training stages, on items x (n, *shape)."""
    for progress in middles(copy)[:stages]:
        with torch.enable_grad():
            copy.train().update(Batch(x[: copy.batch_size]), progress)


def qualify(copy: Contender, items: Callable[[], Tensor], draws: torch.Generator) -> Contender:
    """The copy in evaluation mode, able to sample.

    One that raises `NotTrained` gets what it asks for: one update in each stage on `items()`, (n, *shape), and `prepare`.
    """
    try:
        copy.eval().sample(1, draws)
    except NotTrained:
        x = items()
        lead_through(copy, x, len(copy.stages))
        if "prepare" in copy.abilities():
            copy.eval().prepare(Batch(part) for part in x.split(copy.batch_size))
    return copy.eval()
