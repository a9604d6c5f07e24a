"""Large runs made of small ones: more seeds, contenders and tracks, each record a resampled one with values of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paragone.bench.records import REFERENCE, Manifest, Record
from tests.builders import make_run
from tests.reports.folders import suited, write_folder

SPREAD = 0.05
"""Log sd of the factor by which each copied value differs from its original."""


def resampled(tracks: int, contenders: int, seeds: int, generator_seed: int = 3) -> tuple[Manifest, list[Record]]:
    """A run of `tracks` x `contenders` (copies of the seven and the references) x `seeds`, drawn from a small run."""
    manifest, originals = make_run(5, failures=(("realnvp", 1),))
    generator = np.random.default_rng(generator_seed)
    by_name: dict[str, list[Record]] = {}
    for record in originals:
        by_name.setdefault(record.cell.contender, []).append(record)
    copies = [(name if k < len(by_name) else f"{name}-{k}", name) for k, name in enumerate(_names(by_name, contenders))]
    records = [
        _copy(by_name[source][generator.integers(len(by_name[source]))], f"digits-{t}" if t else "digits", name, seed, generator)
        for t in range(tracks)
        for seed in range(seeds)
        for name, source in copies
    ]
    order = tuple(record.cell.id for record in records)
    return suited(manifest.model_copy(update={"order": order})), records


def many(folder: Path, tracks: int, contenders: int, seeds: int) -> Path:
    """Such a run as a folder, without samples."""
    return write_folder(folder, *resampled(tracks, contenders, seeds), samples=False)


def _names(by_name: dict[str, list[Record]], contenders: int) -> Sequence[str]:
    """All contenders and references once, then copies of contenders."""
    competing = [name for name, own in by_name.items() if own[0].family != REFERENCE]
    extra = [competing[k % len(competing)] for k in range(contenders - len(by_name))]
    return [*by_name, *extra][:contenders]


def _copy(record: Record, track: str, name: str, seed: int, generator: np.random.Generator) -> Record:
    factors = np.exp(SPREAD * generator.standard_normal(len(record.measurements)))
    shares = {"share", "share of real's"}
    measurements = tuple(
        m if m.value is None or m.unit in shares else
        m.model_copy(update={"value": m.value * f, "repeats": tuple(r * f for r in m.repeats)})
        for m, f in zip(record.measurements, factors.tolist(), strict=True)
    )  # fmt: skip
    cell = record.cell.model_copy(update={"track": track, "contender": name, "seed": seed})
    return record.model_copy(update={"cell": cell, "measurements": measurements})
