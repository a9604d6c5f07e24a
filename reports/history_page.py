"""The history page: one self-contained HTML file with every series over all nights, its segments and its alerts.

From the top: how many runs, from when to when; open alerts; series that need a look; all others, entry by entry; the nights.
"Now" is the latest night, so the same history gives the same bytes on every day.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from markupsafe import Markup, escape

from paragone.bench.files import write_atomically
from paragone.bench.history.life import Acknowledgement, Alert
from paragone.bench.history.series import Night, Series, digest
from paragone.bench.history.suspects import relocate
from paragone.bench.history.watched import WATCHED
from paragone.reports import families, history_words, page, style
from paragone.reports.ci import words
from paragone.reports.history import Block, Dot, Multiple, multiples
from paragone.reports.history_words import OPEN, SUSPICIOUS, Said
from paragone.reports.sparkline import draw

LAST_NIGHTS = 8
"""Nights of a series that are written out as numbers."""
MOST_RUNS = 30
MOST_PAST = 200
MOST_SKIPPED = 20
_ORDER = {metric: place for place, metric in enumerate(WATCHED)}
_NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})


@dataclass(frozen=True)
class _Shown:
    """A small multiple with what it says."""

    multiple: Multiple
    said: Said

    @property
    def anchor(self) -> str:
        return f"s-{digest(self.multiple.entry, self.multiple.metric)[:8]}"

    @property
    def order(self) -> tuple[int, str, int]:
        return (self.said.trouble, self.multiple.entry, _ORDER[self.multiple.metric])


def write_history(
    path: Path,
    series: Sequence[Series],
    nights: Sequence[Night],
    alerts: Sequence[Alert],
    open_ids: Collection[str],
    acknowledgements: Mapping[str, Acknowledgement],
    skipped: Sequence[str],
    explained: Mapping[str, Collection[str]] = _NOTHING,
) -> None:
    """Write the page of a history.

    Args:
        path: the HTML file; an old one is replaced.
        nights: all runs, in any order; their points are not read.
        alerts: every alert ever opened; `open_ids` are those that are still there.
        acknowledgements: by alert id, whether they still hold or not.
        skipped: files that could not be read, each with the reason.
        explained: by series id, runs at which a change for the worse was explained (`Past.explained`); moves reference levels.

    Raises:
        OSError: the file cannot be written.
    """
    ordered = sorted(nights, key=lambda n: (n.started, n.run))
    today = ordered[-1].started if ordered else ""
    silent = {name: known.until for name, known in acknowledgements.items() if known.holds(today)}
    shown = [_Shown(m, history_words.said(m, silent)) for m in multiples(series, ordered, alerts, open_ids, explained)]
    rows = _alert_rows(series, alerts, open_ids, acknowledgements, today, {s.anchor for s in shown})
    pressing = sorted((s for s in shown if s.said.trouble in (OPEN, SUSPICIOUS)), key=lambda s: s.order)
    text = page.template("history.html.j2").render(
        headline=_headline(ordered, shown, rows),
        from_to=_from_to(ordered),
        notices=_notices(ordered, shown),
        skipped=[style.line(text, 300) for text in skipped[:MOST_SKIPPED]],
        skipped_count=len(skipped),
        alerts=[row for row in rows if row["open"]],
        past=[row for row in rows if not row["open"]][:MOST_PAST],
        pressing=[_figure(s, True) for s in pressing],
        entries=_entries(shown, pressing),
        runs=[_run(night) for night in reversed(ordered[-MOST_RUNS:])],
        runs_count=len(ordered),
        machines=_machines(ordered),
    )
    write_atomically(path, str(text))


def _headline(nights: Sequence[Night], shown: Sequence[_Shown], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    machines = len({night.machine for night in nights})
    series = sum(len(s.multiple.blocks) + s.multiple.left_out for s in shown)
    known = sum(row["silent"] for row in rows)
    found = sum(row["open"] for row in rows)
    alerts = "no open alert" if not found else style.plural(found, "open alert") + (f", {known} acknowledged" if known else "")
    return [style.plural(len(nights), "run"), f"{series} series", style.plural(machines, "machine"), alerts]


def _from_to(nights: Sequence[Night]) -> str:
    if not nights:
        return ""
    first, last = (style.line(night.started, 40)[:10] for night in (nights[0], nights[-1]))
    return first if first == last else f"{first} to {last}"


def _notices(nights: Sequence[Night], shown: Sequence[_Shown]) -> list[str]:
    last = nights[-1] if nights else None
    told = []
    if last is not None and last.problem:
        told.append(
            f"The last night, {style.line(last.run, 80)}, could not be judged: {page.sentence(style.line(last.problem, 200))}"
        )
    behind = [s for s in shown if last is not None and s.multiple.newest.dots[-1].point.run != last.run]
    if behind and len(behind) < len(shown):
        told.append(f"{len(behind)} of {len(shown)} series hold no point of the last night: it ran elsewhere, or without them.")
    return told


def _alert_rows(
    series: Sequence[Series], alerts: Sequence[Alert], open_ids: Collection[str],
    acknowledgements: Mapping[str, Acknowledgement], today: str, anchors: Collection[str],
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of the alerts' table: those that ask for something first, then acknowledged ones, then resolved ones; newest first."""
    by_id = {one.key.id: one for one in series}
    rows = []
    for alert in {alert.id: alert for alert in alerts}.values():
        own = by_id.get(alert.series)
        located = relocate(alert, own.eligible) if own is not None and alert.kind != "exact" else None
        run = located.run if located is not None else alert.first_bad
        commit = located.commit if located is not None else alert.first_bad_commit
        known, is_open = acknowledgements.get(alert.id), alert.id in open_ids
        anchor = f"s-{digest(alert.entry, alert.metric)[:8]}"
        rows.append(
            {
                "id": style.line(alert.id, 24), "entry": style.line(alert.entry, 160), "metric": WATCHED[alert.metric].label,
                "change": history_words.change_of(alert), "interval": words.interval(WATCHED[alert.metric], alert.low, alert.high),
                "run": style.line(run, 80), "commit": history_words.short_commit(commit),
                "range": _range(alert, run == alert.first_bad), "how": words.confirmed_by(alert), "opened": alert.opened_at[:10],
                "state": _state(known, is_open, today), "reason": style.line(known.reason, 160) if known and is_open else "",
                "open": is_open, "silent": is_open and known is not None and known.holds(today),
                "anchor": anchor if anchor in anchors else "",
            }
        )  # fmt: skip
    rows.sort(key=lambda row: str(row["opened"]), reverse=True)
    return sorted(rows, key=lambda row: (not row["open"], row["silent"]))


def _state(known: Acknowledgement | None, is_open: bool, today: str) -> str:
    if not is_open:
        return "resolved"
    if known is None:
        return "open"
    return f"acknowledged through {known.until}" if known.holds(today) else f"open: acknowledgement ended {known.until}"


def _range(alert: Alert, as_opened: bool) -> str:
    """What git takes as a range, while the first bad run is the one for which it was written."""
    if not as_opened or not alert.last_good_commit or not alert.first_bad_commit:
        return ""
    return f"{history_words.short_commit(alert.last_good_commit)}..{history_words.short_commit(alert.first_bad_commit)}"


def _entries(shown: Sequence[_Shown], pressing: Sequence[_Shown]) -> list[dict[str, Any]]:
    """Entries by name, each with its series: those that need a look stand above and are linked."""
    above, found = {s.anchor for s in pressing}, dict[str, list[_Shown]]()
    for s in sorted(shown, key=lambda s: s.order):
        found.setdefault(s.multiple.entry, []).append(s)
    return [
        {
            "name": style.line(entry, 500), "short": style.line(entry, 60), "anchor": f"e-{digest(entry)[:8]}",
            "mark": _mark(entry), "count": len(own), "alerts": sum(s.said.trouble == OPEN for s in own),
            "figures": [_figure(s, False) for s in own if s.anchor not in above],
            "above": [(s.anchor, s.multiple.watch.label) for s in own if s.anchor in above],
        }
        for entry, own in sorted(found.items())
    ]  # fmt: skip


def _figure(shown: _Shown, with_entry: bool) -> dict[str, Any]:
    multiple, block = shown.multiple, shown.multiple.newest
    finding = shown.said.words[:1].upper() + shown.said.words[1:]
    family = families.family_of(multiple.entry)
    name = f"{style.line(multiple.entry, 160)} {multiple.watch.label}"
    return {
        "anchor": shown.anchor, "finding": _whole_dates(finding), "entry": style.line(multiple.entry, 500) if with_entry else "",
        "mark": _mark(multiple.entry), "measure": _measure(block), "trouble": shown.said.trouble == OPEN,
        "svg": draw(multiple, shown.anchor, f"{name}: {finding}", page.colour(family)),
        "name": name, "breaks": _breaks(multiple), "soft": _soft(block),
        "nights": [_night(block, dot) for dot in reversed(block.dots[-LAST_NIGHTS:])],
    }  # fmt: skip


def _whole_dates(text: str) -> Markup:
    """Escaped text whose dates are not broken at their hyphens."""
    return Markup(re.sub(r"\d{4}-\d\d-\d\d", r'<span class="day">\g<0></span>', str(escape(style.clean(text)))))


def _mark(entry: str) -> Markup:
    family = families.family_of(entry)
    return page.mark(style.Look(style.family_colour(family), "o" if family else "s", "-"), family)


def _measure(block: Block) -> str:
    """`time a training step · now 12.3 ms · 40 nights`: the level in the metric's unit, and how much is seen."""
    level = f" · level {words.quantity(block.watch, block.raw)}" if block.raw is not None else ""
    return f"{block.watch.label}{level} · {style.plural(len(block.dots), 'night')}"


def _breaks(multiple: Multiple) -> list[str]:
    told = [
        f"Dashed line at {history_words.day(after.dots[0].point)}: {words_}."
        for after, words_ in zip(multiple.blocks[1:], multiple.breaks, strict=True)
    ]
    return told + ([f"{style.plural(multiple.left_out, 'older machine or protocol', 'older machines or protocols')} not drawn."]
                   if multiple.left_out else [])  # fmt: skip


def _soft(block: Block) -> list[str]:
    told = [f"{history_words.day(block.dots[place].point)}: {text}." for place, text in (block.soft or {}).items()]
    if block.restless:
        told.append(f"Changes too often to be drawn: {style.names([style.line(key, 40) for key in block.restless])}.")
    return told[-LAST_NIGHTS:]


def _night(block: Block, dot: Dot) -> dict[str, str]:
    point, watch = dot.point, block.watch
    value = words.quantity(watch, point.raw) if point.raw is not None else style.line(point.exact, 24)
    against = words.change(watch, dot.shift) if dot.shift is not None and block.raw is not None and watch.kind != "exact" else ""
    note = f"{point.status}: {style.line(point.reason, 120)}" if not point.ok else ""
    return {"night": history_words.day(point), "run": style.line(point.run, 80), "commit": history_words.short_commit(point.commit),
            "value": value if point.ok else style.MISSING, "against": note or against}  # fmt: skip


def _run(night: Night) -> dict[str, str]:
    return {
        "run": style.line(night.run, 80), "started": re.sub("T", " ", style.line(night.started, 40))[:16],
        "commit": history_words.short_commit(night.commit), "suite": style.line(night.suite, 40), "machine": night.machine[:12],
        "control": style.seconds(night.control_s), "problem": style.line(night.problem, 200),
    }  # fmt: skip


def _machines(nights: Sequence[Night]) -> list[dict[str, Any]]:
    """Machines by their latest night: what they have that others have not, and how many nights."""
    count = Counter(night.machine for night in nights)
    latest = {night.machine: night.fingerprint for night in nights}
    values = {key: {prints.get(key) for prints in latest.values()} for key in sorted({k for p in latest.values() for k in p})}
    telling = [key for key, own in values.items() if len(own) > 1] or list(values)
    rows = [(name, ", ".join(f"{key} {prints[key]}" for key in telling if prints.get(key))) for name, prints in latest.items()]
    return [{"name": name[:12], "fingerprint": style.line(keys, 600), "nights": count[name]} for name, keys in reversed(rows)]
