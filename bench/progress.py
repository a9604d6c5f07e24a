"""What is shown while a run goes on: a live bar on a terminal, plain lines elsewhere (and where CI is set)."""

import os
import time
from collections import defaultdict
from statistics import geometric_mean

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from paragone.bench.attempt import Attempt
from paragone.bench.longtable import entry_name
from paragone.bench.records import REFERENCE, Record
from paragone.bench.runner import Display

RANKING_ROWS = 12


def choose_display(console: Console) -> "PlainDisplay | LiveDisplay":
    """Live on a terminal, plain lines where there is none or CI is set."""
    return LiveDisplay(console) if console.is_terminal and not os.environ.get("CI") else PlainDisplay()


class PlainDisplay(Display):
    """One line a finished cell, no control characters."""

    def begin(self, total: int, done: list[Record]) -> None:
        """Say how much there is to do."""
        self._total, self._done = total, len(done)
        print(f"{total} cells, {len(done)} of them done before" if done else f"{total} cells", flush=True)

    def tick(self, attempts: list[Attempt]) -> None:
        """Plain lines say nothing in between."""

    def finished(self, record: Record) -> None:
        """One line: place, cell, outcome, seconds."""
        self._done += 1
        print(f"[{self._done}/{self._total}] {outcome(record)}", flush=True)


class LiveDisplay(Display):
    """Overall bar with the time left, the cells in flight with their spent budget, and the ranking so far."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._records: list[Record] = []

    def begin(self, total: int, done: list[Record]) -> None:
        """Begin to draw."""
        self._total, self._records, self._before = total, list(done), len(done)
        self._since_s = time.perf_counter()
        self._live.start()

    def tick(self, attempts: list[Attempt]) -> None:
        """Draw the bar, the cells in flight and the ranking."""
        self._live.update(Group(self._overall(), *(self._cell(a) for a in attempts), self._ranking()))
        if not attempts and len(self._records) == self._total:
            self._live.stop()

    def finished(self, record: Record) -> None:
        """A line above the bar, which stays."""
        self._records.append(record)
        style = "" if record.status == "ok" else "yellow"
        self._live.console.print(Text(f"[{len(self._records)}/{self._total}] {outcome(record)}", style=style))
        if len(self._records) == self._total:
            self._live.stop()

    def _overall(self) -> RenderableType:
        done = len(self._records)
        made = done - self._before
        spent_s = time.perf_counter() - self._since_s
        left = f"about {_clock(spent_s / made * (self._total - done))} left" if made else "measuring the pace"
        row = Table.grid(padding=(0, 2))
        row.add_row(
            ProgressBar(total=self._total, completed=done, width=40),
            f"{done} of {self._total} cells",
            _clock(spent_s),
            left,
        )
        return row

    def _cell(self, attempt: Attempt) -> RenderableType:
        row = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=1.0, completed=attempt.progress, width=20)
        row.add_row("  ", bar, Text(attempt.job.cell.id, style="bold"), attempt.phase, f"{attempt.elapsed_s:.0f} s")
        return row

    def _ranking(self) -> RenderableType:
        table = Table(title="FID so far", title_justify="left", box=None, padding=(0, 2))
        for name, justify in (("entry", "left"), ("family", "left"), ("FID", "right"), ("seeds", "right")):
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        for entry, family, fid, seeds in ranking_so_far(self._records)[:RANKING_ROWS]:
            table.add_row(entry, family, f"{fid:.3g}", str(seeds), style="dim" if family == REFERENCE else "")
        return table if table.row_count else Text("")


def outcome(record: Record) -> str:
    """One line on a finished cell: `digits.vae.s0  ok  FID 4.2  9.8 s`."""
    spent = f"{sum(record.seconds_by_phase.values()):.1f} s"
    if record.failure is not None:
        return f"{record.cell.id}  {record.status} in {record.failure.phase}: {record.failure.message}  {spent}"
    fids = [m.value for m in record.measurements if m.metric == "fid" and m.value is not None]
    quality = f"FID {min(fids):.3g}  " if fids else ""
    return f"{record.cell.id}  {record.status}  {quality}{spent}"


def ranking_so_far(records: list[Record]) -> list[tuple[str, str, float, int]]:
    """(entry, family, geometric mean of FID, seeds), best first."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        for m in record.measurements:
            if m.metric == "fid" and m.value is not None and m.value > 0:
                found[entry_name(record.cell.contender, m.sampler, record.samplers), record.family].append(m.value)
    rows = [(entry, family, geometric_mean(values), len(values)) for (entry, family), values in found.items()]
    return sorted(rows, key=lambda row: row[2])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
