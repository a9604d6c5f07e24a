"""Judge sample sets against a dataset, as a run judges what its contenders drew: same panel, references, gate and ranking.

All sets are judged on one N, that of the smallest: FID falls with N, and a larger set would win by its size. From larger ones
N samples are drawn without replacement, by one seeded generator for all, so that equal sets stay equal. Held-out real is
judged at its own size, which `fid_floor` matches.

Each row becomes a record of a cell with seed 0, and gate and ranking read these as they read a run's. Ranks come from
resampling (see `ranking`), since there are no training seeds to compare.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from paragone.bench.data import ImageDataset, load
from paragone.bench.data.dataset import Levels
from paragone.bench.data.errors import DataError
from paragone.bench.job import seed_of
from paragone.bench.judge.blocks import tracks
from paragone.bench.judge.gate import Gate, gate
from paragone.bench.judge.intervals import clopper_pearson
from paragone.bench.judge.ranking import Row, ranking
from paragone.bench.metrics.encoder import prepare_encoders
from paragone.bench.metrics.frechet import Statistics, statistics
from paragone.bench.metrics.image_panel import ImagePanel
from paragone.bench.metrics.modalities import MODALITIES
from paragone.bench.metrics.references import MAKERS
from paragone.bench.outside.judgement import INTERVALS, Judged, Judgement
from paragone.bench.outside.ranking import Estimate, ranks
from paragone.bench.outside.reading import SampleSet, read_sets
from paragone.bench.outside.resampling import resampled_log_fid
from paragone.bench.profile.machine import fingerprint, usable_cores
from paragone.bench.records import REFERENCE, Cell, Measurement, Record

SEED = 0
SAMPLER = "default"
FAMILY = "samples"
NAMES = MODALITIES["image"].references
SHARES_OF_ITEMS = ("precision", "copied_share", "near_copy_share")
"""Metrics that are a share of generated items, each in or out by itself given the real ones: Clopper-Pearson holds."""


def judge_samples(paths: Sequence[Path], data: str) -> Judgement:
    """Judge the sample sets under `paths` against the dataset `data`, a name or a path.

    Raises:
        DataError: a path or the dataset cannot be used, in one line.
    """
    dataset = load(data)
    if not isinstance(dataset, ImageDataset):
        raise DataError(f"data {data} holds {dataset.spec.modality}; only sets of images can be judged so far")
    return judge_sets(read_sets(paths, dataset, taken=NAMES), dataset)


def judge_sets(sets: Sequence[SampleSet], dataset: ImageDataset) -> Judgement:
    """Judge sets that were read; their names differ from each other and from the references'."""
    equal, notes = equal_sized(sets)
    references = {name: MAKERS[name](dataset, len(equal[0]), seed_of(SEED, "sample")) for name in NAMES}
    levels = {**{one.name: one.levels for one in equal}, **references}
    prepare_encoders(dataset)  # with all threads, as `run` does: another number of them gives other weights
    with _one_thread_a_row():
        found = _measure_all(levels, dataset)
    measured = {one.record.cell.contender: one for one in found}
    (track,) = tracks([one.record for one in found])
    gates, given = gate(track), {one.name: one for one in equal}
    rows = _with_ranks(ranking(track, "fid"), measured)
    rows.sort(key=lambda row: row.entry.reference)  # stable: sets stay best first
    judged = tuple(_judged(row, measured[row.entry.name], gates[row.entry.name], levels, given) for row in rows)
    return Judgement(dataset.name, dataset.level_count, len(equal[0]), judged, (*notes, _about_intervals(found)))


def equal_sized(sets: Sequence[SampleSet]) -> tuple[list[SampleSet], list[str]]:
    """All sets at the size of the smallest, drawn without replacement, and what there is to say about it."""
    n = min(len(one) for one in sets)
    larger = [one for one in sets if len(one) > n]
    if not larger:
        return list(sets), []
    drawn = [replace(one, levels=_drawn(one.levels, n)) if one in larger else one for one in sets]
    names = ", ".join(f"{one.name} ({len(one)})" for one in larger)
    return drawn, [
        f"All sets are judged on {n} samples, the smallest set's number; drawn without replacement (seed {SEED}): {names}"
    ]


def _drawn(levels: Levels, n: int) -> Levels:
    """n of the images, in their order."""
    chosen = np.random.default_rng(SEED).permutation(len(levels))[:n]
    return levels[np.sort(chosen)]


class _Measured(NamedTuple):
    """One row's record, its resampled FID where it has one, and the metrics' 95 % limits."""

    record: Record
    estimate: Estimate | None
    limits: dict[str, tuple[float, float]]


@contextmanager
def _one_thread_a_row() -> Iterator[None]:
    """torch and BLAS on one thread: matrices are small, and rows side by side need the cores more than threads within one do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def _measure_all(levels: Mapping[str, Levels], dataset: ImageDataset) -> list[_Measured]:
    """Every row, by its name; rows are independent and the panel is only read, so they run side by side."""
    panel = ImagePanel(dataset)
    reference = statistics(panel.features(dataset.test.items).values)
    machine = fingerprint("cpu", 1)
    with ThreadPoolExecutor(usable_cores()) as workers:
        return list(workers.map(lambda name: _measure(panel, reference, name, levels[name], machine), levels))


def _measure(panel: ImagePanel, reference: Statistics, name: str, levels: Levels, machine: dict[str, str]) -> _Measured:
    started = datetime.now(UTC)
    found = tuple(panel.measure(levels, SAMPLER, SEED, full=True))
    ended = datetime.now(UTC)
    data = panel.dataset
    record = Record(
        cell=Cell(track=data.name, contender=name, seed=SEED), dataset=data.name, modality=data.spec.modality,
        family=REFERENCE if name in NAMES else FAMILY, samplers=(SAMPLER,), status="ok", measurements=found,
        seconds_by_phase={"measure": (ended - started).total_seconds()}, fingerprint=machine, position=0,
        hashes={"data": data.hash, "source": hashlib.sha256(levels.tobytes()).hexdigest()},
        started=started.isoformat(timespec="seconds"), ended=ended.isoformat(timespec="seconds"),
    )  # fmt: skip
    values = {m.metric: m for m in found}
    estimate = _estimate(panel, reference, levels, values)
    limits = _limits_of_shares(values) | ({} if estimate is None else {"fid": estimate.interval})
    return _Measured(record, estimate, limits)


def _estimate(panel: ImagePanel, reference: Statistics, levels: Levels, found: Mapping[str, Measurement]) -> Estimate | None:
    """The FID with its resamplings; None where there is no FID."""
    fid, again = found["fid"].value, found.get("fid_bootstrap")
    if fid is None or fid <= 0:
        return None
    items = resampled_log_fid(panel.features(levels).values, reference, SEED)
    return Estimate(fid, items, np.log(again.repeats) if again is not None and again.value is not None else np.empty(0))


def _limits_of_shares(found: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
    known = {name: m for name, m in found.items() if name in SHARES_OF_ITEMS and m.value is not None and m.n}
    return {name: clopper_pearson(round((m.value or 0.0) * (m.n or 0)), m.n or 1) for name, m in known.items()}


def _with_ranks(rows: Sequence[Row], measured: Mapping[str, _Measured]) -> list[Row]:
    """The rows of a ranking over one seed, their ranks from resampling instead; a row without a rank gets none."""
    ranked = [row for row in rows if row.rank is not None]
    estimates = [estimate for row in ranked if (estimate := measured[row.entry.name].estimate) is not None]
    found = dict(zip([row.entry.name for row in ranked], ranks(estimates), strict=True))
    return [replace(row, rank=found.get(row.entry.name)) for row in rows]


def _judged(row: Row, one: _Measured, answer: Gate, levels: Mapping[str, Levels], given: Mapping[str, SampleSet]) -> Judged:
    name = row.entry.name
    path, how = (given[name].path, given[name].how) if name in given else (None, "")
    return Judged(one.record, row.rank, row.status, answer, one.limits, levels[name], path, how)


def _about_intervals(found: Sequence[_Measured]) -> str:
    resampled = any(one.estimate is not None and one.estimate.reference.size for one in found)
    return INTERVALS.format(reference=" and of the test images" if resampled else "")
