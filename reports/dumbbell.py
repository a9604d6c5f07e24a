"""The dumbbell plot of a comparison: one row a metric that changed, A and B as dots on a logarithmic axis of ratios to A.

A lies at 1 in every row, B at the ratio B / A with its 95 % interval. Groups by verdict, worse on top, the largest change first.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from paragone.bench.judge.comparison import Comparison, Row
from paragone.reports import chart, compare_words, style
from paragone.reports.chart import INK, MUTED, Canvas, Plot

NAME = "comparison"
MOST_ROWS = 40
LINE, DRAWING, GROUP = 15.0, 19.0, 21.0
"""Heights in points: of a line of text, of a row's drawing, of a group's title."""
MARGIN = 12.0
ROOM = 3.0
"""An interval is drawn at most so far beyond the outermost dot, as a factor; further it ends in an arrow."""
_TITLES = {"worse": "Worse in B", "better": "Better in B", "changed": "Changed"}


@dataclass(frozen=True)
class _Drawn:
    """A row with its texts."""

    row: Row
    name: str
    text: str

    @property
    def head(self) -> float:
        """Height of its text: name and numbers below each other where one line has no room."""
        wide = chart.text_width(self.name) + chart.text_width(self.text) + 8
        return LINE * (2 if wide > chart.WIDTH_PT - 2 * MARGIN else 1)


def figure(comparison: Comparison) -> Plot | None:
    """The plot, None where nothing changed that has a ratio."""
    many = compare_words.many_tracks(comparison)
    rows = [row for row in comparison.worst_first if drawable(row)]
    if not rows:
        return None
    drawn = [
        _Drawn(row, f"{compare_words.name(row, many)} · {row.metric.label}", compare_words.both(row)) for row in rows[:MOST_ROWS]
    ]
    left_out = f"; the first {MOST_ROWS} of {len(rows)}" if len(rows) > MOST_ROWS else ""
    measure = f"B over A, hollow: A, filled: B; bars: 95{style.THIN}% intervals; largest change first{left_out}"
    groups = [(v, [one for one in drawn if one.row.verdict == v]) for v in _TITLES]
    height = sum(GROUP + sum(one.head + DRAWING for one in own) for _, own in groups if own)
    looks = compare_words.looks(comparison)
    with chart.visual():
        canvas = Canvas(finding(comparison), measure, height + 52)
        axes = canvas.axes(left=MARGIN, right=MARGIN, bottom=44, top=8)
        window = _axis(axes, [one.row for one in drawn], height)
        _draw(axes, [(verdict, own) for verdict, own in groups if own], looks, window)
        axes.set_xlabel("B / A")
        spoken = "; ".join(f"{one.name}: {one.row.verdict}, {one.text}" for one in drawn)
        return canvas.finish(NAME, spoken)


def drawable(row: Row) -> bool:
    """Whether a row changed and has a ratio to be drawn at."""
    return row.changed and not math.isnan(row.ratio)


def finding(comparison: Comparison) -> str:
    """The largest change for the worse in words, or for the better where there is none."""
    first = comparison.worst_first[0]
    many = compare_words.many_tracks(comparison)
    others = comparison.counts[first.verdict] - 1
    more = f", and {others} more {compare_words.NOUNS[first.verdict]}" if others else ""
    return f"{compare_words.name(first, many)}: {first.metric.label} {compare_words.change(first)}, {first.verdict}{more}"


def _axis(axes: Axes, rows: Sequence[Row], height: float) -> tuple[float, float]:
    """Limits and ticks; the limits."""
    dots = [1.0, *(row.ratio for row in rows)]
    ends = [end for row in rows for end in row.ratio_interval if math.isfinite(end) and end > 0]
    low = max(min([*dots, *ends]), min(dots) / ROOM)
    high = min(max([*dots, *ends]), max(dots) * ROOM)
    room = max(0.06 * math.log(high / low), 0.01)
    low, high = low * math.exp(-room), high * math.exp(room)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(height, 0)
    axes.xaxis.set_major_locator(FixedLocator(ticks(low, high)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: chart.tick(round(value, 9))))
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.grid(False)
    return low, high


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round ratios inside [low, high], 1 among them where it is inside; equal steps where the range is narrow."""
    if high / low > 4:
        return chart.log_ticks(low, high, most)
    steps = (s * 10.0**e for e in range(-4, 1) for s in (1, 2, 5))
    step = next((s for s in steps if (high - low) / s < most), 1.0)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1) if k > 0]


def _draw(
    axes: Axes, groups: Sequence[tuple[str, list[_Drawn]]], looks: Mapping[tuple[str, str], style.Look], window: tuple[float, float]
) -> None:
    """All groups from the top; y is in points."""
    at = axes.get_yaxis_transform()
    top = 0.0
    for verdict, own in groups:
        axes.text(0, top + 4, _TITLES[verdict], transform=at, va="top", color=INK, weight="bold", size=chart.BASE_PT)
        top += GROUP
        for one in own:
            axes.text(0, top + 3, one.name, transform=at, va="top", color=INK, size=chart.SMALL_PT)
            axes.text(
                1, top + one.head - LINE + 3, one.text, transform=at, va="top", ha="right", color=INK, size=chart.SMALL_PT
            )  # fmt: skip
            _dumbbell(axes, one.row, looks[one.row.key.track, one.row.entry], window, top + one.head + DRAWING / 2 - 2)
            top += one.head + DRAWING


def _dumbbell(axes: Axes, row: Row, look: style.Look, window: tuple[float, float], y: float) -> None:
    axes.plot([1.0, 1.0], [y - DRAWING / 2, y + DRAWING / 2], color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    axes.plot([1.0, row.ratio], [y, y], color=chart.GRID, linewidth=4, solid_capstyle="round", zorder=1.5)
    low, high = row.ratio_interval
    if not math.isnan(low):
        inside = max(low, window[0]), min(high, window[1])
        axes.plot(inside, [y, y], color=look.colour, linewidth=1.6, zorder=2)
        for beyond, place, marker in ((low < window[0], window[0], "<"), (high > window[1], window[1], ">")):
            if beyond:
                axes.plot([place], [y], marker=marker, color=look.colour, markersize=5, clip_on=False, zorder=2)
    axes.plot(
        [1.0], [y], marker="o", markersize=6.5, markerfacecolor=chart.PAPER, markeredgecolor=MUTED, markeredgewidth=1.5, zorder=3
    )
    axes.plot(
        [row.ratio],
        [y],
        marker=look.marker,
        markersize=8.5,
        color=look.colour,
        markeredgecolor=chart.PAPER,
        markeredgewidth=0.7,
        zorder=4,
    )
