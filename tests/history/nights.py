"""Real run folders made of numbers: a suite in steps, two contenders, records and manifest as a run writes them."""

from dataclasses import replace

from paragone.bench.records import to_json
from paragone.bench.store import sample_stem
from tests.builders import CONTENDERS, make_run

SUITE = {
    "name": "nightly", "seeds": 3, "budget": {"train": "300 steps", "parameters": 200000}, "training": {"precision": "float32"},
    "evaluation": {"samples": 1000}, "samplers": {"ddpm": {"judged": ["ddim-50"]}},
    "tracks": [{"name": "digits", "contenders": ["ddpm", "vqvae"], "data_hash": "da7a"}],
}  # fmt: skip
NAMES = ("ddpm", "vqvae")


def make_night(day, *, suite=None, names=NAMES, failures=(), change=None, generator_seed=None, **manifest):
    """(manifest, records) of the run of January `day`; `change` maps each record to the one that is kept (None: none)."""
    contenders = {name: replace(CONTENDERS[name], extra={}) for name in names}
    plan, records = make_run(contenders=contenders, failures=failures, shares=(), generator_seed=generator_seed or day)
    records = [with_samples(record) for record in records]
    if change is not None:
        records = [kept for record in records if (kept := change(record)) is not None]
    content = {"suite": SUITE | (suite or {}), "commit": f"c{day}", "started": f"2026-01-{day:02d}T03:00:00+00:00", **manifest}
    return plan.model_copy(update=content), records


def with_samples(record):
    """A record that names its judged samples, the same each night."""
    files = {f"{sample_stem(record.cell, sampler)}.npz": f"{record.cell.id} {sampler}" for sampler in record.samplers}
    return record.model_copy(update={"files": files})


def write(folder, manifest, records):
    """A run folder on disk."""
    (folder / "cells").mkdir(parents=True)
    for record in records:
        (folder / "cells" / f"{record.cell.id}.json").write_bytes(to_json(record))
    (folder / "run.json").write_bytes(to_json(manifest))
    return folder


def write_night(history, day, name=None, **changes):
    """The run of January `day` in a history."""
    return write(history / (name or f"night-{day:02d}"), *make_night(day, **changes))


def benchmark_content(median_s=0.01, day=1, name="tests/test_a.py::test_a", **changes):
    """What pytest-benchmark writes, of one benchmark."""
    return {
        "machine_info": {
            "node": "host", "machine": "x86_64", "system": "Linux", "release": "6.1", "processor": "",
            "python_implementation": "CPython", "python_version": "3.11.7", "cpu": {"brand_raw": "Example CPU", "count": 2},
        },
        "commit_info": {"id": "abc", "dirty": False},
        "benchmarks": [
            {"fullname": name, "options": {"timer": "perf_counter", "disable_gc": False, "warmup": False},
             "stats": {"median": median_s, "data": [median_s] * 5}},
        ],
        "datetime": f"2026-01-{day:02d}T03:00:00+00:00", "version": "5.3.1",
    } | changes  # fmt: skip
