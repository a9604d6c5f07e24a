"""GitHub Actions: annotations as workflow commands, and the job's summary.

A step may show ten annotations: at most ten are written, worst first, the tenth then says how many more there are. In a message
`%`, CR and LF are percent-encoded, in a property `:` and `,` too (GitHub, "Workflow commands"; @actions/core, command.ts).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from paragone.bench.history.findings import Finding
from paragone.bench.history.outcome import Outcome
from paragone.reports import style
from paragone.reports.ci import words
from paragone.reports.ci.markdown import JOB_SUMMARY_BYTES, summary_markdown

MOST = 10
Level = Literal["error", "warning", "notice"]


@dataclass(frozen=True)
class Annotation:
    """One annotation, not yet encoded."""

    level: Level
    title: str
    message: str

    @property
    def command(self) -> str:
        """The line that is printed."""
        return f"::{self.level} title={_property(self.title)}::{_data(self.message)}"


def in_github_actions(env: Mapping[str, str]) -> bool:
    """True in a job of GitHub Actions."""
    return env.get("GITHUB_ACTIONS") == "true"


def annotation_lines(outcome: Outcome) -> list[str]:
    """Workflow commands to be printed, at most ten."""
    told = _annotations(outcome)
    if len(told) > MOST:
        left = told[MOST - 1 :]
        told = [*told[: MOST - 1], Annotation(left[0].level, f"{len(left)} more", "all of them are in the job's summary")]
    return [annotation.command for annotation in told]


def append_summary(outcome: Outcome, env: Mapping[str, str]) -> str | None:
    """Append the summary to the file that `GITHUB_STEP_SUMMARY` names; what went wrong, None where nothing did or none is named."""
    named = env.get("GITHUB_STEP_SUMMARY", "")
    if not named:
        return None
    try:
        with Path(named).open("a", encoding="utf-8") as file:
            file.write(summary_markdown(outcome, JOB_SUMMARY_BYTES - file.tell() - 1) + "\n")
    except (OSError, ValueError) as error:
        return f"the job's summary was not written: {error}"
    return None


def _annotations(outcome: Outcome) -> list[Annotation]:
    """All there is to tell, worst first."""
    doubt: Level = "error" if outcome.strict else "warning"
    told = [_alert("error", outcome, f) for f in outcome.failing]
    told += [
        Annotation(doubt, f"not judged: {style.plural(len(g.findings), 'series', 'series')}", f"{g.words}: {_names(g.findings)}")
        for g in words.grouped(outcome.not_judged)
        if g.state != "warming up" or outcome.strict
    ]
    if outcome.verdict in ("not judged", "warming up"):
        told.insert(0, Annotation(doubt if outcome.verdict == "not judged" else "notice", outcome.verdict, outcome.headline))
    told += [Annotation("warning", "environment", notice) for notice in outcome.judgement.notices]
    told += [_alert("warning", outcome, f) for f in outcome.standing]
    told += [
        Annotation("notice", f"waiting: {words.name(f)}", f"{words.change_of(f)}; {f.reason}")
        for f in words.in_state(outcome, "waiting")
    ]
    if outcome.skipped:
        named = "; ".join(words.few([words.plain(file) for file in outcome.skipped], MOST))
        told.append(Annotation("warning", f"skipped {style.plural(len(outcome.skipped), 'file')}", named))
    return sorted(told, key=lambda annotation: ("error", "warning", "notice").index(annotation.level))


def _alert(level: Level, outcome: Outcome, finding: Finding) -> Annotation:
    title = f"{words.name(finding)}: {words.change_of(finding)}"
    alert = finding.alert
    if alert is None:
        return Annotation(level, title, finding.reason)
    state = words.why_it_fails(outcome, finding) if level == "error" else words.why_it_stands(outcome, finding)
    before, now = words.before_and_now(finding)
    first, last = words.first_bad(outcome, alert), words.last_good(alert)
    parts = (f"{before} before, {now} now", words.confirmed_by(alert), f"first bad run {first}, last good {last}", state, alert.id)
    return Annotation(level, title, "; ".join(part for part in parts if part))


def _names(findings: tuple[Finding, ...]) -> str:
    return ", ".join(words.few([words.name(f) for f in findings], MOST))


def _data(value: str) -> str:
    return style.clean(value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
