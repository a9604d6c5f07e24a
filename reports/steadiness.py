"""How stable training was, as a table and a figure: final quality against the factor on all learning rates.

The definitions are the judge's (bench/judge/stability.py); intervals of shares are cut at 0 and 1.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from paragone.bench.judge.stability import Stability, stability_table
from paragone.bench.judge.vetoes import TRAINED_OUT
from paragone.reports import chart, page, style
from paragone.reports.chart import MUTED, Canvas, Plot
from paragone.reports.run import Track

HEADS = (
    ("1b", "own target", "share of learning rates near its best"), ("1a", "common target", "share that reach quality"),
    ("2", "spread", "between seeds"), ("3", "drawdown", "within a run"), ("4", "diverged", "of all cells"),
    ("", "misses", "of all cells"), ("5", "sensitivity", "to the rate"), ("", "best factor", "on its rates"),
    ("", "last doubling", "gain in FID"),
)  # fmt: skip
"""Of each column: the component's number, its head, and what it counts."""


def table(track: Track) -> list[dict[str, Any]]:
    """A row a contender whose learning rates were varied often enough, most stable first; [] where none were."""
    found = {name: own for name, own in track.judged.stability.items() if own.enough}
    rows = stability_table(found).to_dict("records") if found else []
    return [_row(row, _look(track, str(row["contender"]))) for row in rows]


def note(track: Track) -> str:
    """What to know before believing the table: grids that hold no optimum, budgets that were too short."""
    found = [own for own in track.judged.stability.values() if own.enough]
    edge = [f"{own.contender} ({own.best_factor:g})" for own in found if own.edge]
    growing = [f"{own.contender} ({style.percent(own.gain - 1)})" for own in found if not own.edge and own.gain > TRAINED_OUT]
    told = [f"the best factor lies at the edge of those tried for {style.names(edge)}"] if edge else []
    told += [f"over the last doubling of the budget {style.names(growing)} still gained"] if growing else []
    return style.line(f"Not trained out: {'; '.join(told)}.", 800) if told else ""


def figure(track: Track) -> Plot | None:
    """Final FID against learning-rate factor: a line a contender through medians, a point a seed, misses on top."""
    found = [own for own in track.judged.stability.values() if own.enough and np.isfinite(own.log_fid).any()]
    if not found:
        return None
    seeds = max(len(own.seeds) for own in found)
    measure = (
        f"Final FID by factor on all learning rates; points: {style.plural(seeds, 'seed')}; crosses: misses; dashed: common target"
    )
    with chart.visual():
        canvas = Canvas(finding(found), measure, 300)
        axes = canvas.axes(left=46, right=min(150.0, max(chart.text_width(own.contender) for own in found) + 24))
        values = [math.exp(q) for own in found for q in own.log_fid[np.isfinite(own.log_fid)]]
        chart.log_axis(axes, "x", sorted({factor for own in found for factor in own.factors}), 0.08)
        factors = sorted({factor for own in found for factor in own.factors})
        axes.set_xticks(factors, [f"{factor:g}" for factor in factors])
        chart.log_axis(axes, "y", values, 0.08)
        for own in found:
            _draw(axes, own, _look(track, own.contender))
        target = found[0].targets.common
        if math.isfinite(target) and axes.get_ylim()[0] < target < axes.get_ylim()[1]:
            axes.axhline(target, color=style.REFERENCE_COLOUR, linestyle="--", linewidth=1.2, zorder=1)
        axes.set_xlabel("factor on all learning rates")
        axes.set_ylabel("FID")
        _label(axes, found, track)
        spoken = "; ".join(f"{own.contender}: best at {own.best_factor:g}, {_share(_mean(own.own))} within reach" for own in found)
        return canvas.finish(f"{track.name}-stability", spoken)


def finding(found: Sequence[Stability]) -> str:
    """Who bears other learning rates best and worst, by the share that stays within reach of its own best."""
    order = sorted(found, key=lambda own: (-_mean(own.own), own.contender))
    best, worst = order[0], order[-1]
    if math.isclose(_mean(best.own), _mean(worst.own)):
        return f"{_share(_mean(best.own))} of learning rates come near the best of {'each' if len(order) > 1 else best.contender}"
    return (
        f"{best.contender} bears other learning rates best ({_share(_mean(best.own))} of them), "
        f"{worst.contender} worst ({_share(_mean(worst.own))})"
    )


def _draw(axes: Axes, own: Stability, look: style.Look) -> None:
    top = axes.get_ylim()[1]
    for place, factor in enumerate(own.factors):
        column = own.log_fid[:, place]
        held = np.exp(column[np.isfinite(column)])
        axes.plot([factor] * len(held), held, linestyle="", marker=look.marker, color=look.colour, markersize=4, alpha=0.35)
        if len(held) < len(column):
            axes.plot([factor], [top / 1.03], linestyle="", marker="x", color=look.colour, markersize=6, clip_on=False)
    axes.plot(
        own.factors, _medians(own), color=look.colour, linestyle=look.line, marker=look.marker, markersize=5.5,
        markeredgecolor=chart.PAPER, markeredgewidth=0.6,
    )  # fmt: skip


def _medians(own: Stability) -> list[float]:
    """Median over seeds at each factor, a miss being worst; NaN where half of the seeds miss."""
    medians = np.median(np.where(np.isnan(own.log_fid), np.inf, own.log_fid), axis=0)
    return [math.exp(m) if math.isfinite(m) else math.nan for m in medians]


def _label(axes: Axes, found: Sequence[Stability], track: Track) -> None:
    """Names right of the axes at the height of each line's last point, kept apart."""
    ends = [
        next(((f, m) for f, m in zip(own.factors[::-1], _medians(own)[::-1], strict=True) if math.isfinite(m)), None)
        for own in found
    ]
    known = [(own, end) for own, end in zip(found, ends, strict=True) if end is not None]
    box = axes.get_window_extent()
    places = [axes.transData.transform(end) for _, end in known]
    heights = chart.spread([float(y) for _, y in places], 12.5, box.y0 + 4, box.y1 - 4)
    for (own, _), (x, y), height in zip(known, places, heights, strict=True):
        axes.annotate(
            style.line(own.contender, 20), (x, y), xycoords="figure points", xytext=(box.x1 + 12, height),
            textcoords="figure points", va="center", ha="left", size=chart.SMALL_PT, color=chart.INK, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 4},
        )  # fmt: skip


def _row(row: Mapping[Any, Any], look: style.Look) -> dict[str, Any]:
    cells = [
        (_share(row["own"]), _limits(row, "own")), (_share(row["common"]), _limits(row, "common")),
        (_ratio(row["spread"]), ""), (_ratio(row["drawdown"]), _ratio_limits(row, "drawdown")),
        *((f"{row[name]} of {row['cells']}", _limits(row, name)) for name in ("diverged", "misses")),
        (_ratio(row["sensitivity"]), _ratio_limits(row, "sensitivity")),
        (f"{row['best_factor']:g}" if math.isfinite(row["best_factor"]) else style.MISSING, "at the edge" if row["edge"] else ""),
        (style.number(row["gain"]), ""),
    ]  # fmt: skip
    return {"name": str(row["contender"]), "mark": page.mark(look, str(row["family"])), "cells": cells}


def _look(track: Track, contender: str) -> style.Look:
    """That of the contender's first entry."""
    name = next((entry.name for entry in track.judged.entries if entry.contender == contender), "")
    return track.looks.get(name, style.Look(style.REFERENCE_COLOUR, "o", "-"))


def _mean(shares: Sequence[float]) -> float:
    held = [share for share in shares if not math.isnan(share)]
    return float(np.mean(held)) if held else 0.0


def _share(value: float) -> str:
    return style.percent(value)


def _limits(row: Mapping[Any, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if math.isnan(low) else f"[{_share(max(0.0, low))}, {_share(min(1.0, high))}]"


def _ratio(log: float) -> str:
    return style.number(math.exp(log)) if math.isfinite(log) else style.MISSING


def _ratio_limits(row: Mapping[Any, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return style.interval(math.exp(low), math.exp(high)) if math.isfinite(low) and math.isfinite(high) else ""
