"""What is said of a night: a finding for each series, and the judgement that holds them all. See judging.py for the states."""

from dataclasses import dataclass
from typing import Literal

from paragone.bench.history.confirmation import Confirmation
from paragone.bench.history.life import Alert, Check
from paragone.bench.history.screen import Baseline
from paragone.bench.history.series import Key, Night, Point
from paragone.bench.history.watched import WATCHED, Watch

State = Literal[
    "missing", "invalid", "no baseline", "warming up", "ok", "improved", "changed", "waiting", "refuted", "moved", "alert", "open",
    "resolved",
]  # fmt: skip
WORST_FIRST: tuple[State, ...] = (
    "alert", "open", "waiting", "missing", "invalid", "moved", "refuted", "no baseline", "warming up", "changed", "improved",
    "resolved", "ok",
)  # fmt: skip
NOT_JUDGED: frozenset[State] = frozenset({"missing", "invalid", "no baseline", "warming up"})


@dataclass(frozen=True)
class Finding:
    """What is said of one series tonight.

    Attributes:
        reason: in words, for every state but ok.
        known: what the past let expect; None where nothing was compared on a scale.
        confirmation: what re-runs said, where there were any.
        alert: the alert it is about (states alert, open, resolved); `gone` all alerts that ended tonight.
        nights: eligible earlier nights.
        creep: the suspicion is slow growth, not a step.
    """

    key: Key
    state: State
    reason: str = ""
    tonight: Point | None = None
    known: Baseline | None = None
    confirmation: Confirmation | None = None
    alert: Alert | None = None
    gone: tuple[Alert, ...] = ()
    nights: int = 0
    creep: bool = False

    @property
    def watch(self) -> Watch:
        """How its metric is watched."""
        return WATCHED[self.key.metric]

    @property
    def judged(self) -> bool:
        """False where nothing could be said."""
        return self.state not in NOT_JUDGED

    @property
    def change(self) -> float | None:
        """Tonight's compared value less the level, larger is worse; None where there is no level."""
        if self.known is None or self.tonight is None or self.tonight.value is None:
            return None
        return self.tonight.value - self.known.level


@dataclass(frozen=True)
class Judgement:
    """A night, judged; `notices` are about the night as a whole."""

    night: Night
    findings: tuple[Finding, ...]
    notices: tuple[str, ...] = ()

    @property
    def opened(self) -> tuple[Alert, ...]:
        """Alerts opened tonight."""
        return tuple(f.alert for f in self.findings if f.state == "alert" and f.alert is not None)

    @property
    def worst_first(self) -> tuple[Finding, ...]:
        """Findings, the most urgent state first, within a state the largest change."""
        return tuple(sorted(self.findings, key=lambda f: (WORST_FIRST.index(f.state), -(f.change or 0.0), f.key)))

    @property
    def reruns(self) -> int:
        """Series that were run again."""
        return sum(f.confirmation is not None for f in self.findings)

    @property
    def check(self) -> Check:
        """What has to be remembered of this night."""
        gone = tuple(alert.id for f in self.findings for alert in f.gone)
        return Check(
            run=self.night.run, started=self.night.started, opened=self.opened, refuted=self._ids("refuted"),
            moved=self._ids("moved"), resolved=gone,
        )  # fmt: skip

    def _ids(self, state: State) -> tuple[str, ...]:
        return tuple(f.key.id for f in self.findings if f.state == state)
