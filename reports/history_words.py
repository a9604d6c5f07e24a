"""What a small multiple says in one line, computed from its newest block; the line is its title and is read out.

    open alert      "+21 % slower since 2026-03-04 (commit 1a2b3c)"          trouble 0, acknowledged 2
    last night bad  "last night +9 % slower, beyond a quiet night"           trouble 1
    not measured    "not measured last night: throttled"                     trouble 3
    warming up      "warming up: 4 of 10 nights"                             trouble 4
    new level       "improved: -12 % faster since ...", "back at the old level since ...", "a new level since ..."
    steady          "steady within 2 %": 95 % of the nights since the last step lie so near its median

Exact metrics: "unchanged at 12 345", "12 345 became 13 000 on ...", "the same samples since ...".
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from paragone.bench.history.life import Alert
from paragone.bench.history.screen import lingers
from paragone.bench.history.segments import LONG
from paragone.bench.history.series import Point
from paragone.bench.history.watched import SAMPLES_HASH, WATCHED, Watch
from paragone.reports import style
from paragone.reports.ci import words
from paragone.reports.history import Block, Dot, Multiple

OPEN, SUSPICIOUS, ACKNOWLEDGED, UNMEASURED, NEW, QUIET = range(6)
RECENT = 30
"""Nights for which a new level is news."""


@dataclass(frozen=True)
class Said:
    """A finding in words, and how urgent it is: `OPEN` most."""

    words: str
    trouble: int


def said(multiple: Multiple, acknowledged: Collection[str]) -> Said:
    """What the newest block says; `acknowledged` are ids of alerts whose acknowledgement holds."""
    block = multiple.newest
    if block.open_flags:
        return _open(block, acknowledged)
    last = block.dots[-1]
    if not last.point.ok:
        reason = f": {style.line(last.point.reason, 120)}" if last.point.reason else ""
        return Said(f"{'missing' if last.point.status == 'missing' else 'not judged'} on the last night{reason}", UNMEASURED)
    if multiple.watch.kind == "exact":
        return _exact(block)
    if block.known is None:
        return Said(f"warming up: {len(block.valued)} of {LONG} nights", NEW)
    return _suspicious(block, last) or _new_level(block) or Said(f"steady within {_amount(block.watch, spread(block))}", QUIET)


def day(point: Point) -> str:
    """The date of a night, or the run's name where the start is no date."""
    return style.line(point.started, 40)[:10] or style.line(point.run, 40)


def night(point: Point) -> str:
    """`2026-03-04 (commit 1a2b3c)`."""
    return day(point) + (f" (commit {short_commit(point.commit)})" if point.commit else "")


def short_commit(commit: str) -> str:
    """A commit's first ten characters; a trailing `+`, of a work tree that differs, stays."""
    text = style.line(commit, 80)
    return text[:10] + ("+" if text.endswith("+") and len(text) > 10 else "")


def change_of(alert: Alert) -> str:
    """`+21 % slower`, or `12 345 became 13 000`."""
    watch = WATCHED[alert.metric]
    if alert.effect is not None:
        return words.change(watch, alert.effect)
    if alert.before_raw is not None and alert.after_raw is not None:
        return f"{words.quantity(watch, alert.before_raw)} became {words.quantity(watch, alert.after_raw)}"
    return f"{style.line(alert.before, 24)} became {style.line(alert.after, 24)}"


def spread(block: Block) -> float:
    """The 95 % quantile of the distance of the last step's nights from its median, in compared values."""
    step = block.steps[-1]
    shifts = [s for s in (block.dots[k].shift for k in block.valued if k >= step.first) if s is not None]
    return float(np.quantile(np.abs(np.array(shifts) - step.shift), 0.95))


def _open(block: Block, acknowledged: Collection[str]) -> Said:
    fresh = [flag for flag in block.open_flags if flag.alert.id not in acknowledged]
    flag = (fresh or block.open_flags)[-1]
    more = len(block.open_flags) - 1
    when = "since" if flag.alert.kind != "exact" else "on"
    text = f"{change_of(flag.alert)} {when} {night(block.dots[flag.place].point)}"
    text += f", and {style.plural(more, 'more open alert')}" if more else ""
    return Said(text if fresh else f"{text}, acknowledged", OPEN if fresh else ACKNOWLEDGED)


def _suspicious(block: Block, last: Dot) -> Said | None:
    value, before, watch = last.point.value, block.before, block.watch
    if before is None or value is None or block.explained:
        return None
    change = words.change(watch, value - before.level)
    if before.worse(value, watch.smallest):
        return Said(f"last night {change}, beyond a quiet night", SUSPICIOUS)
    return Said(f"last night {change}, the third such night", SUSPICIOUS) if lingers(before, value, watch.smallest) else None


def _new_level(block: Block) -> Said | None:
    """Words for a last step that is recent and larger than the smallest effect."""
    if len(block.steps) < 2 or len(block.dots) - block.steps[-1].first > RECENT:
        return None
    last, watch = block.steps[-1], block.watch
    shift, since = last.shift - block.steps[-2].shift, night(block.dots[last.first].point)
    if abs(shift) <= watch.smallest:
        return None
    if shift > 0:
        return Said(f"a new level: {words.change(watch, shift)} since {since}", QUIET)
    returned = [flag for flag in block.flags if block.steps[-2].first - LONG <= flag.place < last.first]
    if returned and len(block.steps) > 2 and last.shift - block.steps[-3].shift <= watch.smallest:
        return Said(f"back at the old level since {since}", QUIET)
    return Said(f"improved: {words.change(watch, shift)} since {since}", QUIET)


def _exact(block: Block) -> Said:
    steps, hashed = block.steps, block.key.metric == SAMPLES_HASH
    since = block.dots[steps[-1].first].point
    if hashed and len(steps) > max(2, len(block.valued) // 2):
        return Said("samples differ from night to night: this cell is not deterministic", QUIET)
    if len(steps) == 1:
        return Said("the same samples every night" if hashed else f"unchanged at {_value(block, since)}", QUIET)
    if hashed:
        return Said(f"other samples since {night(since)}", QUIET)
    before = block.dots[steps[-2].last].point
    return Said(f"{_value(block, before)} became {_value(block, since)} on {night(since)}", QUIET)


def _value(block: Block, point: Point) -> str:
    return words.quantity(block.watch, point.raw) if point.raw is not None else style.line(point.exact, 24)


def _amount(watch: Watch, shift: float) -> str:
    if watch.relative:
        return style.percent(math.expm1(shift))
    return style.number(shift, 2) + (f"{style.THIN}{watch.unit}" if watch.unit else "")
