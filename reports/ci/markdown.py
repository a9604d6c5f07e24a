"""The check as GitHub-flavoured Markdown: a job's summary (1 MiB), or a comment on a change (65,536 characters).

Worst first. Where there is not room for all, whole rows are left out from the end, and how many is said. Foreign text is escaped; a
word joiner after `@` keeps a benchmark's name from calling a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from paragone.bench.history.findings import Finding
from paragone.bench.history.outcome import Outcome
from paragone.reports.ci import words
from paragone.reports.markup import table, text

JOB_SUMMARY_BYTES = 1 << 20
COMMENT_BYTES = 65_536
LEAST_BYTES = 4096
"""Room for the head and the words that all else was left out."""
SILENT_DAYS = 14
"""Days that the command shown would silence an alert for."""
_RESERVED = 200
_SYMBOLS = {"regression": "✘", "not judged": "○", "warming up": "○", "ok": "✔"}
_ALERT_HEADS = ("alert", "series", "before", "now", "change", "confirmed by", "first bad run", "last good run", "commits", "")


@dataclass(frozen=True)
class Section:
    """A heading, a table's head, its rows, and what follows the table."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    after: str = ""

    def head(self) -> str:
        """All that stands before the first row."""
        return f"\n### {self.title}\n\n{table(self.heads, [])}\n"


def summary_markdown(outcome: Outcome, limit_bytes: int = JOB_SUMMARY_BYTES) -> str:
    """The summary in at most `limit_bytes` bytes of UTF-8, and so in no more characters.

    Raises:
        ValueError: the limit has no room for the head.
    """
    if limit_bytes < LEAST_BYTES:
        raise ValueError(f"{limit_bytes} bytes are too few for a summary; give at least {LEAST_BYTES}")
    parts, room, left_out = [_head(outcome)], limit_bytes - _RESERVED, 0
    room -= _size(parts[0])
    for section in _sections(outcome):
        kept, room = _fit(section, room if not left_out else 0)
        left_out += len(section.rows) - len(kept)
        parts += [section.head() + "".join(kept) + section.after] if kept else []
    more = f"\n**{left_out} more** left out here for want of room, the least urgent ones.\n" if left_out else ""
    return "".join(parts) + more


def _fit(section: Section, room: int) -> tuple[list[str], int]:
    """The rows for which there is room, and the room left."""
    kept: list[str] = []
    room -= _size(section.head() + section.after)
    for row in section.rows:
        line = f"| {' | '.join(row)} |\n"
        if _size(line) > room:
            break
        room -= _size(line)
        kept.append(line)
    return kept, room


def _head(outcome: Outcome) -> str:
    night = outcome.judgement.night
    where = [f"run {_cell(night.run, 80)}", _cell(night.started, 40), f"suite {_cell(night.suite, 80)}" if night.suite else ""]
    where += [f"commit {_cell(night.commit, 40)}" if night.commit else "", f"machine {_cell(night.machine, 40)}"]
    lines = [
        f"## {_SYMBOLS[outcome.verdict]} {_cell(outcome.headline, 300)}",
        " · ".join(part for part in where if part),
        *(f"**{_cell(notice, 200)}**" for notice in outcome.judgement.notices[:2]),
        f"Verdict: {outcome.verdict}, exit code {outcome.exit_code}. {_counts(outcome)}.",
    ]
    return "\n\n".join(lines) + "\n"


def _counts(outcome: Outcome) -> str:
    counted: dict[str, int] = {}
    for f in outcome.judgement.worst_first:
        counted[f.state] = counted.get(f.state, 0) + 1
    states = ", ".join(f"{n} {state}" for state, n in counted.items()) or "none"
    return f"Series: {states}; run again: {outcome.judgement.reruns}"


def _sections(outcome: Outcome) -> list[Section]:
    found = [
        Section("Confirmed regressions", _ALERT_HEADS, _alerts(outcome, outcome.failing), _how_to_acknowledge(outcome)),
        Section("Known and still there", _ALERT_HEADS, _alerts(outcome, outcome.standing)),
        _plain("Waiting for a second night", words.in_state(outcome, "waiting")),
        Section("Not judged", ("series", "how many", "why"), _reasons(outcome.not_judged)),
        Section("Files that could not be read", ("file",), [(_cell(file, 300),) for file in outcome.skipped]),
        _plain("Moved with the machine", words.in_state(outcome, "moved")),
        _plain("Looked worse, not confirmed by re-runs", words.in_state(outcome, "refuted")),
        _plain("Changed", words.in_state(outcome, "changed")),
        _plain("Improved", words.in_state(outcome, "improved")),
        _plain("Resolved", words.in_state(outcome, "resolved")),
    ]
    return [section for section in found if section.rows]


def _alerts(outcome: Outcome, findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    rows = []
    for f in findings:
        alert = f.alert
        if alert is None:
            continue
        before, now = words.before_and_now(f)
        state = words.why_it_fails(outcome, f) or (words.why_it_stands(outcome, f) if not outcome.fails(f) else "new")
        told = (words.change_of(f), words.confirmed_by(alert), words.first_bad(outcome, alert), words.last_good(alert))
        rows.append(tuple(_cell(part) for part in (alert.id, words.name(f), before, now, *told, words.commits(alert), state)))
    return rows


def _plain(title: str, findings: Sequence[Finding]) -> Section:
    rows = [
        tuple(_cell(part) for part in (words.name(f), *words.before_and_now(f), words.change_of(f), f.reason)) for f in findings
    ]
    return Section(title, ("series", "before", "now", "change", "why"), rows)


def _reasons(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    return [
        (_cell(", ".join(words.few([words.name(f) for f in g.findings], 5))), str(len(g.findings)), _cell(g.words))
        for g in words.grouped(findings)
    ]


def _how_to_acknowledge(outcome: Outcome) -> str:
    ids = [f.alert.id for f in outcome.failing if f.alert is not None]
    if not ids:
        return ""
    until = _days_after(outcome.judgement.night.started, SILENT_DAYS)
    command = (
        f'python run_bench.py alerts acknowledge {words.plain(ids[0], 40)} --history DIR --reason "why it may stay" --until {until}'
    )
    return f"\nTo silence one that is known until a date:\n\n```sh\n{command}\n```\n"


def _days_after(started: str, days: int) -> str:
    try:
        return (date.fromisoformat(started[:10]) + timedelta(days)).isoformat()
    except (ValueError, OverflowError):
        return "YYYY-MM-DD"


def _cell(value: object, limit: int = 400) -> str:
    return text(words.plain(value, limit).replace("&", "&amp;"), 5 * limit).replace("@", "@\u2060")


def _size(part: str) -> int:
    return len(part.encode())
