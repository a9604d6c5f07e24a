"""What `alerts check` prints: a screenful, the verdict's sentence first, the exit code last.

Every part has its own limit, so that a bad night with hundreds of alerts still says what else there is. No line begins with foreign
text: a runner would read one that begins with `::` as a command.
"""

from collections.abc import Callable, Sequence

from paragone.bench.history.findings import Finding
from paragone.bench.history.outcome import Outcome
from paragone.reports import style
from paragone.reports.ci import words

MOST_FAILING = 6
MOST_STANDING = 5
MOST_WAITING = 4
MOST_GROUPS = 5
MOST_NAMED = 4


def summary_lines(outcome: Outcome) -> list[str]:
    """Plain lines, about forty at most, without line ends."""
    lines = [words.plain(outcome.headline, 300)]
    for entry in words.few([_failing(outcome, f) for f in outcome.failing], MOST_FAILING, "more confirmed regressions"):
        lines += [f"  {line}" for line in entry.split("\n")]
    lines += _part("known and still there:", outcome.standing, lambda f: _standing(outcome, f), MOST_STANDING)
    lines += _part("waiting for a second night:", words.in_state(outcome, "waiting"), _waiting, MOST_WAITING)
    if outcome.not_judged:
        lines += ["not judged:", *(f"  {line}" for line in words.few(_groups(outcome), MOST_GROUPS, "more reasons"))]
    lines += [f"notice: {words.plain(notice, 300)}" for notice in outcome.judgement.notices[:2]]
    lines += [words.skipped(outcome.skipped)] if outcome.skipped else []
    lines += [line for line in _in_passing(outcome) if line]
    return [*lines, f"verdict: {outcome.verdict}, exit code {outcome.exit_code}"]


def _part(title: str, findings: Sequence[Finding], told: Callable[[Finding], str], most: int) -> list[str]:
    lines = words.few([told(f) for f in findings], most)
    return [title, *(f"  {line}" for line in lines)] if lines else []


def _failing(outcome: Outcome, finding: Finding) -> str:
    alert = finding.alert
    if alert is None:
        return f"series {words.name(finding)}"
    before, now = words.before_and_now(finding)
    ran_out = words.why_it_fails(outcome, finding)
    told = [f"{alert.id} {words.name(finding)}: {words.change_of(finding)}, {words.confirmed_by(alert)}"]
    told.append(
        f"    before {before}, now {now}; first bad run {words.first_bad(outcome, alert)}, last good {words.last_good(alert)}"
        + (f"; {ran_out}" if ran_out else "")
    )
    return "\n".join(told)


def _standing(outcome: Outcome, finding: Finding) -> str:
    alert = finding.alert
    known = f"{alert.id} " if alert is not None else "series "
    return f"{known}{words.name(finding)}: {words.change_of(finding)}, {words.why_it_stands(outcome, finding)}"


def _waiting(finding: Finding) -> str:
    return f"series {words.name(finding)}: {words.change_of(finding)}; {words.plain(finding.reason, 200)}"


def _groups(outcome: Outcome) -> list[str]:
    return [
        f"{group.words}, {style.plural(len(group.findings), 'series', 'series')}: {_names(group.findings)}"
        for group in words.grouped(outcome.not_judged)
    ]


def _in_passing(outcome: Outcome) -> list[str]:
    """One line each for what nobody has to act on."""
    told = (
        ("moved with the machine", words.in_state(outcome, "moved")),
        ("looked worse, not confirmed by re-runs", words.in_state(outcome, "refuted")),
        ("changed", words.in_state(outcome, "changed")),
        ("resolved", words.in_state(outcome, "resolved")),
    )
    lines = [f"{title}: {_names(findings)}" if findings else "" for title, findings in told]
    improved = [f"{words.name(f)} {_amount(f)}" for f in words.in_state(outcome, "improved")]
    return [*lines, f"improved: {', '.join(words.few(improved, MOST_NAMED))}" if improved else ""]


def _amount(finding: Finding) -> str:
    return words.change_of(finding) if finding.change is not None else words.plain(finding.reason, 80)


def _names(findings: Sequence[Finding]) -> str:
    return ", ".join(words.few([words.name(f) for f in findings], MOST_NAMED))
