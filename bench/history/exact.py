"""Exact series: parameters, flops, samples seen and the hash of the samples are compared to the letter, from the second night on.

More parameters, flops or network evaluations open an alert at once: there is no noise to wait for. Any other difference is told as
`changed`. A hash says something only while it repeats: where the last nights differ among themselves the cell is not deterministic.
"""

from collections.abc import Sequence
from dataclasses import replace

from paragone.bench.history.findings import Finding
from paragone.bench.history.life import Alert, alert_id
from paragone.bench.history.series import Point
from paragone.bench.history.watched import SAMPLES_HASH, WORSE_WHEN_MORE

REPEATS = 2
"""Nights on which a hash must have been the same before a new one says something."""


def judge_exact(
    found: Finding, point: Point, earlier: Sequence[Point], standing: Sequence[Alert], checked: frozenset[str]
) -> Finding:
    """The finding of an exact series; `standing` are its open alerts, oldest first, `checked` the runs that were checked."""
    if not earlier:
        return replace(found, state="warming up", reason="the first night")
    gone = tuple(alert for alert in standing if not _more(point.raw, alert.before_raw))
    left = [alert for alert in standing if alert not in gone]
    before, since = _last_checked(earlier, point, checked)
    if found.key.metric == SAMPLES_HASH and point.exact != earlier[-1].exact:
        if len(earlier) < REPEATS:
            return replace(found, state="warming up", reason="the second night: the samples have not repeated yet")
        if len({p.exact for p in earlier[-REPEATS:]}) > 1:
            return replace(found, reason="samples differ from night to night: this cell is not deterministic")
    if point.exact != before.exact and found.key.metric in WORSE_WHEN_MORE and _more(point.raw, before.raw):
        words = f"{before.exact} became {point.exact}"
        return replace(found, state="alert", reason=words, gone=gone, alert=_alert(found, point, before, since))
    if left:
        return replace(found, state="open", alert=left[-1], gone=gone, reason=f"since {left[-1].first_bad}")
    if gone:
        return replace(found, state="resolved", alert=gone[-1], gone=gone, reason=f"{before.exact} became {point.exact}")
    if point.exact == before.exact:
        return found
    better = found.key.metric in WORSE_WHEN_MORE and _more(before.raw, point.raw)
    return replace(found, state="improved" if better else "changed", reason=f"{_short(before.exact)} became {_short(point.exact)}")


def _last_checked(earlier: Sequence[Point], tonight: Point, checked: frozenset[str]) -> tuple[Point, Point]:
    """The last night that was checked (the last of all where none was), and the first after it with tonight's value."""
    last = next((k for k in reversed(range(len(earlier))) if earlier[k].run in checked), len(earlier) - 1)
    before = earlier[last]
    return before, next((p for p in earlier[last + 1 :] if p.exact == tonight.exact), tonight)


def _more(now: float | None, before: float | None) -> bool:
    return now is not None and before is not None and now > before


def _alert(found: Finding, point: Point, before: Point, since: Point) -> Alert:
    return Alert(
        id=alert_id(found.key, since.run), series=found.key.id, entry=found.key.entry, metric=found.key.metric,
        kind=found.watch.kind, first_bad=since.run, first_bad_commit=since.commit, last_good=before.run,
        last_good_commit=before.commit, opened=point.run, opened_at=point.started, how="exact", before_raw=before.raw,
        after_raw=point.raw, before=before.exact, after=point.exact,
    )  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:12]}..."
