"""A small multiple drawn as SVG that takes the page's colours and font. Up is worse, for every metric.

dots       a night each; where there are more than `MOST_DOTS`, a line from least to largest and the median of some nights each
step line  medians of the segments; band: where the next quiet night would be
rings      alerts at their first bad night with their id, filled while open; diamonds beyond the window become arrows at its edge
marks      dashed: another machine or protocol; short ticks above: a soft key changed; hollow, below: a night without a value
left       the metric's own value on the newest machine; right: change from the level
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from markupsafe import Markup

from paragone.reports import style
from paragone.reports.ci import words
from paragone.reports.history import Block, Dot, Multiple
from paragone.reports.history_words import day, night

WIDTH, LEFT, RIGHT = 360.0, 54.0, 312.0
PLOT, ROW, GAP = 96.0, 14.0, 11.0
"""Heights of the plot and of a row of text, width between blocks, in the picture's own units."""
MOST_DOTS = 200
BINS = 80
"""Bins of all blocks together, where nights are put together: three units wide."""
MOST_ROWS = 3
"""Rows of alert ids; what finds no room is marked without its id."""
CHARACTER = 6.0
"""Width of a character, on the safe side."""
_UNITS = {"s": "s", "bytes": "B", "1/s": "/s", "J": "J"}
"""Units that take a prefix; others stand in the caption."""
_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Label:
    """A line of text: its place, where its box begins and ends, and the class that styles it."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    kind: str = ""
    link: str = ""

    @property
    def span(self) -> tuple[float, float]:
        """Left and right end."""
        width = CHARACTER * len(self.text)
        start = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return start, start + width

    @property
    def svg(self) -> Markup:
        """The element, a link where it leads somewhere."""
        made = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(
            self.x, self.y, self.anchor, self.kind, self.text
        )
        return Markup('<a href="#{}">{}</a>').format(self.link, made) if self.link else made


class Picture:
    """The geometry of one small multiple: places of nights and shifts, ticks, labels."""

    def __init__(self, multiple: Multiple) -> None:
        self.multiple, self.blocks = multiple, multiple.blocks
        self.low, self.high = _window(self.blocks)
        self.edges = _edges([len(block.dots) for block in self.blocks])
        self.ids, self.rows = self._ids()
        self.top = 8.0 + ROW * self.rows
        self.bottom = self.top + PLOT
        self.height = self.bottom + 34.0

    def x(self, block: int, place: float) -> float:
        """Centre of a night."""
        start, end = self.edges[block]
        return start + (end - start) * (place + 0.5) / len(self.blocks[block].dots)

    def y(self, shift: float) -> float:
        """Height of a shift, held inside the window."""
        share = (min(max(shift, self.low), self.high) - self.low) / (self.high - self.low)
        return self.bottom - share * PLOT

    def beyond(self, shift: float) -> bool:
        """True outside the window."""
        return not self.low <= shift <= self.high

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """All text of the picture."""
        return (*self.ids, *self._tick_labels(), *self._dates())

    @cached_property
    def ticks(self) -> tuple[float, ...]:
        """Shifts at which the axes are labelled."""
        return _ticks(self.low, self.high, self.multiple.watch.relative)

    def _tick_labels(self) -> list[Label]:
        block, made = self.multiple.newest, []
        if block.watch.kind == "exact" and block.raw is None:
            return []
        for shift in self.ticks:
            y = self.y(shift) + 3.5
            made.append(Label(LEFT - 6, y, _raw(block, shift), "end", "tick"))
            made.append(Label(RIGHT + 6, y, _change(block, shift), "start", "tick"))
        return made

    def _dates(self) -> list[Label]:
        y, made = self.bottom + 29.0, list[Label]()
        for place, block in enumerate(self.blocks):
            start, end = self.edges[place]
            first = Label(start, y, day(block.dots[0].point), "start", "tick")
            last = Label(end, y, day(block.dots[-1].point), "end", "tick")
            for label in (first, last) if place == len(self.blocks) - 1 else (first,):
                while made and made[-1].span[1] + 4 > label.span[0] and made[-1].x != LEFT:
                    made.pop()
                if not made or made[-1].span[1] + 4 <= label.span[0]:
                    made.append(label)
        return made

    def _ids(self) -> tuple[list[Label], int]:
        """Ids of alerts in as few rows as hold them, the open ones first."""
        flags = [(k, flag) for k, block in enumerate(self.blocks) for flag in block.flags]
        taken: list[list[tuple[float, float]]] = [[] for _ in range(MOST_ROWS)]
        made: list[tuple[int, Label]] = []
        for k, flag in sorted(flags, key=lambda item: (not item[1].is_open, -item[0], -item[1].place)):
            half = CHARACTER * len(flag.short) / 2
            x = min(max(self.x(k, flag.place), LEFT + half), WIDTH - half)
            label = Label(x, 0.0, flag.short, "middle", "id" if flag.is_open else "id past", flag.short)
            low, high = label.span
            row = next((r for r, spans in enumerate(taken) if all(high + 4 < a or b + 4 < low for a, b in spans)), None)
            if row is not None:
                taken[row].append((low, high))
                made.append((row, label))
        rows = sum(bool(spans) for spans in taken)
        return [Label(old.x, 11.0 + ROW * (rows - 1 - row), old.text, old.anchor, old.kind, old.link) for row, old in made], rows


def draw(multiple: Multiple, name: str, finding: str, colour: str) -> Markup:
    """The picture; `name` makes its ids its own on the page, `finding` is its title and is read out."""
    picture = Picture(multiple)
    parts = [_grid(picture)]
    for k, block in enumerate(picture.blocks):
        parts += [_band(picture, k, block), _marks(picture, k, block)]
        parts += [_bins(picture, k, block) if _binned(multiple) else _dots(picture, k, block)]
        parts += [_step_line(picture, k, block), _flags(picture, k, block)]
    parts += [_breaks(picture), *(label.svg for label in picture.labels)]
    return Markup(
        '<svg class="series" role="img" aria-labelledby="{0}-t {0}-d" viewBox="0 0 {1:g} {2:g}" style="--c:{5}" '
        'xmlns="http://www.w3.org/2000/svg"><title id="{0}-t">{3}</title><desc id="{0}-d">{4}</desc>{6}</svg>'
    ).format(name, WIDTH, picture.height, finding, _spoken(multiple), colour, Markup("").join(parts))


def _spoken(multiple: Multiple) -> str:
    block = multiple.newest
    nights = style.plural(len(block.dots), "night")
    level = f", level {words.quantity(block.watch, block.raw)}" if block.raw is not None else ""
    alerts = f", alerts {style.names([flag.short for flag in block.flags])}" if block.flags else ""
    return f"{nights} from {day(block.dots[0].point)} to {day(block.dots[-1].point)}{level}{alerts}"


def _binned(multiple: Multiple) -> bool:
    return sum(len(block.dots) for block in multiple.blocks) > MOST_DOTS


def _window(blocks: Sequence[Block]) -> tuple[float, float]:
    """Shifts that are shown: what is drawn as a line or an alert, and the nights as far away as once its height."""
    least = max(1.5 * blocks[0].watch.smallest, 1e-9)
    core = [-least, least, *(step.shift for block in blocks for step in block.steps)]
    core += [edge for block in blocks if block.band for edge in (block.band.low, block.band.high)]
    core += [s for b in blocks for flag in b.open_flags if (s := b.dots[flag.place].shift) is not None]
    low, high = min(core), max(core)
    ends = [s for block in blocks for dot in block.dots for s in (dot.shift, dot.low, dot.high) if s is not None]
    inside = [s for s in ends if low - (high - low) <= s <= high + (high - low)]
    low, high = min([low, *inside]), max([high, *inside])
    pad = 0.06 * (high - low)
    return low - pad, high + pad


def _edges(sizes: Sequence[int]) -> list[tuple[float, float]]:
    """Left and right edge of each block: as wide as it has nights, 24 units at least."""
    room = RIGHT - LEFT - GAP * (len(sizes) - 1)
    least = min(24.0, room / len(sizes))
    spare = room - least * len(sizes)
    edges, x = [], LEFT
    for size in sizes:
        width = least + spare * size / sum(sizes)
        edges.append((x, x + width))
        x += width + GAP
    return edges


def _ticks(low: float, high: float, relative: bool) -> tuple[float, ...]:
    """The level, and round changes around it: at most four, in percent or as factors; or in the metric's unit."""
    if relative and high - low > math.log(4):
        bases = (2.0, 10.0, 100.0, 1e3, 1e6, 1e12)
        base = next((b for b in bases if (high - low) / math.log(b) < 4), 1e24)
        return tuple(k * math.log(base) for k in range(math.ceil(low / math.log(base)), math.floor(high / math.log(base)) + 1))
    power = 1.0 if relative else 10.0 ** math.floor(math.log10(high - low))
    top, bottom = (math.expm1(high), math.expm1(low)) if relative else (high, low)
    steps = [power * s for s in (_STEPS if relative else (0.1, 0.2, 0.5, 1.0, 2.0))]
    step = next((s for s in steps if math.floor(top / s) - math.ceil(bottom / s) < 4), steps[-1])
    found = [k * step for k in range(math.ceil(bottom / step), math.floor(top / step) + 1)]
    return tuple(math.log1p(v) if relative else v for v in found if not relative or v > -1)


def _raw(block: Block, shift: float) -> str:
    raw = block.raw_at(shift)
    if raw is None:
        return ""
    unit = _UNITS.get(block.watch.unit, "")
    return style.scaled(raw, unit).strip(style.THIN) if unit or block.watch.kind == "exact" else style.number(raw)


def _change(block: Block, shift: float) -> str:
    if abs(shift) < 1e-12:
        return "level"
    sign = style.MINUS if shift < 0 else "+"
    if not block.watch.relative:
        return sign + style.number(abs(shift), 2)
    factor = math.exp(shift)
    if not 1e-3 <= factor < 1e4:
        power = round(math.log10(factor))
        return f"×1e{style.MINUS if power < 0 else ''}{abs(power)}"
    return f"×{style.number(factor, 2)}" if not 0.3 < factor < 4 else sign + style.percent(abs(factor - 1))


def _grid(picture: Picture) -> Markup:
    lines = "".join(f"M{LEFT:g} {picture.y(shift):.1f}H{RIGHT:g}" for shift in picture.ticks)
    return Markup('<path class="grid" d="{}"/>').format(lines)


def _band(picture: Picture, k: int, block: Block) -> Markup:
    if block.band is None:
        return Markup("")
    x, top, foot = picture.x(k, block.band.first - 0.5), picture.y(block.band.high), picture.y(block.band.low)
    right = picture.edges[k][1] + (4.0 if k == len(picture.blocks) - 1 else 0.0)  # a little beyond: the next night
    return Markup('<rect class="band" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(x, top, right - x, foot - top)


def _step_line(picture: Picture, k: int, block: Block) -> Markup:
    d, y0 = "", None
    for step in block.steps:
        x0, x1, y = picture.x(k, step.first - 0.5), picture.x(k, step.last + 0.5), picture.y(step.shift)
        d += (f"M{x0:.1f} {y:.1f}" if y0 is None else f"H{x0:.1f}V{y:.1f}") + f"H{x1:.1f}"
        y0 = y
    return Markup('<path class="steps" d="{}"/>').format(d)


def _dots(picture: Picture, k: int, block: Block) -> Markup:
    whiskers, made = "", []
    for place, dot in enumerate(block.dots):
        x = picture.x(k, place)
        if dot.shift is None:
            made.append(Markup('<circle class="none" cx="{:.1f}" cy="{:.1f}" r="2.4">{}</circle>').format(
                x, picture.bottom + 9, _tip(block, dot)))  # fmt: skip
            continue
        if dot.low is not None and dot.high is not None:
            whiskers += f"M{x:.1f} {picture.y(dot.low):.1f}V{picture.y(dot.high):.1f}"
        y, tip = picture.y(dot.shift), _tip(block, dot)
        if picture.beyond(dot.shift):
            way = 5 if dot.shift > picture.high else -5
            made.append(Markup('<path class="dot" d="M{:.1f} {:.1f}l-4 {way}h8z">{}</path>').format(x, y, tip, way=way))
        else:
            made.append(Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="2.3">{}</circle>').format(x, y, tip))
    return Markup('<path class="range" d="{}"/>').format(whiskers) + Markup("").join(made)


def _bins(picture: Picture, k: int, block: Block) -> Markup:
    """Nights put together: of each bin the range, and the median as a dot."""
    total = sum(len(b.dots) for b in picture.blocks)
    size = math.ceil(total / BINS)
    ranges, medians, hollow = "", "", ""
    for start in range(0, len(block.dots), size):
        part = block.dots[start : start + size]
        shifts = [dot.shift for dot in part if dot.shift is not None]
        x = picture.x(k, start + (len(part) - 1) / 2)
        if shifts:
            ranges += f"M{x:.1f} {picture.y(min(shifts)):.1f}V{picture.y(max(shifts)):.1f}"
            medians += f"M{x:.1f} {picture.y(float(np.median(shifts))):.1f}h0"
        if len(shifts) < len(part):
            hollow += f"M{x:.1f} {picture.bottom + 9:.1f}m-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0"
    return Markup('<path class="range" d="{}"/><path class="medians" d="{}"/><path class="none" d="{}"/>').format(
        ranges, medians, hollow
    )


def _marks(picture: Picture, k: int, block: Block) -> Markup:
    """Soft keys that changed."""
    made = Markup("")
    for place, text in (block.soft or {}).items():
        x = picture.x(k, place - 0.5)
        made += Markup('<path class="soft" d="M{:.1f} {:.1f}V{:.1f}"><title>{}: {}</title></path>').format(
            x, picture.top, picture.bottom, day(block.dots[place].point), text
        )
    return made


def _flags(picture: Picture, k: int, block: Block) -> Markup:
    made, shown = Markup(""), {label.text for label in picture.ids}
    rows = {label.text: label.y for label in picture.ids}
    for flag in block.flags:
        dot = block.dots[flag.place]
        x, y = picture.x(k, flag.place), picture.y(dot.shift or 0.0)
        if flag.short in shown:
            made += Markup('<path class="leader" d="M{:.1f} {:.1f}V{:.1f}"/>').format(x, rows[flag.short] + 3, y - 5)
        made += Markup(
            '<circle class="alert{}" cx="{:.1f}" cy="{:.1f}" r="4.6"><title>{}: first bad night {}</title></circle>'
        ).format("" if flag.is_open else " past", x, y, flag.short, night(dot.point))
    return made


def _breaks(picture: Picture) -> Markup:
    made = Markup("")
    for (_, end), text in zip(picture.edges, picture.multiple.breaks, strict=False):
        made += Markup('<path class="break" d="M{:.1f} {:.1f}V{:.1f}"><title>{}</title></path>').format(
            end + GAP / 2, picture.top - 4, picture.bottom + 14, text
        )
    return made


def _tip(block: Block, dot: Dot) -> Markup:
    point = dot.point
    if dot.shift is None:
        return Markup("<title>{}: {}</title>").format(night(point), style.line(f"{point.status} {point.reason}", 80))
    change = f", {_change(block, dot.shift)}" if block.raw is not None and abs(dot.shift) > 1e-12 else ""
    value = words.quantity(block.watch, point.raw) if point.raw is not None else style.line(point.exact, 24)
    return Markup("<title>{}: {}{}</title>").format(night(point), value, change)
