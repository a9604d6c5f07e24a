"""Suspects: which base tonight is held against, and what becomes of a suspicion.

    first bad   the likeliest beginning of the stretch above the level (segments.first_bad)
    base        a reference night at least a week before it that can be run again, the latest of those that serve most suspects
    two nights  where no base can be run again: tonight and one of the two nights before lie beyond the interval at alpha .2 %, the
                smaller excess at least half the larger

A base that may be bad itself would acquit the culprit, and the beginning is known to some nights only: hence the week.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from paragone.bench.history.confirmation import FEWEST, Confirmation
from paragone.bench.history.findings import Finding
from paragone.bench.history.life import Alert, How, alert_id
from paragone.bench.history.screen import FLOOR, WINDOW, Baseline
from paragone.bench.history.segments import LONG, first_bad
from paragone.bench.history.series import Key, Point, Series
from paragone.bench.history.watched import WATCHED, Watch

FALSE_DISCOVERIES = 0.05
"""Expected share of false ones among the alerts of a night (Benjamini-Hochberg over all that were run again)."""
MARGIN = 7
"""Nights between the base and the first bad night, where there are as many."""
NIGHTS_BEFORE = 2
"""Of so many nights before tonight one must be alarming too, where the base cannot be run again."""


class Laboratory(Protocol):
    """Who runs cells again."""

    named_base: str
    """The commit or folder that every suspect is held against, where the user named one; else empty."""

    def why_not(self, commit: str) -> str:
        """Why this commit cannot be run again here, in words; empty where it can."""

    def differences(self, suspects: Sequence["Suspect"], first: int, count: int) -> Mapping[Key, Sequence[float]]:
        """Compared values of head less base in pairs `first` to `first + count - 1` of each suspect; fewer where re-runs failed."""


@dataclass(frozen=True)
class Suspect:
    """A series to be confirmed.

    Attributes:
        tonight, first_bad, last_good: tonight's point, the likeliest first bad one, and the one before that.
        base: the night whose code head is held against.
        refusal: why no base can be run again, empty where one can.
        named_base: what the user named to be run against, instead of the base.
        level_since: the first run of those that make the level.
        able: all nights that could be the base and can be run again, oldest first.
    """

    key: Key
    known: Baseline
    tonight: Point
    first_bad: Point
    last_good: Point
    base: Point
    refusal: str
    creep: bool = False
    named_base: str = ""
    level_since: str = ""
    able: tuple[Point, ...] = ()

    @property
    def watch(self) -> Watch:
        """How its metric is watched."""
        return WATCHED[self.key.metric]

    @property
    def excess(self) -> float:
        """Standard deviations by which tonight lies above the level."""
        return ((self.tonight.value or 0.0) - self.known.level) / self.known.sd

    @property
    def same_code(self) -> bool:
        """True where the base can be run again and is what ran tonight: there is nothing to compare."""
        return not self.refusal and not self.named_base and self.base.commit == self.tonight.commit

    @property
    def against(self) -> str:
        """What tonight's code is held against."""
        return self.named_base or self.base.commit or self.base.run


def suspect_of(found: Finding, series: Series, lab: Laboratory | None) -> Suspect:
    """The suspect of a finding that was screened as `waiting`."""
    known, tonight = found.known, found.tonight
    if known is None or tonight is None or tonight.value is None:
        raise ValueError(f"{found.key.name} was not screened")
    nights = [*series.eligible[-WINDOW:], tonight]
    standing = "" if found.alert is None else found.alert.opened_at
    since = sum(p.started < standing for p in nights)  # what an open alert left behind is the level, not what was before it
    bad = max(min(since + 1, len(nights) - 1), known.first_bad(tonight.value, found.watch.smallest))
    reference = [int(k) for k in known.segments.reference if since <= k < bad]
    early = [k for k in reference if k <= bad - MARGIN] or reference[:1] or [max(0, bad - 1)]
    good = [nights[k] for k in early[-LONG:]]
    able, refusal = _able(good, lab)
    return Suspect(
        found.key, known, tonight, nights[bad], nights[max(0, bad - 1)], (able or good)[-1], refusal, found.creep,
        "" if lab is None else lab.named_base, nights[int(known.segments.reference[0])].run, tuple(able),
    )  # fmt: skip


def _able(good: Sequence[Point], lab: Laboratory | None) -> tuple[list[Point], str]:
    """Those of these nights that can be run again, and if there is none why the latest cannot."""
    if lab is None:
        return [], "re-runs were not asked for"
    refusals = {point.run: lab.why_not(point.commit) for point in good}
    able = [point for point in good if not refusals[point.run]]
    return able, "" if able else refusals[good[-1].run]


def with_common_bases(suspects: Sequence[Suspect]) -> list[Suspect]:
    """The suspects with few bases, each the latest of those that serve most: one run of a cell then serves several series."""
    served = Counter(commit for s in suspects for commit in {point.commit for point in s.able})
    return [replace(s, base=max(s.able, key=lambda p: (served[p.commit], p.started))) if s.able else s for s in suspects]


def settle(found: Finding, suspect: Suspect, series: Series, adjusted_p: float | None) -> Finding:
    """What becomes of a suspicion that no storm explains; `adjusted_p` is its confirmation's p, corrected over the night.

    On a series with an open alert a suspicion that is not confirmed leaves that alert open.
    """
    settled = _settle(found, suspect, series, adjusted_p)
    if settled.state != "alert" and found.alert is not None:
        return replace(settled, state="open", reason="still there, and no worse than since then")
    return settled


def _settle(found: Finding, suspect: Suspect, series: Series, adjusted_p: float | None) -> Finding:
    if suspect.same_code:
        words = f"the code is that of the last good night ({suspect.base.commit}): what changed lies outside of it"
        return replace(found, state="refuted", reason=words)
    again = found.confirmation
    if again is None or adjusted_p is None:
        return _by_nights(found, suspect, series, suspect.refusal)
    if len(again.differences) < FEWEST:
        return _by_nights(found, suspect, series, "re-runs failed: see what the check printed")
    return _by_rerun(found, suspect, again, adjusted_p)


def _by_rerun(found: Finding, suspect: Suspect, again: Confirmation, adjusted_p: float) -> Finding:
    against = f"{len(again.differences)} pairs against {suspect.against}"
    if again.decision == "confirmed" and adjusted_p <= FALSE_DISCOVERIES:
        return replace(found, state="alert", reason=f"confirmed by {against}", alert=_alert(suspect, "re-run", again))
    if again.decision == "refuted":
        return replace(found, state="refuted", reason=f"refuted by {against}")
    why = (
        "which do not decide" if again.decision == "undecided" else "but chance among all that was run again tonight may do as much"
    )
    return replace(found, state="waiting", reason=f"not confirmed by {against}, {why}; looked at again the next night")


def _by_nights(found: Finding, suspect: Suspect, series: Series, refusal: str) -> Finding:
    value, smallest = suspect.tonight.value or 0.0, suspect.watch.smallest
    before = [p.value for p in series.eligible[-NIGHTS_BEFORE:]]
    excess = value - suspect.known.level
    twice = suspect.known.alarming(value, smallest) and any(
        v is not None and suspect.known.alarming(v, smallest) and 0.5 <= (v - suspect.known.level) / excess <= 2 for v in before
    )
    if suspect.creep or twice:
        how: How = "creep" if suspect.creep else "two nights"
        words = "ten nights lie above the first ten" if suspect.creep else "two of three nights lie beyond the interval"
        return replace(found, state="alert", reason=f"{words}; {refusal}", alert=_alert(suspect, how, None))
    return replace(found, reason=f"a second such night would be an alert; {refusal}")


def _alert(suspect: Suspect, how: How, again: Confirmation | None) -> Alert:
    value = suspect.tonight.value or 0.0
    effect = value - suspect.known.level if again is None else again.effect
    back = min(suspect.known.limit, suspect.known.level + effect / 2)
    return Alert(
        id=alert_id(suspect.key, suspect.first_bad.run), series=suspect.key.id, entry=suspect.key.entry,
        metric=suspect.key.metric, kind=suspect.watch.kind, first_bad=suspect.first_bad.run,
        first_bad_commit=suspect.first_bad.commit, last_good=suspect.last_good.run, last_good_commit=suspect.last_good.commit,
        opened=suspect.tonight.run, opened_at=suspect.tonight.started, how=how,
        base_commit=suspect.named_base or suspect.base.commit if again is not None else "", level=suspect.known.level,
        level_since=suspect.level_since, limit=back,
        effect=effect, low=None if again is None else again.low,
        high=None if again is None else again.high, p=None if again is None else again.p,
        differences=() if again is None else again.differences, before_raw=_raw_level(suspect), after_raw=suspect.tonight.raw,
    )  # fmt: skip


def _raw_level(suspect: Suspect) -> float | None:
    """The level in the metric's unit, on a machine as fast as tonight's."""
    raw, value = suspect.tonight.raw, suspect.tonight.value
    if raw is None or value is None:
        return None
    change = suspect.watch.sign * (suspect.known.level - value)
    return float(raw * np.exp(change)) if suspect.watch.relative else raw + change


def relocate(alert: Alert, points: Sequence[Point]) -> Point | None:
    """The first bad night as seen from the nights since.

    `points` are the series' eligible points, oldest first. None where the alert's nights are not among them.
    """
    runs = [p.run for p in points]
    if alert.level is None or alert.opened not in runs:
        return next((p for p in points if p.run == alert.first_bad), None)
    end = min(len(points), runs.index(alert.opened) + LONG)
    start = max(0, end - WINDOW, runs.index(alert.level_since) if alert.level_since in runs else 0)
    x = np.array([p.value for p in points[start:end]], dtype=float)
    return points[start + first_bad(x, alert.level, WATCHED[alert.metric].smallest * FLOOR)]
