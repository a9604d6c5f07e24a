"""How does the time of one sample grow with the number of pixels?

Copies of the contender's class are built at its own width for several image sizes, and one item of its default sampler is timed
at each: latency ~ pixels^b, b the slope of log latency on log pixels by least squares. A network that visits pixels one after the
other has b = 1 or more; one pass of a small network on many cores costs overhead, not pixels, and b stays near 0.

Copies are not trained: time does not depend on weights. One that cannot sample yet gets what it needs for that, on real images,
resized.
"""

import math
import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from paragone.bench.metrics.errors import need
from paragone.bench.metrics.table import SIDES
from paragone.bench.probes.copies import qualify, untrained
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject
from paragone.bench.profile.clock import now_s
from paragone.models import Contender, DataSpec

FEWEST = 3
LIMIT_S = 4.0
"""Seconds beyond which no further size is begun once there are `FEWEST`."""
REPEATS_S = 0.1
FEWEST_REPEATS, MOST_REPEATS = 3, 20
"""A size is timed again and again for `REPEATS_S`, but this often at least and at most."""
ITEMS = 256
"""Resized images that a copy is prepared with."""


def measures(subject: Subject) -> Measures:
    """`latency_pixels_exponent`; its repeats are the log latencies (s), in order of size."""
    return {"latency_pixels_exponent": lambda: _exponent(subject)}


def _exponent(subject: Subject) -> Finding:
    latencies = dict(_latencies(subject))
    need(len(latencies), FEWEST, "image sizes within the time limit")
    logs = np.log(list(latencies.values()))
    slope = np.polyfit(2 * np.log(list(latencies)), logs, 1)[0]
    sides = ", ".join(map(str, latencies))
    source = f"untrained copies, images of {sides} pixels a side, shortest of some calls; repeats are log latencies"
    return Finding(float(slope), source, len(latencies), tuple(logs))


def _latencies(subject: Subject) -> Iterator[tuple[int, float]]:
    """Side and latency (s), from the smallest, while the next size is expected to end within the limit."""
    started, spent_s = time.perf_counter(), 0.0
    for k, side in enumerate(SIDES):
        begun = time.perf_counter()
        expected_s = spent_s * (side / SIDES[k - 1]) ** 2 if k else 0.0
        if k >= FEWEST and begun - started + expected_s > LIMIT_S:
            return
        latency_s = _latency(subject, side)
        spent_s = time.perf_counter() - begun
        yield side, latency_s


def _latency(subject: Subject, side: int) -> float:
    """Seconds of one item of a copy for images of this side: the shortest, for what disturbs a call only lengthens it."""
    copy = _copy(subject, side)
    device = subject.device
    seconds: list[float] = []
    while len(seconds) < FEWEST_REPEATS or (len(seconds) < MOST_REPEATS and sum(seconds) < REPEATS_S):
        generator = torch.Generator(device).manual_seed(0)
        start = now_s(device)
        copy.sample(1, generator)
        seconds.append(now_s(device) - start)
    return min(seconds)


def _copy(subject: Subject, side: int) -> Contender:
    """A copy of the contender's class for images of this side, able to sample."""
    spec = subject.dataset.spec
    sized = DataSpec(spec.modality, (spec.shape[0], side, side), levels=spec.levels)
    copy = untrained(subject, sized, f"size {side}")
    return qualify(copy, partial(_resized, subject, side), subject.torch_draws("trial"))


def _resized(subject: Subject, side: int) -> Tensor:
    """Training images (n, C, side, side), rounded to levels again."""
    x = subject.unit(subject.dataset.train)[:ITEMS]
    scaled = F.interpolate(x, (side, side), mode="bilinear", antialias=math.prod(x.shape[2:]) > side**2)
    data = subject.dataset
    return torch.from_numpy(data.to_unit(data.to_items(scaled.cpu().numpy()))).to(subject.device)


SIZES: Probe[Subject] = Probe(("latency_pixels_exponent",), lambda _: True, measures)
