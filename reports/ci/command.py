"""The command `alerts`: parse, call one function, print what it says. Nothing in here or behind it imports torch.

Exit codes of `alerts check`: 0 no new regression, 3 a confirmed one, 4 with --strict something could not be judged, 1 a file that
was asked for could not be written (where the verdict itself is 0), 2 usage. What fails in telling others never changes a verdict.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paragone.bench.errors import UsageError, unknown

if TYPE_CHECKING:
    from paragone.bench.history.outcome import Outcome

app = typer.Typer(no_args_is_help=True, help="Nightly runs against their history: check, calibrate, acknowledge, history, import.")

History = Annotated[Path, typer.Option(help="The folder of earlier runs.")]
Acknowledged = Annotated[Path, typer.Option(help="The file of acknowledgements.")]
ACKNOWLEDGED = Path("alerts.toml")


@app.command()
def check(
    run: Annotated[Path, typer.Argument(help="The run to check; it may lie in the history already.")],
    history: History,
    confirm: Annotated[int, typer.Option(help="Pairs of re-runs that confirm a suspicion, up to twice as many; 0: none.")] = 5,
    base: Annotated[str | None, typer.Option(help="Commit or folder to run against, instead of the last good night's.")] = None,
    fail_on: Annotated[list[str] | None, typer.Option(help="Only this kind fails: time memory energy quality exact.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 4 where something could not be judged.")] = False,
    acknowledged: Acknowledged = ACKNOWLEDGED,
    markdown: Annotated[Path | None, typer.Option(help="Write a summary of at most 64 KiB, fit for a comment.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML, one case a series.")] = None,
    openmetrics: Annotated[Path | None, typer.Option(help="Write OpenMetrics text.")] = None,
    benchmark_json: Annotated[Path | None, typer.Option(help="Write github-action-benchmark's customSmallerIsBetter.")] = None,
    webhook: Annotated[list[str] | None, typer.Option(help="File or URL that gets the JSON body; repeat it for more.")] = None,
) -> None:
    """Hold a run against its history: exit code 3 on a confirmed regression."""
    from paragone.bench.history.checking import Terms, check_run
    from paragone.bench.history.watched import KINDS
    from paragone.reports.ci import annotations, terminal

    for kind in fail_on or ():
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS, f"--fail-on takes one of: {', '.join(KINDS)}")
    kinds = tuple(kind for kind in KINDS if not fail_on or kind in fail_on)
    outcome = check_run(run, history, Terms(confirm, base, kinds, strict, acknowledged), _say)
    print("\n".join(terminal.summary_lines(outcome)), flush=True)
    if annotations.in_github_actions(os.environ):
        print("\n".join(annotations.annotation_lines(outcome)), flush=True)
        problem = annotations.append_summary(outcome, os.environ)
        if problem:
            _say(problem)
    written = _write(outcome, markdown, junit, openmetrics, benchmark_json)
    _deliver(outcome, webhook or [])
    raise SystemExit(outcome.exit_code or (0 if written else 1))


def _write(
    outcome: "Outcome", markdown: Path | None, junit: Path | None, openmetrics: Path | None, benchmark_json: Path | None
) -> bool:
    """Write the files that were asked for; False where one could not be, which is said."""
    from paragone.bench.files import write_atomically
    from paragone.reports.ci.dashboard import dashboard_entries
    from paragone.reports.ci.junit import junit_xml
    from paragone.reports.ci.markdown import COMMENT_BYTES, summary_markdown
    from paragone.reports.ci.openmetrics import openmetrics_text

    asked: list[tuple[Path | None, Callable[[], str]]] = [
        (markdown, lambda: summary_markdown(outcome, COMMENT_BYTES)),
        (junit, lambda: junit_xml(outcome)),
        (openmetrics, lambda: openmetrics_text(outcome)),
        (benchmark_json, lambda: json.dumps(dashboard_entries(outcome), indent=1) + "\n"),
    ]
    written = True
    for path, content in asked:
        try:
            if path is not None:
                write_atomically(path, content())
        except OSError as error:
            _say(f"error: {path} cannot be written: {error.strerror}; the verdict stands")
            written = False
    return written


def _deliver(outcome: "Outcome", targets: list[str]) -> None:
    from paragone.reports.ci.webhook import deliver, webhook_body

    for target in targets:
        problem = deliver(target, webhook_body(outcome))
        if problem:
            _say(f"{problem}; the verdict stands")


@app.command()
def calibrate(history: History) -> None:
    """Say what this history can see: noise, smallest detectable effects, expected false alerts a month."""
    from paragone.bench.history.calibration import calibrate as look
    from paragone.bench.history.index import Index
    from paragone.bench.listing import print_rows
    from paragone.reports.ci.calibration import HEAD, calibration_lines, calibration_rows

    with Index.open(_folder(history)) as index:
        found = look(index.all_series(), index.past)
        skipped = index.skipped
    if found.sights:
        print_rows(HEAD, calibration_rows(found))
    print("\n".join(calibration_lines(found, skipped)))


@app.command()
def acknowledge(
    alert: Annotated[str, typer.Argument(help="The alert's id, as `alerts check` prints it.")],
    history: History,
    reason: Annotated[str, typer.Option(help="Why it may stay.")],
    until: Annotated[str, typer.Option(help="Silent through this day, YYYY-MM-DD; then it fails again.")],
    acknowledged: Acknowledged = ACKNOWLEDGED,
) -> None:
    """Silence an alert until a date, in a file that belongs into the repository."""
    from datetime import UTC, datetime

    from paragone.bench.history.acknowledgements import add_acknowledgement, day
    from paragone.bench.history.index import Index
    from paragone.bench.history.life import Acknowledgement

    last, today = day(until), datetime.now(UTC).date().isoformat()
    if last < today:
        raise UsageError(f"--until {last} has passed, today is {today}; name a day to come")
    if not reason.strip():
        raise UsageError("--reason is empty; say why the alert may stay")
    with Index.open(_folder(history)) as index:
        past = index.past
    known = {found.id: found for found in past.alerts}
    if alert not in known:
        raise unknown("alert", alert, known, f"{history} knows {len(known)} alerts; `alerts history` lists them")
    add_acknowledgement(acknowledged, Acknowledgement(id=alert, reason=reason.strip(), until=last))
    found = known[alert]
    gone = "" if alert in past.open_ids else "; it has gone away already"
    print(f"{alert} ({found.entry} {found.metric}) is silent through {last}{gone}")
    print(f"written to {acknowledged}: commit this file")


@app.command()
def history(
    history: History,
    out: Annotated[Path | None, typer.Option(help="The page; default history.html in that folder.")] = None,
    acknowledged: Acknowledged = ACKNOWLEDGED,
) -> None:
    """Write a page with every series, its segments and its alerts."""
    from paragone.bench.history.acknowledgements import read_acknowledgements
    from paragone.bench.history.index import Index
    from paragone.reports.history_page import write_history

    path = out if out is not None else history / "history.html"
    known = read_acknowledgements(acknowledged)
    with Index.open(_folder(history)) as index:
        past = index.past
        write_history(
            path, index.all_series(), index.nights, past.alerts, past.open_ids, known, index.skipped, past.explained
        )  # fmt: skip
    print(path)


@app.command("import")
def import_(file: Annotated[Path, typer.Argument(help="What `pytest --benchmark-json=FILE` wrote.")], history: History) -> None:
    """Take benchmarks of pytest-benchmark into the history as a run; the last line is its folder."""
    from paragone.bench.history.importing import import_benchmarks

    print(import_benchmarks(file, history))


def _folder(history: Path) -> Path:
    if not history.is_dir():
        raise UsageError(f"--history {history} is not a folder; name the folder that holds the runs")
    return history


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
