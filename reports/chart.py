"""Bricks of every figure: a canvas with a headline that PNG shows and SVG leaves to the page, ticks, labels that keep apart."""

import io
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox

from paragone.bench.judge.intervals import Interval
from paragone.reports import style

INK, MUTED, GRID, PAPER = "#17191c", "#5c626b", "#dfe2e6", "#fefefd"
WIDTH_PT, BASE_PT, SMALL_PT = 372.0, 11.0, 10.0
MOST_TICKS, TICK_ROOM_PT = 6, 36.0
"""Ticks of a logarithmic axis: so many at most, and along x none closer than this on average."""
LINEAR_PART = 30.0
"""An axis that is not logarithmic is linear up to this part of its largest value."""
PNG_DPI = 160
_CHARACTER = 0.61
"""Mean width of a character over the font's size, on the safe side for the widest usual sans-serif."""

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": BASE_PT,
    "svg.fonttype": "none",
    "svg.hashsalt": "paragone",
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "axes.labelsize": BASE_PT,
    "lines.linewidth": 1.8,
    "lines.markersize": 6.0,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "text.parse_math": False,
    "path.simplify": False,
}


@dataclass(frozen=True)
class Plot:
    """A finished figure: file name without suffix, finding (its title), measure (its subtitle), PNG, and SVG for a page."""

    name: str
    finding: str
    measure: str
    png: bytes
    svg: str


@dataclass(frozen=True)
class Box:
    """A rectangle in points."""

    x0: float
    y0: float
    x1: float
    y1: float

    def overlap(self, other: "Box") -> float:
        """Area shared with another box, in square points."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return width * height if width > 0 and height > 0 else 0.0

    def outside(self, other: "Box") -> float:
        """How far this box sticks out of another, in points."""
        return (
            max(0.0, other.x0 - self.x0)
            + max(0.0, other.y0 - self.y0)
            + max(0.0, self.x1 - other.x1)
            + max(0.0, self.y1 - other.y1)
        )


@contextmanager
def visual() -> Iterator[None]:
    """The settings of all figures, in force inside the block only."""
    with mpl.rc_context(_RC):
        yield


class Canvas:
    """A figure `WIDTH_PT` wide whose drawing area is `height` points high, with room above for title and subtitle."""

    def __init__(self, finding: str, measure: str, height: float) -> None:
        self.finding, self.measure, self.height = finding, measure, height
        title, subtitle = textwrap.wrap(finding, 45) or [""], textwrap.wrap(measure, 66)
        self.head = 15.5 * len(title) + 12.5 * len(subtitle) + 18.0
        self.total = height + self.head
        self.figure = Figure(figsize=(WIDTH_PT / 72, self.total / 72), dpi=72)
        top = self.total - 8.0
        self._head = [
            self._text(10, top, "\n".join(title), BASE_PT + 1.0, INK, "bold", 1.2),
            self._text(10, top - 15.5 * len(title) - 3, "\n".join(subtitle), SMALL_PT - 0.5, MUTED, "normal", 1.2),
        ]

    def axes(self, left: float, right: float, bottom: float = 44.0, top: float = 8.0) -> Axes:
        """Axes with margins in points inside the drawing area."""
        size = (WIDTH_PT - left - right) / WIDTH_PT, (self.height - bottom - top) / self.total
        axes: Axes = self.figure.add_axes((left / WIDTH_PT, bottom / self.total, *size))
        axes.grid(True, color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(length=3, width=0.8)
        return axes

    def finish(self, name: str, description: str = "") -> Plot:
        """Render both forms; `description` says in words what the drawing shows."""
        png = io.BytesIO()
        self.figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
        for text in self._head:
            text.set_visible(False)
        self.figure.patch.set_visible(False)
        svg = io.StringIO()
        area = Bbox.from_extents(0, 0, WIDTH_PT / 72, self.height / 72)
        self.figure.savefig(svg, format="svg", bbox_inches=area, metadata={"Date": None, "Creator": None})
        return Plot(name, self.finding, self.measure, png.getvalue(), inline(svg.getvalue(), name, self.finding, description))

    def _text(self, x: float, y: float, text: str, size: float, colour: str, weight: str, spacing: float) -> Text:
        return self.figure.text(
            x / WIDTH_PT, y / self.total, text, size=size, color=colour, weight=weight, va="top", linespacing=spacing
        )


def inline(svg: str, name: str, title: str, description: str) -> str:
    """A figure's SVG made fit for a page: colours as variables, the page's font, ids of its own, a title that is read out."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", body)
    body = re.sub(r"(font: (?:[\w.]+ )*?)'[^;\"]*", r"\g<1>system-ui, sans-serif", body)
    for colour, variable in _variables().items():
        body = re.sub(colour, f"var(--{variable},{colour})", body, flags=re.IGNORECASE)
    viewbox = re.search(r'viewBox="[^"]*"', body)
    spoken = f'<title id="{name}-title">{_escape(title)}</title>'
    labels = f"{name}-title"
    if description:
        spoken += f'<desc id="{name}-desc">{_escape(description)}</desc>'
        labels += f" {name}-desc"
    head = f'<svg class="plot" role="img" aria-labelledby="{labels}" {viewbox.group() if viewbox else ""} '
    head += 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return head + spoken + body[body.index(">") + 1 :].strip()


def text_box(x: float, y: float, text: str, size: float = SMALL_PT) -> Box:
    """The box of one line of text whose lower left corner is at (x, y) points."""
    return Box(x, y, x + text_width(text, size), y + 1.25 * size)


def text_width(text: str, size: float = SMALL_PT) -> float:
    """Width of a line in points, on the safe side."""
    return _CHARACTER * size * len(text)


def place_labels(
    points: Sequence[tuple[float, float]], texts: Sequence[str], area: Box, lines: Sequence[Box] = ()
) -> list[tuple[float, float]]:
    """Lower left corners (points) of labels beside their points, each where it covers least; the crowded ones first.

    Candidates are eight directions at four distances; covering another label, a marker or a line, or leaving the area, costs.
    """
    markers = [Box(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    crowd = [sum(math.hypot(x - u, y - v) < 60 for u, v in points) for x, y in points]
    placed: dict[int, Box] = {}
    for own in sorted(range(len(points)), key=lambda i: (-crowd[i], points[i], texts[i])):
        width, height = text_width(texts[own]), 1.25 * SMALL_PT
        best: tuple[float, Box] | None = None
        for cost, x, y in _candidates(*points[own], width, height):
            box = Box(x, y, x + width, y + height)
            cost += 8.0 * box.outside(area)
            cost += 3.0 * sum(box.overlap(other) for other in placed.values())
            cost += 1.0 * sum(box.overlap(other) for i, other in enumerate(markers) if i != own)
            cost += 1.2 * sum(box.overlap(other) for other in lines)
            if best is None or cost < best[0]:
                best = (cost, box)
        if best is not None:
            placed[own] = best[1]
    return [(placed[i].x0, placed[i].y0) for i in range(len(points))]


def room_for_ends(names: Iterable[str], most: float = 170.0) -> float:
    """Points right of the axes that `label_ends` needs for the longest of the names, at most `most`."""
    return min(most, max(map(text_width, names)) + 24)


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Names right of the axes at the heights of (x, y, name, colour), kept apart, joined to their points by thin lines."""
    pixels = [axes.transData.transform((x, y)) for x, y, _, _ in ends]
    box = axes.get_window_extent()
    heights = spread([float(y) for _, y in pixels], 12.5, box.y0 + 4, box.y1 - 4)
    for (_, _, name, colour), (x, y), height in zip(ends, pixels, heights, strict=True):
        axes.annotate(
            name, (x, y), xycoords="figure points", xytext=(box.x1 + 12, height),
            textcoords="figure points", va="center", ha="left", size=SMALL_PT, color=INK, annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 4, "relpos": (0.0, 0.5),
            },
        )  # fmt: skip


def interval_bar(axes: Axes, x: float, quality: Interval, colour: str) -> None:
    """The interval of a value at x, where it has one."""
    if not math.isnan(quality.low):
        axes.plot([x, x], [quality.low, quality.high], color=colour, linewidth=1.1, alpha=0.55)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least `gap` apart, in the order of those wanted, near them and inside [low, high] where they fit."""
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(1, len(wanted) - 1)) if len(wanted) > 1 else gap
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    groups: list[list[float]] = []  # each: sum of (wanted - own offset), members
    for i in order:
        groups.append([wanted[i], 1.0])
        while len(groups) > 1 and _start(groups[-2], gap, low, high) + groups[-2][1] * gap > _start(groups[-1], gap, low, high):
            total, members = groups.pop()
            groups[-1][0] += total - members * groups[-1][1] * gap
            groups[-1][1] += members
    positions: list[float] = []
    for group in groups:
        start = _start(group, gap, low, high)
        positions += [start + k * gap for k in range(int(group[1]))]
    return [position for _, position in sorted(zip(order, positions, strict=True))]


def log_axis(axes: Axes, which: str, values: Sequence[float], pad: float = 0.12) -> None:
    """A logarithmic axis over positive values with few ticks at round numbers, written as plain numbers."""
    low, high = min(values), max(values)
    room = max(math.log10(high / low) * pad, 0.06)
    low, high = low / 10**room, high * 10**room
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    fitting = int(axes.get_window_extent().width / TICK_ROOM_PT) if which == "x" else MOST_TICKS
    axis.set_major_locator(FixedLocator(log_ticks(low, high, max(2, min(MOST_TICKS, fitting)))))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def value_axis(axes: Axes, which: str, values: Sequence[float], pad: float, scale: str) -> None:
    """An axis of a metric: logarithmic where its scale is; else linear about 0 and nearly logarithmic far from it (asinh)."""
    if scale == "log":
        log_axis(axes, which, values, pad)
        return
    largest = max(abs(value) for value in values) or 1.0
    width = largest / LINEAR_PART
    (axes.set_xscale if which == "x" else axes.set_yscale)("asinh", linear_width=width)
    low, high = math.asinh(min(values) / width), math.asinh(max(values) / width)
    room = max(pad * (high - low), 0.1)
    low, high = width * math.sinh(low - room), width * math.sinh(high + room)
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    axis = axes.xaxis if which == "x" else axes.yaxis
    sizes = [step * 10.0 ** (math.floor(math.log10(largest)) - k) for k in range(3) for step in (1, 3)]
    apart = [sign * size for size in sizes if size >= width for sign in (1, -1)]  # nearer to 0 they would overlap
    axis.set_major_locator(FixedLocator([0.0, *(value for value in apart if low <= value <= high)]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def on_scale(value: float, scale: str) -> float:
    """A value where distances are those of its metric's scale."""
    return math.log(value) if scale == "log" else value


def log_ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Round numbers inside [low, high], as dense as `most` allows."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps, stride in (((1, 1.5, 2, 3, 4, 5, 6, 8), 1), ((1, 2, 3, 5), 1), ((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2)):
        found = [s * 10.0**e for e in range(first, last + 1, stride) for s in steps if low <= s * 10.0**e <= high]
        if len(found) <= most:
            return found
    return found[:: math.ceil(len(found) / most)]


def tick(value: float) -> str:
    """A tick's number: plain digits in the middle, powers of ten outside."""
    return f"{value:g}" if 1e-3 <= abs(value) < 1e4 or value == 0 else style.number(value, 1)


def _start(group: Sequence[float], gap: float, low: float, high: float) -> float:
    total, members = group
    middle = total / members  # mean of wanted - offset, offsets counted in the group
    return min(max(middle, low), high - (members - 1) * gap)


def _candidates(x: float, y: float, width: float, height: float) -> Iterator[tuple[float, float, float]]:
    for distance in (0.0, 9.0, 20.0, 34.0):
        d = 8.0 + distance
        yield distance + 0.0, x + d, y - height / 2
        yield distance + 1.0, x - d - width, y - height / 2
        yield distance + 1.5, x - width / 2, y + d - 1
        yield distance + 1.6, x - width / 2, y - d - height + 1
        for sign in (1, -1):
            vertical = y + 0.7 * d if sign > 0 else y - 0.7 * d - height
            yield distance + 2.0, x + 0.7 * d, vertical
            yield distance + 2.4, x - 0.7 * d - width, vertical


def _variables() -> dict[str, str]:
    own = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", style.REFERENCE_COLOUR: "reference"}
    return own | {colour: f"f-{family}" for family, colour in style.FAMILY_COLOURS.items()}


def _escape(text: str) -> str:
    return style.clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
