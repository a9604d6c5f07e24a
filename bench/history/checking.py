"""One run held against a folder of earlier ones: read, judge, run again what is suspicious, remember, tell."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from paragone.bench.errors import UsageError
from paragone.bench.files import write_atomically
from paragone.bench.history.acknowledgements import ACKNOWLEDGED_FILE, read_acknowledgements
from paragone.bench.history.confirmation import FEWEST
from paragone.bench.history.findings import Judgement
from paragone.bench.history.index import Index
from paragone.bench.history.judging import PAIRS, History, judge_night
from paragone.bench.history.laboratory import GitLaboratory
from paragone.bench.history.life import CHECK_FILE, Check
from paragone.bench.history.outcome import Outcome
from paragone.bench.history.reading import Reading, read_night
from paragone.bench.history.series import Kind
from paragone.bench.history.suspects import relocate
from paragone.bench.history.watched import KINDS
from paragone.bench.records import to_json


@dataclass(frozen=True)
class Terms:
    """How a run is checked.

    Attributes:
        pairs: re-runs of head and base that confirm a suspicion, as many more where they do not decide; 0: none.
        base: commit or folder that head is held against in re-runs; None: for each suspicion a night before it began.
        fail_on: kinds whose alerts end in exit code 3; `strict`: what could not be judged ends in 4.
        acknowledged: file of acknowledgements.
    """

    pairs: int = PAIRS
    base: str | None = None
    fail_on: tuple[Kind, ...] = KINDS
    strict: bool = False
    acknowledged: Path = Path(ACKNOWLEDGED_FILE)


def check_run(run: Path, history: Path, terms: Terms, log: Callable[[str], None]) -> Outcome:
    """Check a run against the earlier ones in `history` and write what was found to its `alerts.json`.

    The run may lie in that folder itself. `log` takes a line of plain text at a time: re-runs, and what could not be written.

    Raises:
        UsageError: no such run or folder, a number of pairs that decides nothing, a base that is none, a faulty file of
            acknowledgements. A run that is empty or damaged is no such error: it is not judged.
    """
    _refuse(run, history, terms)
    acknowledgements = read_acknowledgements(terms.acknowledged)
    reading = read_night(run)
    with Index.open(history) as index:
        tonight, earlier = index.before(reading.night)
        skipped = index.skipped
    with _laboratory(run, reading, terms, log) as lab:
        judgement = judge_night(tonight, earlier, lab, terms.pairs)
    _remember(run, judgement.check, log)
    return Outcome(
        judgement, acknowledgements, terms.fail_on, terms.strict, _together(skipped, reading.skipped),
        _located(judgement, earlier),
    )  # fmt: skip


def _refuse(run: Path, history: Path, terms: Terms) -> None:
    if not run.is_dir():
        raise UsageError(f"{run} is not a folder; name a run, as `run --out FOLDER` writes it")
    if history.exists() and not history.is_dir():
        raise UsageError(f"--history {history} is not a folder; name the folder that holds the earlier runs")
    if 0 < terms.pairs < FEWEST or terms.pairs < 0:
        raise UsageError(f"--confirm {terms.pairs}: below {FEWEST} pairs nothing is decided; 0 runs nothing again")
    if terms.base is not None and terms.pairs == 0:
        raise UsageError(f"--base {terms.base} has no use with --confirm 0, which runs nothing again")


def _laboratory(run: Path, reading: Reading, terms: Terms, log: Callable[[str], None]) -> "GitLaboratory | nullcontext[None]":
    """Where suspicions are confirmed; nowhere if that was not asked for, or if there is nothing to run again."""
    if terms.pairs == 0 or not reading.night.started:
        return nullcontext()
    return GitLaboratory(run, reading.night, terms.base, log)


def _remember(run: Path, check: Check, log: Callable[[str], None]) -> None:
    """Write `alerts.json`; where that is impossible the verdict still counts, and later nights are told so."""
    if not check.started:
        return
    try:
        write_atomically(run / CHECK_FILE, to_json(check))
    except OSError as error:
        log(f"{run / CHECK_FILE} cannot be written ({error.strerror}): later checks will not know of this one's alerts")


def _located(judgement: Judgement, earlier: History) -> dict[str, str]:
    """By alert id, the first bad run as all nights up to this one show it."""
    found = {}
    for f in judgement.findings:
        if f.alert is None or f.key not in earlier.series or f.tonight is None or not f.tonight.ok:
            continue
        seen = relocate(f.alert, (*earlier.series[f.key].eligible, f.tonight))
        if seen is not None:
            found[f.alert.id] = seen.run
    return found


def _together(*parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words for part in parts for words in part))
