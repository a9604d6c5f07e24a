"""A run as the reports see it: manifest, records, the long table, what the judge says, and its entries by track."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from paragone.bench.judge import blocks
from paragone.bench.judge.axes import axis_table
from paragone.bench.judge.intervals import Interval, Scale, centre, middle
from paragone.bench.judge.ranking import rankings
from paragone.bench.judge.timings import timed
from paragone.bench.judge.verdicts import Verdict, verdicts
from paragone.bench.longtable import entry_name, long_table
from paragone.bench.metrics.modalities import REFERENCES
from paragone.bench.metrics.table import METRICS
from paragone.bench.records import REFERENCE, Manifest, Record, read_manifest, read_records
from paragone.reports import style

REFERENCE_ORDER = REFERENCES


@dataclass(frozen=True)
class Entry:
    """Contender + sampler on one track: one row of a ranking. `records` are those of its contender, one a seed and variant."""

    name: str
    contender: str
    sampler: str
    family: str
    records: tuple[Record, ...]

    @property
    def is_reference(self) -> bool:
        """True for a row that competes with nobody."""
        return self.family == REFERENCE

    @property
    def unfinished(self) -> tuple[Record, ...]:
        """Its cells that did not end well."""
        return tuple(record for record in self.records if record.status != "ok")

    @property
    def all_failed(self) -> bool:
        """True where no cell ended well."""
        return len(self.unfinished) == len(self.records)

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags of any of its cells, each once."""
        return tuple(sorted({style.line(flag, 60) for record in self.records for flag in record.flags}))

    def status(self) -> str:
        """`ok`, or how many cells failed, in which phase and why."""
        if not self.unfinished:
            return "ok"
        reasons = sorted({_reason(record) for record in self.unfinished})
        more = f" (and {style.plural(len(reasons) - 1, 'other reason')})" if len(reasons) > 1 else ""
        if self.all_failed and len(self.records) == 1:
            return f"{reasons[0]}{more}"
        share = "all" if self.all_failed else f"{len(self.unfinished)} of"
        return f"{share} {style.plural(len(self.records), 'cell')} failed: {reasons[0]}{more}"


@dataclass(frozen=True)
class Track:
    """One track of a run: its entries, best quality first, and its rows of measurements and ranking."""

    name: str
    dataset: str
    modality: str
    entries: tuple[Entry, ...]
    measurements: pd.DataFrame
    ranking: pd.DataFrame
    judged: blocks.Track
    looks: dict[str, style.Look]
    _values: dict[tuple[str, str, str], list[float]] = field(repr=False, default_factory=dict)
    _centres: dict[tuple[str, str], Interval | None] = field(repr=False, compare=False, default_factory=dict)

    @property
    def primary(self) -> str:
        """The metric of quality that ranks the track."""
        return self.judged.primary

    @property
    def competitors(self) -> tuple[Entry, ...]:
        """Entries that are not references, best first, those that failed last."""
        return tuple(entry for entry in self.entries if not entry.is_reference)

    @property
    def references(self) -> tuple[Entry, ...]:
        """References, from perfect to hopeless."""
        return tuple(entry for entry in self.entries if entry.is_reference)

    def values(self, entry: Entry, metric: str) -> list[float]:
        """Values of a metric, one a seed: of the entry's sampler, else of its training.

        From cells that ended well, at the contender's own learning rates; times of disturbed cells only where there are no others.
        """
        return self._values.get((entry.contender, entry.sampler, metric)) or self._values.get((entry.contender, "", metric), [])

    def centre(self, entry: Entry, metric: str) -> Interval | None:
        """Mean over seeds with its interval on the metric's scale (as in the ranking), None where nothing was measured."""
        key = entry.name, metric
        if key not in self._centres:
            self._centres[key] = self._find_centre(entry, metric)
        return self._centres[key]

    def _find_centre(self, entry: Entry, metric: str) -> Interval | None:
        values = self.values(entry, metric)
        return centre(values, _scale(values, metric)) if values else None

    def value(self, entry: Entry, metric: str) -> float | None:
        """The mean of `centre` alone."""
        values = self.values(entry, metric)
        return middle(values, _scale(values, metric)) if values else None

    def ranked(self, entry: Entry, metric: str) -> pd.Series | None:
        """The entry's row of the ranking by a metric, None where it has none."""
        return self._ranked.get((metric, entry.name))

    @cached_property
    def _ranked(self) -> dict[tuple[str, str], pd.Series]:
        """(metric, entry) -> its row of the ranking."""
        keys = zip(self.ranking["metric"], self.ranking["entry"], strict=True)
        return {key: row for key, (_, row) in zip(keys, self.ranking.iterrows(), strict=True)}

    @property
    def ranked_metrics(self) -> list[str]:
        """Metrics of the ranking in the order in which the judge gives them."""
        return list(dict.fromkeys(self.ranking["metric"]))


@dataclass(frozen=True)
class Run:
    """Everything that the reports are a function of."""

    folder: Path
    manifest: Manifest
    records: tuple[Record, ...]

    @cached_property
    def measurements(self) -> pd.DataFrame:
        """The long table."""
        return long_table(self.manifest.run, self.records)

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """The judge's rankings."""
        return rankings(self.records, self.manifest)

    @cached_property
    def by_axis(self) -> pd.DataFrame:
        """The judge's rankings at equal amounts of every axis."""
        return axis_table(self._judged)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The judge's verdicts on the document's claims."""
        return list(verdicts(self.records, self.manifest))

    @cached_property
    def tracks(self) -> tuple[Track, ...]:
        """Tracks in the suite's order."""
        present = {record.cell.track for record in self.records}
        planned = [str(track.get("name")) for track in self.manifest.suite.get("tracks", ()) if isinstance(track, dict)]
        names = [name for name in dict.fromkeys(planned) if name in present]
        return tuple(self._track(name) for name in names + sorted(present - set(names)))

    @cached_property
    def _judged(self) -> list[blocks.Track]:
        return blocks.tracks(self.records, self.manifest)

    @property
    def contenders(self) -> tuple[str, ...]:
        """Names of the contenders, references left out, in the order of families."""
        pairs = {(record.family, record.cell.contender) for record in self.records if record.family != REFERENCE}
        return tuple(name for _, name in sorted(pairs, key=lambda pair: (style.order_of(pair[0]), pair[1])))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the contenders' cells (of all cells where only references ran)."""
        own = [record for record in self.records if record.family != REFERENCE] or self.records
        return tuple(sorted({record.cell.seed for record in own}))

    def _track(self, name: str) -> Track:
        records = [record for record in self.records if record.cell.track == name]
        measurements = self.measurements[self.measurements["track"] == name]
        places = dict.fromkeys(("rank", "rank_low", "rank_high"), "float64")
        ranking = self.ranking[self.ranking["track"] == name].astype(places)
        judged = next(track for track in self._judged if track.name == name)
        entries = _sorted(_entries(records), ranking)
        return Track(
            name=name,
            dataset=records[0].dataset,
            modality=records[0].modality,
            entries=tuple(entries),
            measurements=measurements,
            ranking=ranking,
            judged=judged,
            looks=style.looks([(entry.name, entry.family) for entry in entries]),
            _values=_values(judged),
        )


def _values(track: blocks.Track) -> dict[tuple[str, str, str], list[float]]:
    """(contender, sampler, metric) -> values, those included that the judge derives."""
    every: dict[tuple[str, str, str], list[float]] = {}
    valid: dict[tuple[str, str, str], list[float]] = {}
    for (contender, seed, sampler, metric), m in track.measured.items():
        record = track.records.get((contender, seed))
        if record is None or record.status != "ok" or m.value is None:
            continue
        every.setdefault((contender, sampler, metric), []).append(m.value)
        if (contender, seed) not in track.disturbed or not timed(metric):
            valid.setdefault((contender, sampler, metric), []).append(m.value)
    return every | valid


def _scale(values: Sequence[float], metric: str) -> Scale:
    """The metric's scale; plain where a value has no logarithm."""
    known = METRICS.get(metric.partition("@")[0])
    return "log" if known is not None and known.scale == "log" and min(values) > 0 else "identity"


def is_named(entry: Entry, reference: str) -> bool:
    """Whether an entry is the reference of that name, however its words are joined."""
    return entry.is_reference and entry.contender.replace("-", " ") == reference.replace("-", " ")


def load(folder: Path) -> Run:
    """Read a run folder; raises `RecordError` where it is none or holds records of another version."""
    return Run(folder, read_manifest(folder), tuple(read_records(folder)))


def _entries(records: Sequence[Record]) -> list[Entry]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.family, record.cell.contender), []).append(record)
    entries = []
    for (family, contender), own in groups.items():
        samplers = list(dict.fromkeys(sampler for record in own for sampler in record.samplers)) or [""]
        ordered = tuple(sorted(own, key=lambda record: (record.cell.variant, record.cell.seed)))
        entries += [Entry(entry_name(contender, s, samplers), contender, s, family, ordered) for s in samplers]
    return entries


def _sorted(entries: Sequence[Entry], ranking: pd.DataFrame) -> list[Entry]:
    """Competitors by their rank in the first metric, those without rank and the failed after them; then references."""
    first = ranking[ranking["metric"] == ranking["metric"].iloc[0]] if len(ranking) else ranking
    places = {str(row.entry): (float(str(row.rank)), float(str(row.value))) for row in first.itertuples(index=False)}

    def key(entry: Entry) -> tuple[bool, bool, float, float, tuple[int, str], str]:
        place, value = places.get(entry.name, (math.nan, math.nan))
        if entry.is_reference:
            known = [i for i, name in enumerate(REFERENCE_ORDER) if is_named(entry, name)]
            place = known[0] if known else len(REFERENCE_ORDER)
        return (
            entry.is_reference,
            entry.all_failed,
            math.inf if math.isnan(place) else place,
            math.inf if math.isnan(value) else value,
            style.order_of(entry.family),
            entry.name,
        )

    return sorted(entries, key=key)


def _reason(record: Record) -> str:
    if record.failure is None:
        return record.status.replace("_", " ")
    return f"{record.status.replace('_', ' ')} in {style.line(record.failure.phase, 30)}: " + style.line(
        f"{record.failure.kind}: {record.failure.message}", 140
    )
