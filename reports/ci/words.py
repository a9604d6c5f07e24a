"""How a finding is put into words and numbers, the same in every output.

    effect e > 0 on the log scale     +(exp(e) - 1) in percent, "slower", "more"; from ten-fold on as a factor
    effect on the identity scale      the difference in the metric's unit
    rates (items a second)            the change of the time an item takes, since a rate falls when it gets worse

Names, reasons and commits are foreign text: `plain` makes one harmless line of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from paragone.bench.history.findings import Finding, State
from paragone.bench.history.life import Alert
from paragone.bench.history.outcome import Outcome
from paragone.bench.history.series import Kind
from paragone.bench.history.watched import Watch
from paragone.reports import style

_WORSE: dict[Kind, tuple[str, str]] = {
    "time": ("slower", "faster"),
    "memory": ("more memory", "less memory"),
    "energy": ("more energy", "less energy"),
    "quality": ("worse", "better"),
    "exact": ("more", "less"),
}
_MOST_LOG = 700.0
"""exp of more overflows."""
WITHOUT = style.MISSING
MOST_SKIPPED = 10


@dataclass(frozen=True)
class Group:
    """Series of one state for one reason."""

    state: State
    reason: str
    findings: tuple[Finding, ...]

    @property
    def words(self) -> str:
        """`missing (digits.vae.s1 failed)`."""
        return f"{self.state} ({plain(self.reason, 300)})" if self.reason else self.state


def plain(value: object, limit: int = 160) -> str:
    """Foreign text as one line; `##[` would be a command to a runner that reads what is printed."""
    return style.line(value, limit).replace("##[", "## [")


def name(finding: Finding) -> str:
    """`digits/vae train_step_s`."""
    return f"{plain(finding.key.entry)} {finding.key.metric}"


def quantity(watch: Watch, raw: float | None) -> str:
    """A value of this metric with its unit: `2.13 ms`, `104 MB`, `81.2 /s`; counts in full."""
    if raw is None or math.isnan(raw):
        return WITHOUT
    if watch.kind == "exact":
        whole = style.count(raw) if float(raw).is_integer() else style.number(raw, 6)
        return f"{whole}{style.THIN}flop" if watch.unit == "flop" else whole
    match watch.unit:
        case "s":
            return style.seconds(raw)
        case "bytes":
            return style.megabytes(raw)
        case "1/s":
            return f"{style.number(raw)}{style.THIN}/s"
        case "J":
            return style.scaled(raw, "J")
        case "":
            return style.number(raw)
        case unit:
            return f"{style.number(raw)}{style.THIN}{unit}"


def change(watch: Watch, effect: float | None, low: float | None = None, high: float | None = None) -> str:
    """`+21 % slower [+15 %, +28 %]`; an em dash where no change is known."""
    if effect is None or math.isnan(effect):
        return WITHOUT
    word = _WORSE[watch.kind][effect < 0]
    of = " (time an item)" if watch.unit == "1/s" else ""
    return " ".join(part for part in (_amount(watch, effect), word + of, interval(watch, low, high)) if part)


def interval(watch: Watch, low: float | None, high: float | None) -> str:
    """`[+15 %, +28 %]`, empty where there is no finite one."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{_amount(watch, low)}, {_amount(watch, high)}]"


def ratio_of(effect: float) -> float:
    """The factor of a log effect, capped where it would overflow."""
    return math.exp(max(-_MOST_LOG, min(_MOST_LOG, effect)))


def _amount(watch: Watch, effect: float) -> str:
    sign = style.MINUS if effect < 0 else "+"
    if not watch.relative:
        return sign + style.number(abs(effect)) + (f"{style.THIN}{watch.unit}" if len(watch.unit) > 1 else "")
    factor = ratio_of(effect)
    return f"×{style.number(factor)}" if factor >= 10 else sign + style.percent(abs(factor - 1))


def change_of(finding: Finding) -> str:
    """The change of a finding: as the alert or the re-runs have it, else tonight against the level."""
    alert, again = finding.alert, finding.confirmation
    if finding.state in ("alert", "open") and alert is not None:
        if alert.effect is not None:
            return change(finding.watch, alert.effect, alert.low, alert.high)
        return _exact_change(finding.watch, alert)
    if again is not None and again.differences:
        return change(finding.watch, again.effect, again.low, again.high)
    return change(finding.watch, finding.change)


def _exact_change(watch: Watch, alert: Alert) -> str:
    before, after = alert.before_raw, alert.after_raw
    if before is None or after is None:
        return "changed"
    if watch.relative and before > 0 and after > 0:
        return change(watch, math.log(after / before))
    return change(watch, after - before) if not watch.relative else "changed"


def before_and_now(finding: Finding) -> tuple[str, str]:
    """Raw values with their unit: the reference level, and tonight (an open alert: the night that opened it)."""
    alert, watch = finding.alert, finding.watch
    if finding.state in ("alert", "open") and alert is not None:
        if alert.before_raw is None and alert.after_raw is None:
            return plain(alert.before, 40) or WITHOUT, plain(alert.after, 40) or WITHOUT
        return quantity(watch, alert.before_raw), quantity(watch, alert.after_raw)
    raw = finding.tonight.raw if finding.tonight is not None else None
    if raw is None or finding.change is None:
        return WITHOUT, quantity(watch, raw)
    back = watch.sign * finding.change
    return quantity(watch, raw * ratio_of(-back) if watch.relative else raw - back), quantity(watch, raw)


def confirmed_by(alert: Alert) -> str:
    """How it was confirmed: `5 pairs against 1a2b3c`, `two of three nights`, `compared exactly`, `slow growth over ten nights`."""
    if alert.how == "re-run":
        against = f" against {plain(alert.base_commit, 40)}" if alert.base_commit else ""
        return style.plural(len(alert.differences), "pair") + against
    return {"two nights": "two of three nights", "exact": "compared exactly", "creep": "slow growth over ten nights"}[alert.how]


def first_bad(outcome: Outcome, alert: Alert) -> str:
    """The first bad run as seen from the nights since, with its commit where it is known."""
    run = outcome.located.get(alert.id, alert.first_bad)
    return run_and_commit(run, alert.first_bad_commit if run == alert.first_bad else "")


def last_good(alert: Alert) -> str:
    """The last good run with its commit, `unknown` where there is none."""
    return run_and_commit(alert.last_good, alert.last_good_commit) if alert.last_good else "unknown"


def run_and_commit(run: str, commit: str) -> str:
    """`2026-03-04 (commit 1a2b3c)`."""
    return plain(run, 80) + (f" (commit {plain(commit, 40)})" if commit else "")


def commits(alert: Alert) -> str:
    """`good..bad`, what git takes as a range; an em dash where a commit is not known."""
    if not alert.last_good_commit or not alert.first_bad_commit:
        return WITHOUT
    return f"{plain(alert.last_good_commit, 40)}..{plain(alert.first_bad_commit, 40)}"


def why_it_stands(outcome: Outcome, finding: Finding) -> str:
    """Why an alert that is there does not fail tonight."""
    alert = finding.alert
    if alert is None:
        return ""
    known = outcome.acknowledgement(alert)
    if known is not None:
        return f"acknowledged through {known.until}: {plain(known.reason, 120)}"
    if not finding.judged:
        return f"open since {plain(alert.opened_at[:10], 20)}, not to be seen tonight: {finding.state}"
    if finding.state == "alert":
        return f"opened tonight; {alert.kind} does not fail the check"
    return f"open since {plain(alert.opened_at[:10], 20)}"


def why_it_fails(outcome: Outcome, finding: Finding) -> str:
    """Said of an old alert whose acknowledgement ran out; empty for a new one."""
    expired = outcome.expired(finding.alert) if finding.alert is not None else None
    return f"acknowledged through {expired.until}, and still there" if expired is not None and finding.state == "open" else ""


def in_state(outcome: Outcome, *states: State) -> tuple[Finding, ...]:
    """Findings of these states, worst first."""
    return tuple(f for f in outcome.judgement.worst_first if f.state in states)


def grouped(findings: Sequence[Finding]) -> list[Group]:
    """Findings by state and reason, the largest group first."""
    found: dict[tuple[State, str], list[Finding]] = {}
    for f in findings:
        found.setdefault((f.state, f.reason), []).append(f)
    groups = [Group(state, reason, tuple(members)) for (state, reason), members in found.items()]
    return sorted(groups, key=lambda group: -len(group.findings))


def skipped(files: Sequence[str]) -> str:
    """How many files of the history could not be read, the first of them with the reason."""
    named = few([plain(file, 120) for file in files], MOST_SKIPPED)
    return f"skipped {style.plural(len(files), 'file')} that could not be read: {'; '.join(named)}"


def few(items: Sequence[str], most: int, noun: str = "more") -> list[str]:
    """At most so many items; where some are left out one fewer, and how many."""
    if len(items) <= most:
        return list(items)
    return [*items[: most - 1], f"{len(items) - most + 1} {noun}"]
