"""Paragone's command line: parse, call one function, turn its errors into exit codes.

Exit codes: 0 ok (also when some cells failed), 1 tool error or every cell failed, 2 usage; of `alerts check` also 3 confirmed
regression, 4 not judged (--strict).
"""

import os
import sys
from pathlib import Path
from typing import Annotated

# Run as a script, Python puts this folder first on the path: `models` of a user's own project would then be ours.
_HERE = str(Path(__file__).resolve().parent)
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE or __name__ != "__main__"]

try:
    import typer

    from paragone.bench.errors import UsageError
    from paragone.reports.ci.command import app as alerts
except ImportError:
    sys.exit(f"paragone is not installed in {sys.prefix}: run `make bench`, or `pip install -e {_HERE}`")

app = typer.Typer(add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(alerts, name="alerts")


@app.command()
def run(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a TOML file.")] = "quick",
    add: Annotated[list[Path] | None, typer.Option(help="FILE.py with contenders of your own; repeat it for more.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Exactly these contenders; repeat it for more.")] = None,
    budget: Annotated[str | None, typer.Option(help='"20 s", "2000 steps", "512k samples", "3e12 flops", "200 J".')] = None,
    parameters: Annotated[int | None, typer.Option(help="Parameter budget of each contender.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds 0 to N-1.")] = None,
    data: Annotated[str | None, typer.Option(help="Your own images: a folder or an npz, instead of the suite's.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")] = "auto",
    jobs: Annotated[int, typer.Option(help="Cells at the same time, each on cores of its own.")] = 1,
    out: Annotated[Path | None, typer.Option(help="The run's folder; default results/<suite>-<time>.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    cell: Annotated[list[str] | None, typer.Option(help="Only the cell with this id, no report; repeat it for more.")] = None,
) -> None:
    """Run a suite (default: quick), then write tables, plots and reports."""
    from rich.console import Console

    from paragone.bench.execute import all_failed, run_suite
    from paragone.bench.plan import Options
    from paragone.bench.progress import choose_display

    options = Options(
        add=tuple(add or ()), only=tuple(only or ()), budget=budget, parameters=parameters, seeds=seeds, data=data,
        device=device, jobs=jobs, cells=tuple(cell or ()),
    )  # fmt: skip
    try:
        folder, records = run_suite(suite, options, out, resume, tuple(sys.argv[1:]), choose_display(Console()))
    except KeyboardInterrupt:
        print("interrupted. What was finished is kept; go on with --resume", file=sys.stderr)
        raise SystemExit(1) from None
    if cell:
        print(f"single cells, so no report; write one with: report {folder}")
    else:
        _write_report(folder)
    failed = sum(record.status != "ok" for record in records)
    print(f"{failed} of {len(records)} cells failed" if failed else f"all {len(records)} cells ok")
    if all_failed(records):
        raise SystemExit(1)


@app.command("list")
def list_(what: Annotated[str, typer.Argument(help="contenders, suites, datasets, metrics or claims")]) -> None:
    """List what there is, one plain line each without a terminal."""
    from paragone.bench.listing import LISTINGS, print_rows

    if what not in LISTINGS:
        from paragone.bench.errors import unknown

        raise unknown("list", what, LISTINGS, f"One of: {', '.join(LISTINGS)}")
    print_rows(*LISTINGS[what]())


@app.command()
def report(run: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> None:
    """Write tables, plots and reports again from the records of a run."""
    from paragone.bench.records import read_manifest

    read_manifest(run)
    _write_report(run)


@app.command()
def judge(
    samples: Annotated[list[Path], typer.Argument(help="Folders of PNG or JPEG images, or npz files; several are ranked.")],
    data: Annotated[str, typer.Option(help="What they imitate: an embedded dataset, a folder of images, or an npz.")],
    out: Annotated[Path | None, typer.Option(help="A new folder for tables and contact sheets.")] = None,
) -> None:
    """Judge samples made elsewhere: quality, memorisation, intervals, and a ranking of several sets."""
    from paragone.reports.judged import check_out, print_judged, write_judged

    check_out(out)
    from paragone.bench.outside.judging import judge_samples

    judged = judge_samples(samples, data)
    print_judged(judged)
    for path in write_judged(judged, out) if out is not None else ():
        print(path)


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(help="The folder of a run: before.")],
    run_b: Annotated[Path, typer.Argument(help="The folder of another: after.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the report; default compare-<RUN_A> in RUN_B.")] = None,
) -> None:
    """Compare two runs metric by metric: ratio, interval, verdict, and what cannot be compared."""
    from paragone.reports.compare import summary_text, write_comparison

    written = write_comparison(run_a, run_b, out)
    print(summary_text(written.comparison), end="")
    print(f"report: {written.html}")


@app.command()
def doctor(json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False) -> None:
    """Say what can be measured on this machine, why the rest cannot, and what would change that."""
    from paragone.bench.doctor import examine
    from paragone.reports.doctor import as_json_text, print_examination

    if json:
        print(as_json_text(examine()))
    else:
        print_examination(examine())


def _write_report(folder: Path) -> None:
    from rich.console import Console

    from paragone.reports import write_report
    from paragone.reports.terminal import summary, summary_text

    run = write_report(folder).run
    console = Console()
    if console.is_terminal:
        console.print(summary(run))
    else:
        print(summary_text(run), end="")


def main() -> None:
    """Entry point: `run quick` without a command; errors that a user can mend end in one line."""
    try:
        app(sys.argv[1:] or ["run"])
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror or error}{where}. What was finished is kept; go on with --resume", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
