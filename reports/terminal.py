"""What the terminal says at the end: a screenful with the verdicts, the ranking, and where the report lies."""

import io
import math

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from paragone.reports import claims, facts, method, style
from paragone.reports.run import Run, Track, is_named
from paragone.reports.scoreboard import Cell, Column, scoreboard

SYMBOLS = {"supported": ("✔", "green"), "contradicted": ("✘", "red"), "undetermined": ("?", "dim"), "tie": ("=", "dim")}
PLAIN_WIDTH = 100
GAUGES = ("real blurred", "real + noise")
"""References that only gauge sharpness, for which a screen has no room."""
SHOWN = (
    "fid", "energy_distance", "modes", "class_accuracy", "sample_throughput_per_s", "train_own_memory_bytes",
    "train_peak_rss_bytes", "stability",
)  # fmt: skip
MOST_ROWS = 14
"""Rows of a ranking that a screen has room for."""


def summary(run: Run) -> Group:
    """The summary of a run, to be printed by a rich console; a console without terminal prints it plain."""
    parts: list[Text | Table] = [Text(note, style="bold") for note in [method.incomplete(run)] if note]
    if run.verdicts:
        parts += [_verdicts(run), Text(f"{claims.counts_line(run)}: claims.html", style="dim")]
    parts += [Text(warning, style="bold") for track in run.tracks if (warning := facts.unequal(track))]
    for track in run.tracks:
        parts += [Text(""), *_ranking(run, track)]
    failed = facts.failures(run)
    if failed:
        named = style.names([row.cell for row in failed[:4]]) + (" ..." if len(failed) > 4 else "")
        parts += [Text(""), Text(f"{len(failed)} of {style.plural(len(run.records), 'cell')} failed: {named}")]
    parts += [Text(""), Text("report: ").append(str(run.folder / "report.html"), style="bold")]
    return Group(*parts)


def summary_text(run: Run, width: int = PLAIN_WIDTH) -> str:
    """The summary as plain text without any control character but line ends; the report's path is never wrapped."""
    buffer = io.StringIO()
    Console(file=buffer, width=width, no_color=True, force_terminal=False, legacy_windows=False).print(
        summary(run), soft_wrap=False
    )
    lines = [line.rstrip() for line in buffer.getvalue().split("\n")]
    lines = lines[: lines.index(next(line for line in lines if line.startswith("report: ")))]
    return "\n".join([*lines, f"report: {run.folder / 'report.html'}"]) + "\n"


def _verdicts(run: Run) -> Table:
    """The headlines: badge, claim, and what was measured under what the document says."""
    grid = Table.grid(padding=(0, 2))
    for _ in range(3):
        grid.add_column(vertical="top")
    for verdict in claims.headlines(run):
        symbol, colour = SYMBOLS.get(verdict.badge, ("?", "dim"))
        where = f" ({verdict.track})" if len(run.tracks) > 1 and verdict.track else ""
        said = Text(f"{verdict.claimed}\n").append(f"measured: {style.line(claims.measured(verdict), 160)}", style="dim")
        grid.add_row(Text(f"{symbol} {verdict.badge}", style=colour), Text(f"{verdict.claim.topic}{where}", style="bold"), said)
    return grid


def _ranking(run: Run, track: Track) -> list[Text | Table]:
    board = scoreboard(track)
    seeds = style.plural(len(run.seeds), "seed")
    table = Table(title=f"{track.name}, {seeds}", title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("entry", no_wrap=True, max_width=28)
    columns = [column for column in board.columns if column.metric in SHOWN]
    for column in columns:
        table.add_column(Text(_head(column)), justify="right", no_wrap=True)
    rows = [*board.of("ranked"), *board.of("unranked"), *board.of("failed")]
    for row in rows[:MOST_ROWS]:
        chosen = [cell for cell, column in zip(row.cells, board.columns, strict=True) if column in columns]
        table.add_row(Text(style.line(row.entry.name, 28)), *[_cell(cell) for cell in chosen])
    for row in board.of("reference"):
        if any(is_named(row.entry, name) for name in GAUGES):
            continue
        chosen = [cell for cell, column in zip(row.cells, board.columns, strict=True) if column in columns]
        table.add_row(Text(style.line(row.entry.name, 28), style="dim"), *[Text(cell.text, style="dim") for cell in chosen])
    rest = len(rows) - MOST_ROWS
    more = [Text(f"and {style.plural(rest, 'more entry', 'more entries')}, see the report")] if rest > 0 else []
    return [table, *more]


def _head(column: Column) -> str:
    unit = "samples/s" if column.unit == "1/s" else column.unit
    name = "FID" if column.metric == "fid" else column.head.lower()
    return f"{name} ({unit})" if unit else name


def _cell(cell: Cell) -> Text:
    rank = f"{cell.rank} " if cell.rank and not math.isinf(cell.place) else ""
    return Text(f"{rank:<6}", style="dim").append(f"{cell.text:>8}", style="bold" if cell.best else "")
