"""Records: everything measured in one cell, as one frozen JSON file; and the manifest of a run.

Schema history (a reader refuses every version but its own, with words for each case):
    1  first version
    2  budgets in flops and joules; net memory is over the empty twin's; timing says whether a cell's times can be trusted
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from paragone.bench.errors import UsageError

SCHEMA_VERSION = 2
Axis = Literal["seconds", "steps", "samples", "flops", "joules"]
INTERPOLATION = "interpolation"
"""Name, where samples have their sampler's, of decoded lines between two latents, `LINE_POINTS` items each."""
LINE_POINTS = 10
REFERENCE = "reference"
"""The family of rows that compete with nobody."""

Status = Literal["ok", "failed", "diverged", "timeout", "out_of_memory", "invalid"]


class RecordError(UsageError):
    """A record or manifest cannot be used; the message names the file, what was found and what to do."""


class Frozen(BaseModel):
    """Base of the values that are checked at birth and never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Cell(Frozen):
    """Track x contender x seed x variant: the unit that is run, retried and resumed."""

    track: str
    contender: str
    seed: int
    variant: str = ""

    @property
    def id(self) -> str:
        """File-safe and unique within a run: `digits.held-out-real.s0`."""
        parts = [self.track, self.contender, f"s{self.seed}"] + ([self.variant] if self.variant else [])
        return ".".join(re.sub(r"[^A-Za-z0-9_+-]+", "-", part) for part in parts)


class Measurement(Frozen):
    """One number of one sampler (empty for training): `value` None says not measured, and then `source` says why.

    `metric` may end in a budget share, as in `fid@0.25`. `repeats` holds raw repeats where `value` summarises several, `n` the
    number of items it was computed on.
    """

    metric: str
    value: float | None
    unit: str
    source: str
    sampler: str = ""
    repeats: tuple[float, ...] = ()
    n: int | None = None


class Failure(Frozen):
    """Why a cell is not ok: where it was, for how long it had run, the error's kind, message and last lines."""

    phase: str
    kind: str
    message: str
    elapsed_s: float
    tail: str = ""


class Audit(Frozen):
    """Budget asked and spent, on every axis (None: could not be counted); `overrun` and `last_update` are in the unit of `axis`.

    `last_update` is the largest amount by which the spending can grow before the budget is looked at again: one update, and on
    joules one tick of the counter where that is longer.
    """

    axis: Axis
    asked: float
    spent_s: float
    spent_steps: int
    spent_samples: int
    spent_flops: float | None = None
    spent_joules: float | None = None
    overrun: float
    last_update: float
    parameters_asked: int | None
    parameters: int | None

    @property
    def held(self) -> bool:
        """True where the budget was overrun by no more than one update."""
        return self.overrun <= self.last_update


class Timing(Frozen):
    """Whether the times of a cell can be compared with those of others, and how fast its machine was.

    `control_s` is the time of the control workload before and after the cell; shares are of the time of the cell's own cores
    from the first to the second (None: cannot be read here).
    """

    control_s: tuple[float, float]
    steal_share: float | None = None
    foreign_share: float | None = None
    invalid: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """True where nothing speaks against the times."""
        return not self.invalid


class Record(Frozen):
    """Everything measured in one cell."""

    schema_version: int = Field(default=SCHEMA_VERSION, strict=True)
    cell: Cell
    dataset: str
    modality: str
    family: str
    ablation: bool = False
    samplers: tuple[str, ...] = Field(description="samplers judged or timed, the default first; `default` for a reference")
    status: Status
    flags: tuple[str, ...] = ()
    failure: Failure | None = None
    audit: Audit | None = None
    timing: Timing | None = None
    width: int | None = None
    precision: str = Field(
        default="float32", description="number format of training and sampling, and why it is not the one asked for"
    )
    measurements: tuple[Measurement, ...]
    seconds_by_phase: dict[str, float] = Field(description="wall seconds: start, data, build, train, sample, measure ...")
    hashes: dict[str, str] = Field(description="suite, data, source")
    fingerprint: dict[str, str]
    files: dict[str, str] = Field(default={}, description="sample files, relative to the run folder, and their sha256")
    position: int = Field(description="place in the run's shuffled order, from 0")
    started: str
    ended: str


class Manifest(Frozen):
    """`run.json`: what was asked, where it ran, and in which order."""

    schema_version: int = Field(default=SCHEMA_VERSION, strict=True)
    run: str
    suite: dict[str, Any]
    command: tuple[str, ...]
    fingerprint: dict[str, str]
    versions: dict[str, str]
    commit: str
    order: tuple[str, ...] = Field(description="ids of all cells, in the order they were started")
    references: tuple[str, ...]
    twins: dict[str, dict[str, float]] = Field(
        default={}, description="by track, peak memory in bytes of the empty twin in each phase: a cell that trains nothing"
    )
    warnings: tuple[str, ...] = ()
    started: str
    ended: str | None = None
    wall_s: float = 0.0


T = TypeVar("T", Record, Manifest)


def read_record(path: Path) -> Record:
    """Read one record.

    Raises:
        RecordError: not JSON, of another schema version (older, newer, missing), or not a record.
    """
    return _read(path, Record)


def read_planned(path: Path, planned: Collection[str]) -> Record:
    """Read one record of a run that plans the cells `planned`, by id.

    Raises:
        RecordError: as `read_record`, and where it is another cell's, or of a cell that is not planned.
    """
    record = read_record(path)
    if path.name != f"{record.cell.id}.json":
        raise RecordError(f"{path}: it holds the record of {record.cell.id}; remove it")
    if record.cell.id not in planned:
        raise RecordError(f"{path}: run.json plans no such cell; remove it")
    return record


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run folder; raises `RecordError` as `read_record` does, also where there is none."""
    if not (folder / "run.json").is_file():
        raise RecordError(f"{folder} is not a run folder: it has no run.json. Name a folder that `run` wrote")
    return _read(folder / "run.json", Manifest)


def read_records(folder: Path) -> list[Record]:
    """All records of a run folder, in the order in which their cells were planned."""
    records = [read_record(path) for path in sorted((folder / "cells").glob("*.json"))]
    return sorted(records, key=lambda record: (record.position, record.cell.id))


def to_json(value: Frozen) -> bytes:
    """The bytes of the file of a record, a manifest, or another such value."""
    return (value.model_dump_json(indent=1) + "\n").encode()


def _read(path: Path, kind: type[T]) -> T:
    data = path.read_bytes()
    try:
        value = kind.model_validate_json(data)
    except ValidationError:
        return _read_slowly(path, data, kind)
    current = value.schema_version == SCHEMA_VERSION and "schema_version" in value.model_fields_set
    return value if current else _read_slowly(path, data, kind)


def _read_slowly(path: Path, data: bytes, kind: type[T]) -> T:
    """The same in two steps, of which each has words for what is wrong."""
    try:
        content = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not readable JSON ({error}); delete it and run again with --resume") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise RecordError(f"{path} has no schema_version, so it is not one of our records; remove it from the run folder")
    if version < SCHEMA_VERSION:
        raise RecordError(f"{path} has the older schema {version}, this version reads {SCHEMA_VERSION}; run the suite again")
    if version > SCHEMA_VERSION:
        raise RecordError(f"{path} has the newer schema {version}, this version reads {SCHEMA_VERSION}; update paragone")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"{path}: {where}: {first['msg']}; delete it and run again with --resume") from None
