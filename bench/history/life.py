"""The life of an alert: opened on one night, open on the nights after, acknowledged until a date, resolved when it went away.

`<run>/alerts.json` holds what one check said of that run and no record tells: alerts opened, suspicions that a re-run refuted,
series that moved with the machine, alerts resolved. All state over nights follows from these files; merging folders merges them.

    id             hash of the series and the first bad run: the same on every machine and every time it is checked
    acknowledged   a table in a TOML file of the repository: id, reason, until; silent through that day, then it fails again

Schema history of alerts.json: 1 first version.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from paragone.bench.history.series import Key, Kind, digest
from paragone.bench.records import Frozen

CHECK_VERSION = 1
CHECK_FILE = "alerts.json"
How = Literal["re-run", "two nights", "exact", "creep"]


class Alert(Frozen):
    """One confirmed worsening. Numbers are compared values (see series.py) unless their name says raw.

    `first_bad` and `opened` are runs; `before_raw` and `after_raw` the reference level and tonight in the metric's unit.
    """

    id: str
    series: str = Field(description="id of the key")
    entry: str
    metric: str
    kind: Kind
    first_bad: str
    first_bad_commit: str = ""
    last_good: str = ""
    last_good_commit: str = ""
    opened: str
    opened_at: str
    how: How
    base_commit: str = Field(default="", description="what head was held against in re-runs")
    level: float | None = None
    level_since: str = Field(default="", description="the first run of those that make the level")
    limit: float | None = Field(default=None, description="at or below it a night has gone back, at least half the way")
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    differences: tuple[float, ...] = ()
    before_raw: float | None = None
    after_raw: float | None = None
    before: str = Field(default="", description="exact series: what it was, and what it is")
    after: str = ""


class Check(Frozen):
    """What one check said of one run (`alerts.json`)."""

    schema_version: int = CHECK_VERSION
    run: str
    started: str
    opened: tuple[Alert, ...] = ()
    refuted: tuple[str, ...] = Field(default=(), description="series whose worsening a re-run did not find")
    moved: tuple[str, ...] = Field(default=(), description="series that moved with the machine")
    resolved: tuple[str, ...] = Field(default=(), description="ids of alerts that went away")


class Acknowledgement(Frozen):
    """Somebody knows of an alert: why it may stay, and the day (YYYY-MM-DD) through which it is silent."""

    id: str
    reason: str
    until: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")

    def holds(self, day: str) -> bool:
        """True on days (ISO 8601, date or time) up to and including `until`."""
        return day[:10] <= self.until


@dataclass(frozen=True)
class Past:
    """What earlier checks said, by series id.

    Attributes:
        open: alerts that were opened and not resolved, oldest first.
        explained: runs on which a change for the worse was explained.
        alerts: every alert ever opened.
        checked: runs that were checked.
    """

    open: Mapping[str, Sequence[Alert]] = field(default_factory=dict)
    explained: Mapping[str, frozenset[str]] = field(default_factory=dict)
    alerts: Sequence[Alert] = ()
    checked: frozenset[str] = frozenset()

    @property
    def open_ids(self) -> frozenset[str]:
        """Ids of the alerts that are open."""
        return frozenset(alert.id for alerts in self.open.values() for alert in alerts)


def past_of(checks: Iterable[Check]) -> Past:
    """The state after these checks, in whatever order they come."""
    ordered = sorted(checks, key=lambda check: (check.started, check.run))
    open_: dict[str, dict[str, Alert]] = {}
    explained: dict[str, set[str]] = {}
    for check in ordered:
        for alerts in open_.values():
            for name in check.resolved:
                alerts.pop(name, None)
        for alert in check.opened:  # one that was resolved may open again, under its own id
            open_.setdefault(alert.series, {})[alert.id] = alert
            explained.setdefault(alert.series, set()).update((alert.first_bad, alert.opened))
        for series in (*check.refuted, *check.moved):
            explained.setdefault(series, set()).add(check.run)
    return Past(
        {series: tuple(alerts.values()) for series, alerts in open_.items() if alerts},
        {series: frozenset(runs) for series, runs in explained.items()},
        tuple(alert for check in ordered for alert in check.opened),
        frozenset(check.run for check in ordered),
    )


def alert_id(key: Key, first_bad: str) -> str:
    """The stable id of an alert of this series whose first bad run is this one."""
    return f"alert-{digest(key.id, first_bad)[:10]}"
