"""Tonight against the history: every series gets a state, suspicions are confirmed, and what is confirmed becomes an alert.

    missing, invalid, no baseline, warming up      not judged: never a pass
    ok, improved, changed                          judged, nothing to do (changed: an exact value that is neither better nor worse)
    waiting      suspicious and not decided: the base cannot be run again, or re-runs do not decide; the next night is held against
                 the same level
    refuted      suspicious, but tonight's code is no worse than the last good one's in re-runs, or is the very same
    moved        suspicious together with others, or with the control workload: the machine changed, told in one notice
    alert        opened tonight;   open: opened on an earlier night and still there;   resolved: gone for three nights

Order of work: eligibility, exact values, screen, storm guard, confirmation, Benjamini-Hochberg over the night. Everything that
decides is here and in the files it imports; the simulation in the tests runs this very code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from paragone.bench.history.confirmation import Confirmation, decide
from paragone.bench.history.exact import judge_exact
from paragone.bench.history.findings import Finding, Judgement
from paragone.bench.history.life import Alert, Past
from paragone.bench.history.screen import FLOOR, WINDOW, baseline, crept, lingers
from paragone.bench.history.segments import LONG, SHORTEST, change_points
from paragone.bench.history.series import Key, Night, Point, Series
from paragone.bench.history.storm import Movement, find_storm
from paragone.bench.history.suspects import Laboratory, Suspect, settle, suspect_of, with_common_bases
from paragone.bench.history.watched import WATCHED
from paragone.bench.judge.significance import benjamini_hochberg

PAIRS = 5
"""Pairs of a confirmation; as many again where they do not decide."""
STORM_PROBES = 3
"""Series of a storm that are run again, to tell code that slows everything from a machine that does."""


@dataclass(frozen=True)
class History:
    """All that earlier nights say.

    Attributes:
        series: earlier points by key; a key without any may be absent.
        past: what earlier checks said.
        controls: the control workload on earlier nights of the same machine, as points of log seconds.
        foreign: for keys of tonight without earlier points whose entry was seen before, why those do not count.
    """

    series: Mapping[Key, Series]
    past: Past = field(default_factory=Past)
    controls: Sequence[Point] = ()
    foreign: Mapping[Key, str] = field(default_factory=dict)


def judge_night(tonight: Night, history: History, lab: Laboratory | None, pairs: int = PAIRS) -> Judgement:
    """Judge one night, whose points hold one that is `missing` for each series that should be there and is not.

    `lab` runs cells again (None: nobody can); `pairs` are the first pairs of a confirmation.
    """
    findings = {key: screen(key, point, history) for key, point in sorted(tonight.points.items())}
    waiting = [f for f in findings.values() if f.state == "waiting"]
    suspects = with_common_bases([suspect_of(f, history.series[f.key], lab) for f in waiting])
    storm = find_storm([_movement(f) for f in findings.values() if f.known is not None], history.controls, tonight.control_s)
    caught = [s for s in suspects if storm is not None and s.key in storm.keys]
    probes = sorted(caught, key=lambda s: -s.excess)[:STORM_PROBES]
    again = run_again([s for s in suspects if s not in caught or s in probes], lab, pairs)
    if any(again[s.key].decision == "confirmed" for s in probes if s.key in again):
        again |= run_again([s for s in caught if s not in probes], lab, pairs)
        storm, caught = None, []  # re-runs say that it was the code
    adjusted = dict(zip(again, benjamini_hochberg([c.p for c in again.values()]).tolist(), strict=True))
    for s in suspects:
        found = replace(findings[s.key], confirmation=again.get(s.key))
        if storm is not None and s in caught:
            findings[s.key] = replace(found, state="moved" if found.alert is None else "open", reason=storm.words)
        else:
            findings[s.key] = settle(found, s, history.series[s.key], adjusted.get(s.key))
    return Judgement(tonight, tuple(findings.values()), (storm.words,) if storm is not None else ())


def screen(key: Key, point: Point, history: History) -> Finding:
    """The state of one series before anything is run again; `waiting` for one that is suspicious."""
    earlier = history.series[key].eligible if key in history.series else ()
    found = Finding(key, "ok", tonight=point, nights=len(earlier))
    standing = history.past.open.get(key.id, ())
    if point.status != "ok":
        return replace(found, state=point.status, reason=point.reason, alert=standing[-1] if standing else None)
    if not earlier and key in history.foreign:
        return replace(found, state="no baseline", reason=history.foreign[key])
    if found.watch.kind == "exact":
        return judge_exact(found, point, earlier, standing, history.past.checked)
    recent = earlier[-WINDOW:]
    known = baseline(recent, found.watch, history.past.explained.get(key.id, ()))
    if known is None:
        return replace(found, state="warming up", reason=f"night {len(earlier) + 1}; {LONG} earlier ones are needed")
    found = replace(found, known=known)
    return _standing(found, point, recent, standing) if standing else _fresh(found, point)


def run_again(suspects: Sequence[Suspect], lab: Laboratory | None, pairs: int) -> dict[Key, Confirmation]:
    """Confirmations of those whose base can be run again: `pairs` pairs each, as many more for those still undecided."""
    open_ = [s for s in suspects if not s.refusal and not s.same_code]
    if lab is None or not open_:
        return {}
    first = lab.differences(open_, 0, pairs)
    said = {s.key: decide(first.get(s.key, ()), s.watch.smallest) for s in open_}
    undecided = [s for s in open_ if said[s.key].decision == "undecided"]
    more = lab.differences(undecided, pairs, pairs) if undecided else {}
    for s in undecided:
        said[s.key] = decide((*said[s.key].differences, *more.get(s.key, ())), s.watch.smallest)
    return said


def _fresh(found: Finding, point: Point) -> Finding:
    """A series on which no alert is open."""
    known, value, smallest = found.known, point.value, found.watch.smallest
    if known is None or value is None:
        return found
    if known.worse(value, smallest) or lingers(known, value, smallest):
        return replace(found, state="waiting")
    rise = crept(known, value, smallest)
    if rise is not None:
        return replace(found, state="waiting", creep=True)
    return replace(found, state="improved") if known.better(value, smallest) else found


def _standing(found: Finding, point: Point, earlier: Sequence[Point], alerts: Sequence[Alert]) -> Finding:
    """A series on which alerts are open: gone for three nights, still there, or worse than the level that the last one left."""
    gone = tuple(alert for alert in alerts if _went_away(alert, point, earlier))
    left = [alert for alert in alerts if alert not in gone]
    if not left:
        return replace(found, state="resolved", alert=gone[-1], gone=gone)
    runs = [p.run for p in earlier]
    since = runs.index(left[-1].first_bad) if left[-1].first_bad in runs else 0
    if found.known is not None and found.known.segments.reference[0] >= since - SHORTEST and since > 0:
        fresh = _fresh(found, point)  # the level that the alert left behind is the reference by now
        if fresh.state == "waiting":
            return replace(fresh, alert=left[-1], gone=gone)
    return replace(found, state="open", alert=left[-1], gone=gone)


def _went_away(alert: Alert, point: Point, earlier: Sequence[Point]) -> bool:
    """The last three nights have gone back, and no change point says that the stretch which they belong to has not."""
    values = np.array([p.value for p in (*earlier, point)], dtype=float)
    after = sum(p.started > alert.opened_at for p in (*earlier, point))
    if alert.limit is None or after < SHORTEST or values[-SHORTEST:].max() > alert.limit:
        return False
    last = change_points(values, WATCHED[alert.metric].smallest * FLOOR)[-1]
    return float(np.median(values[last:])) <= alert.limit


def _movement(found: Finding) -> Movement:
    value, known, smallest = found.tonight.value if found.tonight else None, found.known, found.watch.smallest
    if value is None or known is None or found.alert is not None:  # what has an alert did not move tonight
        return Movement(found.key, 0)
    return Movement(found.key, 1 if known.worse(value, smallest) else -1 if known.better(value, smallest) else 0)
