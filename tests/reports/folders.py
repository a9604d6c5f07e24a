"""Run folders on disk, made of numbers and of noise, for everything that reads one."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paragone.bench.files import write_atomically
from paragone.bench.records import Manifest, Record, to_json
from paragone.bench.store import sample_stem
from tests.builders import make_run

HOSTILE = '<img src=x onerror="alert(1)">|`*_[a](http://evil.example)\x1b[31m\u202e$x$'
"""What a user's code may put into names and messages: markup of three kinds, a terminal escape, reversed writing."""

SHEET = 20


def write_folder(folder: Path, manifest: Manifest, records: Sequence[Record], samples: bool = True) -> Path:
    """Write a run as the harness would, with noise of the data's shape for samples."""
    write_atomically(folder / "run.json", to_json(manifest))
    for record in records:
        write_atomically(folder / "cells" / f"{record.cell.id}.json", to_json(record))
        if samples and record.status == "ok":
            _write_samples(folder, record)
    return folder


def built(folder: Path, seeds: int = 3, **options: object) -> Path:
    """A run of synthetic records, its suite written as the harness writes it."""
    manifest, records = make_run(seeds, **options)  # type: ignore[arg-type]
    return write_folder(folder, suited(manifest), records)


def suited(manifest: Manifest) -> Manifest:
    """The manifest with a suite as in a real run."""
    contenders = sorted({cell.split(".")[1] for cell in manifest.order})
    suite = {
        "name": "quick", "seeds": 3, "budget": {"train": "6 s", "parameters": 200_000}, "evaluation": {"samples": 1000},
        "tracks": [{"name": "digits", "data": "digits", "contenders": contenders, "level_count": 17}],
    }  # fmt: skip
    return manifest.model_copy(update={"suite": suite})


def digests(folder: Path) -> dict[str, str]:
    """Name and hash of every file that the reports write."""
    parts = [*folder.glob("tables/*"), *folder.glob("plots/*"), *folder.glob("report.*"), *folder.glob("claims.*")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in parts}


def _write_samples(folder: Path, record: Record) -> None:
    generator = np.random.default_rng(record.position)
    for sampler in record.samplers or ("default",):
        path = folder / f"{sample_stem(record.cell, sampler)}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, x=generator.integers(0, 17, (SHEET, 1, 8, 8), dtype=np.uint8))
