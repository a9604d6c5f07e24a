"""Everything that a person sees of a run, written into its folder: tables, plots, report.html, claims.html, report.md."""

from dataclasses import dataclass
from pathlib import Path

from paragone.bench.files import write_atomically
from paragone.reports import claims_page, html, markdown, timings
from paragone.reports.chart import Plot
from paragone.reports.evidence import evidence
from paragone.reports.plots import figures
from paragone.reports.run import Run, load
from paragone.reports.tables import write_tables


@dataclass(frozen=True)
class Report:
    """Where the reports of a run lie, and the run that they were made of."""

    run: Run
    html: Path
    claims: Path
    markdown: Path
    tables: tuple[Path, ...]
    plots: tuple[Path, ...]


def write_report(folder: Path) -> Report:
    """Write tables, plots and reports from the records of a run folder; the same records give the same bytes.

    Raises:
        RecordError: the folder holds no run, or records of another schema version.
        OSError: it cannot be written.
    """
    run = load(folder)
    tables = write_tables(run)
    plots = {track.name: figures(run, track) for track in run.tracks}
    machine = timings.figure(run)
    drawn = [plot for own in plots.values() for plot in own] + ([machine] if machine is not None else [])
    pictures = [path for plot in drawn for path in _write_plot(folder / "plots", plot)]
    shown = {(verdict.claim.id, verdict.track): evidence(run, verdict) for verdict in run.verdicts}
    pages = {
        "report.html": html.render(run, plots, machine, shown),
        "claims.html": claims_page.render(run, shown),
        "report.md": markdown.render(run, plots, machine),
    }
    for name, text in pages.items():
        write_atomically(folder / name, text)
    html_path, claims_path, markdown_path = (folder / name for name in pages)
    return Report(run, html_path, claims_path, markdown_path, tuple(tables), tuple(pictures))


def _write_plot(folder: Path, plot: Plot) -> list[Path]:
    png, svg = folder / f"{plot.name}.png", folder / f"{plot.name}.svg"
    write_atomically(png, plot.png)
    write_atomically(svg, plot.svg)
    return [png, svg]
