"""Does memory grow with the batch, and with the number of updates?

    an item    peak(b) = c b + overhead: c is the least-squares slope of a call's peak on the number b of items at once
    updates    peak(k) ~ k^e: e is the least-squares slope of the log peak of the first k updates on log k

Peaks are those of tensors, to the byte (bench/probes/peaks.py). In training they are taken on untrained copies, one for each
stage, and the highest stage counts; a peak is that of `PERIOD` consecutive updates, a whole period of terms that are added now and
then (a GAN's penalty). An optimiser's step needs the same for every batch, so that batches must be large enough for activations to
need more: `ENOUGH` times the parameters. In sampling they are taken on the trained contender with its default sampler; where it
draws in parts of its own the line bends at the size of a part, which R^2 shows.

Growth with updates is taken from the `PERIOD`-th on: until then optimisers set up their states, and such terms come for the first
time. All that a copy holds is counted, its parameters too. One that keeps a tensor of every update tends to e = 1, one that keeps
nothing has e = 0; of several stages the steepest counts.
"""

import time
from collections.abc import Callable
from itertools import accumulate

import numpy as np
import torch

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.probes.copies import lead_through, middles, untrained
from paragone.bench.probes.peaks import held, told_by
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject
from paragone.models import Batch, Contender

PERIOD = 16
ENOUGH = 4
SMALLEST, LARGEST = 4, 1024
"""Items of the first training batch, and the most that it may have."""
SIZES = (1, 2, 4)
"""Training batches, as multiples of the first."""
DRAWS = (16, 32, 64, 128)
"""Items sampled at once."""
FEWEST = 3
LIMIT_S = 4.0
"""Seconds within which draws beyond the `FEWEST`, and updates beyond the second count, must be expected to end."""
TOO_LONG_S = 20.0
"""Seconds expected of the least that gives a value, beyond which there is none."""
COUNTS = (PERIOD, 2 * PERIOD, 4 * PERIOD)
"""Updates after which the peak is read."""


def measures(subject: Subject) -> Measures:
    """The two slopes on batch size (bytes an item; repeats are the peaks in bytes) and the exponent (repeats are log bytes)."""
    return {
        "train_memory_per_item_bytes": lambda: _of_training(subject),
        "sample_memory_per_item_bytes": lambda: _of_sampling(subject),
        "train_memory_steps_exponent": lambda: _growth(subject),
    }


def _of_training(subject: Subject) -> Finding:
    copies = [_at_stage(subject, stage) for stage in range(len(subject.contender.stages))]

    def peak(size: int, many: int) -> int:
        batch = _batch(subject, size)
        stages = zip(copies, middles(subject.contender), strict=True)
        return max(held(subject.device, _updates, copy, progress, batch, many).peak_bytes for copy, progress in stages)

    peak(SMALLEST, 1)  # sets up optimisers and libraries, which would look like a slow contender
    first = _first_batch(lambda size: peak(size, 1), ENOUGH * _trained_bytes(copies[0]))
    found = {first * k: peak(first * k, PERIOD) for k in SIZES}
    return _slope(subject, found, f"untrained copies, {PERIOD} updates")


def _first_batch(peak: Callable[[int], int], enough: int) -> int:
    """The smallest batch, by doubling, whose update needs `enough` bytes."""
    size = SMALLEST
    while True:
        begun = time.perf_counter()
        needed = peak(size)
        _check_in_time(sum(SIZES) * PERIOD * (time.perf_counter() - begun))
        if needed >= enough or 2 * size > LARGEST:
            return size
        size *= 2


def _of_sampling(subject: Subject) -> Finding:
    def draw(size: int) -> None:
        subject.contender.sample(size, subject.torch_draws("memory"))

    found: dict[int, int] = {}
    started = time.perf_counter()
    for size in DRAWS:
        begun = time.perf_counter()
        found[size] = held(subject.device, draw, size).peak_bytes
        now = time.perf_counter()
        if len(found) >= FEWEST and now - started + 2 * (now - begun) > LIMIT_S:
            break
    return _slope(subject, found, "one call of sample")


def _slope(subject: Subject, found: dict[int, int], what: str) -> Finding:
    """Bytes an item by least squares through the peaks by number of items, with the share of variance that the line explains."""
    sizes, peaks = (np.array(list(column), dtype=float) for column in (found, found.values()))
    slope, overhead = np.polyfit(sizes, peaks, 1)
    if slope < 1:
        raise NotMeasurable(f"the peak does not grow with the number of items: {slope:.3g} bytes an item")
    fit = 1 - float(((peaks - overhead - slope * sizes) ** 2).sum() / ((peaks - peaks.mean()) ** 2).sum())
    at_once = ", ".join(map(str, found))
    source = f"{told_by(subject.device)}; {what}, {at_once} items at once, R^2 = {fit:.4f}; repeats are peaks"
    return Finding(float(slope), source, len(found), tuple(peaks))


def _growth(subject: Subject) -> Finding:
    series = {name: _log_peaks(subject, stage) for stage, (name, _) in enumerate(subject.contender.stages)}
    # From the first point on: where nothing grows the exponent is 0, not some rounding.
    exponents = {name: float(np.polyfit(np.log(COUNTS[: len(logs)]), logs - logs[0], 1)[0]) for name, logs in series.items()}
    steepest = max(exponents, key=lambda name: exponents[name])
    logs = series[steepest]
    counts = ", ".join(map(str, COUNTS[: len(logs)]))
    source = f"{told_by(subject.device)}; untrained copy, stage {steepest}, the first {counts} updates; repeats are log peaks"
    return Finding(exponents[steepest], source, len(logs), tuple(logs))


def _log_peaks(subject: Subject, stage: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Log of the most bytes that a copy of this stage ever held, at each of `COUNTS`."""
    batch = _batch(subject, subject.contender.batch_size)
    built: list[Contender] = []
    before = held(subject.device, lambda: built.append(_at_stage(subject, stage))).kept_bytes
    progress = middles(subject.contender)[stage]
    started, peaks = time.perf_counter(), []
    for last, count in zip((0, *COUNTS), COUNTS, strict=False):
        part = held(subject.device, _updates, built[0], progress, batch, count - last)
        peaks.append(before + part.peak_bytes)
        before += part.kept_bytes
        expected_s = 2 * (time.perf_counter() - started)
        if len(peaks) >= 2 and expected_s > LIMIT_S:
            break
        _check_in_time(expected_s)
    return np.log(list(accumulate(peaks, max)))


def _at_stage(subject: Subject, stage: int) -> Contender:
    """An untrained copy in training mode that has had one update in each stage before this one."""
    copy = untrained(subject, subject.dataset.spec, "memory")
    lead_through(copy, _batch(subject, copy.batch_size).x, stage)
    return copy.train()


def _updates(copy: Contender, progress: float, batch: Batch, many: int) -> None:
    """Consecutive updates on the same batch."""
    with torch.enable_grad():
        for _ in range(many):
            copy.update(batch, progress)


def _check_in_time(expected_s: float) -> None:
    if expected_s > TOO_LONG_S:
        raise NotMeasurable(f"too slow: its updates would take {expected_s:.0f} s; {TOO_LONG_S:.0f} s are the most")


def _batch(subject: Subject, size: int) -> Batch:
    """Training items, repeated where there are fewer than `size`."""
    x = subject.unit(subject.dataset.train)
    return Batch(x[torch.arange(size, device=subject.device) % len(x)])


def _trained_bytes(copy: Contender) -> int:
    return sum(p.numel() * p.element_size() for p in copy.parameters() if p.requires_grad)


MEMORY: Probe[Subject] = Probe(
    ("train_memory_per_item_bytes", "sample_memory_per_item_bytes", "train_memory_steps_exponent"), lambda _: True, measures
)
