"""From a suite and the command's options to a checked plan: jobs in their shuffled order, with the hashes that resume compares."""

import hashlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paragone.bench.budget import Budget
from paragone.bench.cell import import_file
from paragone.bench.data import Dataset, load
from paragone.bench.errors import UsageError, unknown
from paragone.bench.job import Job
from paragone.bench.judge.blocks import EVERYBODY
from paragone.bench.judge.claims import added_claims
from paragone.bench.judge.families import MEMBERS
from paragone.bench.metrics import references
from paragone.bench.metrics.modalities import REFERENCES
from paragone.bench.metrics.panel import prepare_judging
from paragone.bench.records import REFERENCE, Cell
from paragone.bench.suite import Suite, Track
from paragone.bench.variants import learning_rate_factor
from paragone.models import Contender, DataSpec, registered


@dataclass(frozen=True)
class Options:
    """What the command line changes of a suite; see `python run_bench.py run --help`."""

    add: tuple[Path, ...] = ()
    only: tuple[str, ...] = ()
    budget: str | None = None
    parameters: int | None = None
    seeds: int | None = None
    data: str | None = None
    device: str = "auto"
    jobs: int = 1
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A suite ready to run: `jobs` in order; the datasets' and sources' hashes by track and by contender."""

    suite: Suite
    jobs: tuple[Job, ...]
    data_hashes: dict[str, str]
    datasets: dict[str, str]
    specs: dict[str, DataSpec]
    sources: dict[str, str]
    families: dict[str, str]


def make_plan(suite: Suite, options: Options, threads: int, device: str) -> Plan:
    """Check suite and options against contenders and data, and lay out the cells.

    Raises:
        UsageError: an unknown contender, sampler, dataset or cell; bad data; a bad budget, seeds or parameters.
    """
    added = [name for path in options.add for name in import_file(path)]
    suite = _with_options(suite, options)
    datasets = {track.name: load(track.data) for track in suite.tracks}
    suite = _with_contenders(suite, options, added, datasets)
    suite = suite.model_copy(update={"claims": (*suite.claims, *added_claims())})
    _check_names(suite)
    _check_claims(suite)
    for dataset in datasets.values():
        prepare_judging(dataset)
    specs = {name: dataset.spec for name, dataset in datasets.items()}
    cells = suite.cells({name: spec.modality for name, spec in specs.items()})
    jobs = tuple(_job(suite, k, cell, specs[cell.track], options, threads, device) for k, cell in enumerate(cells))
    for wanted in options.cells:
        if wanted not in [job.cell.id for job in jobs]:
            raise unknown("cell", wanted, [job.cell.id for job in jobs], "A cell's id is its record's file name.")
    if options.cells:
        jobs = tuple(job for job in jobs if job.cell.id in options.cells)
    names = {job.cell.contender for job in jobs}
    return Plan(
        suite=suite,
        jobs=jobs,
        data_hashes={name: dataset.hash for name, dataset in datasets.items()},
        datasets={name: dataset.name for name, dataset in datasets.items()},
        specs=specs,
        sources={name: source_hash(name) for name in names},
        families={name: REFERENCE if name in REFERENCES else registered()[name].family for name in names},
    )


def source_hash(name: str) -> str:
    """Hash of a contender's file and of the layers it may share, or of the references' file."""
    if name in REFERENCES:
        files = [Path(references.__file__)]
    else:
        shared = sorted((Path(inspect.getfile(Contender)).parent / "layers").glob("*.py"))
        files = [Path(inspect.getfile(registered()[name])), *shared]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def _with_options(suite: Suite, options: Options) -> Suite:
    changes: dict[str, object] = {}
    if options.budget is not None:
        Budget.parse(options.budget)
        changes["budget"] = suite.budget.model_copy(update={"train": options.budget})
    if options.parameters is not None:
        if options.parameters < 1:
            raise UsageError(f"--parameters {options.parameters} must be more than 0")
        budget = changes.get("budget", suite.budget)
        changes["budget"] = budget.model_copy(update={"parameters": options.parameters})  # type: ignore[attr-defined]
    if options.seeds is not None:
        if options.seeds < 1:
            raise UsageError(f"--seeds {options.seeds} must be more than 0")
        changes["seeds"] = options.seeds
    if options.data is not None:
        everybody = dict.fromkeys(name for track in suite.tracks for name in track.contenders)
        name = load(options.data).name
        changes["tracks"] = (Track(name=name, data=options.data, contenders=tuple(everybody)),)
    return suite.model_copy(update=changes)


def _with_contenders(suite: Suite, options: Options, added: Sequence[str], datasets: dict[str, Dataset]) -> Suite:
    """Added contenders join every track of their modality; `--only` names exactly who competes."""
    known = registered()
    for name in options.only:
        if name not in known and name not in REFERENCES:
            raise unknown("contender", name, known, "All names: python run_bench.py list contenders")
    tracks = []
    for track in suite.tracks:
        modality = datasets[track.name].spec.modality
        names = [*track.contenders, *(n for n in added if n not in track.contenders)]
        if options.only:
            names = [n for n in dict.fromkeys(options.only) if n not in REFERENCES]
        suited = tuple(n for n in names if n not in known or modality in known[n].modalities)
        tracks.append(track.model_copy(update={"contenders": suited}))
    if options.only and not any(track.contenders for track in tracks):
        raise UsageError(f"--only {' '.join(options.only)}: none of these competes on the suite's tracks")
    return suite.model_copy(update={"tracks": tuple(tracks)})


def _check_names(suite: Suite) -> None:
    known = registered()
    for name in [name for track in suite.tracks for name in track.contenders]:
        if name not in known:
            raise unknown("contender", name, known, "All names: python run_bench.py list contenders")
    for name in suite.stability.shifted if suite.stability is not None else ():
        if name not in known:
            raise unknown("contender", name, known, "in the suite's [stability.shifted]")
    tables = [suite.samplers, *(track.samplers for track in suite.tracks)]
    for name, keys in (item for table in tables for item in table.items()):
        if name not in known:
            raise unknown("contender", name, known, "in the suite's [samplers]. All names: python run_bench.py list contenders")
        for sampler in [*keys.judged, *keys.timed, *([keys.curve] if keys.curve else [])]:
            if sampler not in known[name].samplers:
                raise unknown(f"sampler of {name}", sampler, known[name].samplers, f"One of: {', '.join(known[name].samplers)}")


def _check_claims(suite: Suite) -> None:
    """Every side of a user's claim is a family, a contender, an entry or a reference that there is."""
    entries = [f"{name}/{sampler}" for name, cls in registered().items() for sampler in cls.samplers]
    known = [*MEMBERS, *registered(), *entries, *REFERENCES, EVERYBODY.name]
    for claim in suite.claims:
        for side in claim.members:
            if side not in known:
                raise unknown(f"side in claim {claim.id}", side, known, "Write a family, a contender, an entry or a reference.")


def _job(suite: Suite, position: int, cell: Cell, spec: DataSpec, options: Options, threads: int, device: str) -> Job:
    track = next(track for track in suite.tracks if track.name == cell.track)
    keys = suite.sampler_keys(track, cell.contender)
    offered = () if cell.contender in REFERENCES else registered()[cell.contender].offered_samplers(spec)
    judged = keys.of(offered)
    elsewhere = tuple(sampler for sampler in judged if cell.seed not in keys.seeds.get(sampler, (cell.seed,)))
    judged = tuple(sampler for sampler in judged if sampler not in elsewhere)
    base = learning_rate_factor(cell.variant) == 1.0
    return Job(
        cell=cell,
        position=position,
        data=track.data,
        add=tuple(str(path) for path in options.add),
        budget=suite.budget.train,
        parameters=suite.budget.parameters,
        evaluation=suite.evaluation_on(track),
        judged=judged if base else judged[:1],
        timed=(*(sampler for sampler in keys.timed if sampler in offered), *elsewhere) if base else (),
        curve=keys.curve or (judged[0] if judged else ""),
        unlimited=tuple(keys.seeds),
        sweep=suite.stability is not None,
        device=device,
        threads=threads,
        modality=spec.modality,
        labelled=spec.classes is not None,
        training=suite.training,
    )
