"""The rankings as one table: a row an entry, a column a ranking, each number with its interval and its rank interval."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from paragone.bench.metrics.table import METRICS
from paragone.reports import facts, style
from paragone.reports.run import Entry, Track

HEADS: Mapping[str, tuple[str, str]] = {
    "fid": ("Quality", "FID"),
    "energy_distance": ("Quality", "energy distance"),
    "modes": ("Modes", "found"),
    "high_quality_share": ("Precision", "points at modes"),
    "class_accuracy": ("Faith", "class accuracy"),
    "class_coverage": ("Variety", "coverage within classes"),
    "sample_throughput_per_s": ("Speed", "samples a second"),
    "sample_latency_s": ("Latency", "one sample"),
    "train_own_memory_bytes": ("Memory", "own, training"),
    "sample_own_memory_bytes": ("Memory", "own, sampling"),
    "train_peak_rss_bytes": ("Memory", "peak in training"),
    "sample_peak_rss_bytes": ("Memory", "peak in sampling"),
    "stability": ("Stability", "targets reached"),
    "sample_joules": ("Energy", "one sample"),
    "sample_flops": ("Work", "one sample"),
    "flops_utilisation": ("Utilisation", "training"),
}
"""Which rankings stand in the table, in this order: the question each answers, and what was measured."""
INSTEAD = {f"{phase}_peak_rss_bytes": f"{phase}_own_memory_bytes" for phase in ("train", "sample")}
"""What leaves the table to a better measure of the same, where that was measured."""
TIMING = "timing"
"""In a status: some or all times of an entry are invalid."""


@dataclass(frozen=True)
class Column:
    """One ranking: head, what was measured, unit, direction, and by what a value is divided to be in that unit."""

    metric: str
    head: str
    label: str
    unit: str
    lower_is_better: bool
    divisor: float

    @property
    def better(self) -> str:
        """The better direction in words."""
        return "lower is better" if self.lower_is_better else "higher is better"

    def text(self, value: float | None) -> str:
        """A value of this column, without its unit."""
        return style.number(None if value is None else value / self.divisor)


@dataclass(frozen=True)
class Cell:
    """One number of a ranking; `value` is the table's own, `best` says that the statistics find no other in first place."""

    value: float | None
    text: str
    interval: str
    rank: str
    place: float
    best: bool
    note: str


@dataclass(frozen=True)
class Row:
    """One entry: its cells in the order of the columns, and what is to be said of it."""

    entry: Entry
    kind: str
    note: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Scoreboard:
    """All rankings of a track; `absent` says which ones could not be made and why."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    absent: tuple[tuple[str, str], ...]

    def of(self, kind: str) -> list[Row]:
        """Rows of a kind: `ranked`, `unranked`, `failed` or `reference`."""
        return [row for row in self.rows if row.kind == kind]


def scoreboard(track: Track) -> Scoreboard:
    """The rankings of a track: ranked entries by quality, those without rank, the failed ones last; references apart."""
    known = [metric for metric in HEADS if metric in track.ranked_metrics]
    known += [metric for metric in track.ranked_metrics if metric not in HEADS]
    filled = [metric for metric in known if track.ranking.loc[track.ranking["metric"] == metric, "value"].notna().any()]
    columns = tuple(_column(track, metric) for metric in filled if INSTEAD.get(metric) not in filled)
    rows = [_row(track, entry, columns) for entry in track.entries]
    order = {"ranked": 0, "unranked": 1, "failed": 2, "reference": 3}
    rows.sort(key=lambda row: (order[row.kind], row.cells[0].place if row.cells else 0.0))
    absent = tuple((_head(metric)[0], _why_absent(track, metric)) for metric in known if metric not in filled)
    return Scoreboard(columns, tuple(rows), absent)


def measures(track: Track) -> tuple[list[Column], list[tuple[Entry, list[tuple[float | None, str]]]]]:
    """Every metric measured at the end of training: columns, and for each entry its mean values with their texts."""
    columns = [_column(track, metric) for metric in METRICS if any(track.values(entry, metric) for entry in track.entries)]
    rows = []
    for entry in track.entries:
        values = [track.value(entry, column.metric) for column in columns]
        rows.append((entry, [(value, column.text(value)) for column, value in zip(columns, values, strict=True)]))
    return columns, rows


def ranking_line(track: Track, metric: str) -> str:
    """One ranking as a line: `a ≈ b > c`, where ≈ joins entries whose ranks the statistics cannot tell apart."""
    rows = track.ranking[(track.ranking["metric"] == metric) & track.ranking["rank"].notna()].sort_values(
        ["rank", "value", "entry"], kind="stable"
    )
    parts: list[str] = []
    before: pd.Series | None = None
    for _, row in rows.iterrows():
        if before is not None:
            parts.append("≈" if row["rank_low"] <= before["rank"] else ">")
        parts.append(style.line(row["entry"], 40))
        before = row
    return " ".join(parts)


def _column(track: Track, metric: str) -> Column:
    head, label = _head(metric)
    known = METRICS.get(metric)
    unit, divisor = (known.unit if known else ""), 1.0
    if unit == "bytes":
        unit, divisor = "MB", 1e6
    elif unit == "s":
        values = [value for entry in track.competitors for value in track.values(entry, metric)]
        unit = style.time_unit(values, least=0.1)
        divisor = style.unit_size(unit)
    elif unit in ("flop", "J"):
        unit, divisor = style.si_unit([value for entry in track.competitors for value in track.values(entry, metric)], unit)
    elif unit == "share of peak":
        unit, divisor = "%", 0.01
    elif unit == "1":
        unit = ""
    return Column(metric, head, label, unit, known is None or known.direction != "higher", divisor)


def _head(metric: str) -> tuple[str, str]:
    return HEADS.get(metric, (facts.label(metric).capitalize(), facts.label(metric)))


def _row(track: Track, entry: Entry, columns: tuple[Column, ...]) -> Row:
    cells = tuple(_cell(track, entry, column) for column in columns)
    if entry.is_reference:
        return Row(entry, "reference", "", cells)
    notes = [entry.status()] if entry.unfinished else []
    notes += list(entry.flags)
    if entry.all_failed:
        return Row(entry, "failed", "; ".join(notes), cells)
    first = track.ranked(entry, columns[0].metric) if columns else None
    ranked = first is not None and not math.isnan(first["rank"])
    timed = track.value(entry, "sample_throughput_per_s") is not None
    said = style.line(first["status"], 80) if first is not None else "timed only" if timed else "not judged"
    if said not in ("ok", *notes) and not entry.unfinished:
        notes.append(said)
    notes += dict.fromkeys(cell.note.rpartition("; ")[2] for cell in cells if TIMING in cell.note)
    return Row(entry, "ranked" if ranked else "unranked", "; ".join(notes), cells)


def _cell(track: Track, entry: Entry, column: Column) -> Cell:
    row = track.ranked(entry, column.metric)
    if row is None:
        return Cell(None, style.MISSING, "", "", math.inf, False, "one figure for all samplers of a contender")
    value = None if math.isnan(row["value"]) else float(row["value"])
    place = math.inf if math.isnan(row["rank"]) else float(row["rank"])
    note = "" if row["status"] == "ok" else style.line(row["status"], 80)
    return Cell(
        value=value,
        text=column.text(value),
        interval=style.interval(row["ci_low"], row["ci_high"], 1.0 / column.divisor),
        rank=style.rank(row["rank_low"], row["rank_high"], row["rank"]) if place < math.inf else "",
        place=place,
        best=bool(row["rank_low"] == row["rank_high"] == 1) and not entry.is_reference,
        note=note,
    )


def _why_absent(track: Track, metric: str) -> str:
    reasons = track.ranking.loc[track.ranking["metric"] == metric, "status"]
    return style.line(", ".join(dict.fromkeys(str(reason) for reason in reasons)), 120)
