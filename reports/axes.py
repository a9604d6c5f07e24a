"""Who leads at equal seconds, steps, samples, flops, joules: a table, and a figure with a column an axis and a line a contender.

The rankings are the judge's (bench/judge/axes.py); what cannot be read at an amount has no point there.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes

from paragone.bench.judge.axes import AtEqual, absent, at_equal, in_words
from paragone.bench.judge.crossovers import Flip, flips
from paragone.bench.judge.ranking import Row
from paragone.reports import chart, page, style
from paragone.reports.chart import INK, MUTED, Canvas, Plot
from paragone.reports.run import Track

BETWEEN_PT = 5.0
"""Distance in a column between the bars of two contenders."""
MOST = 14
"""Contenders that the figure has room for; the table has all."""

Place = tuple[float, Row]
"""Column and row of a point."""


def heads(track: Track) -> list[tuple[str, str]]:
    """Of each axis its name and the amount at which it is equal."""
    return [(made.name, in_words(made.axis, made.amount)) for made in at_equal(track.judged)]


def table(track: Track) -> list[dict[str, Any]]:
    """A row a contender, in the order of the first axis; its cells are (ranks, FID, why it has none) on each axis."""
    found = at_equal(track.judged)
    names = list(dict.fromkeys(row.entry.name for made in found for row in made.rows))
    rows = [{row.entry.name: row for row in made.rows} for made in found]
    return [
        {
            "name": name, "mark": page.mark(_look(track, name), _family(found, name)),
            "cells": [_cell(own.get(name)) for own in rows],
        }
        for name in names
    ]  # fmt: skip


def missing(track: Track) -> str:
    """A sentence on the axes that were not measured, "" where all were."""
    reasons = absent(track.judged)
    names = {"train_s": "seconds"}
    told = [f"{names.get(axis, axis.removeprefix('train_'))} ({style.line(reason, 160)})" for axis, reason in reasons.items()]
    return f"Not ranked at equal {style.names(told)}." if told else ""


def finding(found: Sequence[AtEqual]) -> str:
    """`Who leads depends on the axis: dcgan at equal seconds and steps, vae at equal flops`; not sure where others may lead."""
    led = [(made, made.rows[0]) for made in found if made.rows and made.rows[0].rank is not None]
    if not led:
        return ""
    leaders: dict[str, list[tuple[AtEqual, Row]]] = {}
    for made, row in led:
        leaders.setdefault(row.entry.name, []).append((made, row))
    if len(leaders) == 1:
        name = led[0][1].entry.name
        sure = [made.name for made, row in led if _certain(row)]
        told = f"{name} leads at equal {style.names([made.name for made, _ in led])}"
        if len(sure) == len(led):
            return told
        return told + (f", but surely only in {style.names(sure)}" if sure else ", but nowhere surely")
    parts = [
        f"{name} at equal {style.names([made.name for made, _ in own])}"
        + ("" if all(_certain(r) for _, r in own) else " (not sure)")
        for name, own in leaders.items()
    ]
    return f"Who leads depends on the axis: {', '.join(parts)}"


def crossings(track: Track) -> list[str]:
    """A sentence for each axis but seconds on which the seeds make it sure that two groups change places."""
    told = []
    for made in at_equal(track.judged):
        found = [row.flips for row in flips(track.judged, made.axis) if row.flips is not None and row.flips.sure]
        if found and made.axis != "train_s":
            parts = [f"{flip.after} overtakes {flip.before} at {_span(made.axis, flip)}" for flip in found]
            told.append(f"At equal {made.name}, {'; '.join(parts)}.")
    return told


def figure(track: Track) -> Plot | None:
    """Ranks by axis: points and lines, with the ranks that the seeds leave open as light bars."""
    found = at_equal(track.judged)
    told = finding(found)
    names = _drawn(found)
    if len(found) < 2 or not told or len(names) < 2:
        return None
    measure = "Rank by FID at an equal amount of each axis; light bars: ranks that the seeds leave open"
    measure += "; a gap: its curve does not reach" if any(_gap(found, name) for name in names) else ""
    places = {name: _places(found, name) for name in names}
    worst = max(row.rank[2] for own in places.values() for _, row in own if row.rank is not None)
    canvas = Canvas(told, measure, 26.0 * worst + 66)
    axes = canvas.axes(left=30, right=min(130.0, max(chart.text_width(style.line(name, 18)) for name in names) + 26))
    axes.set_xlim(-0.5, len(found) - 0.5)
    axes.set_ylim(worst + 0.6, 0.4)
    axes.spines["left"].set_visible(False)
    axes.set_yticks(range(1, worst + 1))
    axes.tick_params(length=0)
    axes.grid(False, axis="x")
    axes.set_xticks(range(len(found)), [f"{made.name}\n{_short(made)}" for made in found], size=chart.SMALL_PT - 1)
    axes.set_ylabel("rank")
    between = min(BETWEEN_PT, 0.75 * axes.get_window_extent().width / len(found) / len(names))
    shifts = {name: (k - (len(names) - 1) / 2) * between for k, name in enumerate(names)}
    for name, own in places.items():
        _draw(axes, own, _look(track, name), shifts[name])
    _label(axes, track, places, shifts)
    spoken = "; ".join(f"{made.name}, {in_words(made.axis, made.amount)}: {_order(made)}" for made in found)
    return canvas.finish(f"{track.name}-axes", spoken)


def _span(axis: str, flip: Flip) -> str:
    ends = [in_words(axis, end) for end in (flip.low, flip.high) if end is not None]
    return f"{in_words(axis, flip.at)} [{', '.join(ends)}]"


def _cell(row: Row | None) -> tuple[str, str, str]:
    if row is None:
        return style.MISSING, "", ""
    value = style.number(row.summary.value) if math.isfinite(row.summary.value) else ""
    if row.rank is None:
        return style.MISSING, value, style.line(row.status, 120)
    return style.rank(row.rank[1], row.rank[2]), value, "" if row.status == "ok" else style.line(row.status, 120)


def _certain(row: Row) -> bool:
    return row.rank is not None and row.rank[1:] == (1, 1)


def _drawn(found: Sequence[AtEqual]) -> list[str]:
    """Entries with a rank on some axis, by their best rank, as many as there is room for."""
    best: dict[str, int] = {}
    for made in found:
        for row in made.rows:
            if row.rank is not None:
                best[row.entry.name] = min(best.get(row.entry.name, row.rank[0]), row.rank[0])
    return sorted(best, key=lambda name: (best[name], name))[:MOST]


def _places(found: Sequence[AtEqual], name: str) -> list[Place]:
    return [(column, row) for column, made in enumerate(found) for row in made.rows if row.entry.name == name and row.rank]


def _gap(found: Sequence[AtEqual], name: str) -> bool:
    return len(_places(found, name)) < len(found)


def _draw(axes: Axes, places: Sequence[Place], look: style.Look, shift: float) -> None:
    """One contender's line through neighbouring axes, shifted so that its bars stand beside those of others."""
    moved = [(_moved(axes, column, shift), row.rank) for column, row in places if row.rank is not None]
    for x, (_, low, high) in moved:
        axes.plot([x, x], [low - 0.16, high + 0.16], color=look.colour, linewidth=3.2, alpha=0.28, solid_capstyle="butt", zorder=1)
    columns = [column for column, _ in places]
    for _, run in groupby(enumerate(columns), key=lambda pair: pair[0] - pair[1]):
        own = [moved[k] for k, _ in run]
        axes.plot([x for x, _ in own], [rank[0] for _, rank in own], color=look.colour, linestyle=look.line, linewidth=1.6)
    axes.plot(
        [x for x, _ in moved], [rank[0] for _, rank in moved], linestyle="", marker=look.marker, color=look.colour, markersize=7,
        markeredgecolor=chart.PAPER, markeredgewidth=0.7, zorder=3,
    )  # fmt: skip


def _moved(axes: Axes, column: float, shift: float) -> float:
    low, high = axes.get_xlim()
    return column + shift * (high - low) / axes.get_window_extent().width


def _label(axes: Axes, track: Track, places: dict[str, list[Place]], shifts: dict[str, float]) -> None:
    """Names right of the axes at the height of each line's last point, kept apart."""
    box = axes.get_window_extent()
    ends = {name: own[-1] for name, own in places.items()}
    spots = {n: axes.transData.transform((_moved(axes, c, shifts[n]), r.rank[0])) for n, (c, r) in ends.items() if r.rank}
    heights = chart.spread([float(y) for _, y in spots.values()], 12.5, box.y0 + 4, box.y1 - 4)
    for (name, (x, y)), height in zip(spots.items(), heights, strict=True):
        axes.annotate(
            style.line(name, 18), (x, y), xycoords="figure points", xytext=(box.x1 + 12, height), textcoords="figure points",
            va="center", ha="left", size=chart.SMALL_PT, color=INK, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 5},
        )  # fmt: skip


def _short(made: AtEqual) -> str:
    """An amount under the name of its axis, which is the unit of steps and samples already."""
    told = in_words(made.axis, made.amount)
    return told.removesuffix(f" {made.name}")


def _order(made: AtEqual) -> str:
    return ", ".join(f"{row.rank[0]} {row.entry.name}" for row in made.rows if row.rank is not None)


def _family(found: Sequence[AtEqual], name: str) -> str:
    return next(row.entry.family for made in found for row in made.rows if row.entry.name == name)


def _look(track: Track, name: str) -> style.Look:
    return track.looks.get(name, style.Look(style.REFERENCE_COLOUR, "o", "-"))
