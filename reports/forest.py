"""A small picture of evidence: one row an estimate, with its 95 % interval, drawn as SVG that takes the page's own colours.

A row has its name and numbers on one line and, below, a dot a seed, the interval and the mean. The scale is logarithmic for
ratios. The window holds every dot, the line of equality and the shaded range; an interval that leaves it ends in an arrow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from paragone.bench.judge.intervals import Interval
from paragone.reports import style

WIDTH, LEFT, RIGHT = 340.0, 8.0, 332.0
LINE, ROW, HOLLOW = 17.0, 24.0, 9.0
"""Heights of a line of text, of a row's drawing, and of each hollow interval under it, in units of the picture's own."""
CHARACTERS = 50
"""So many fit on a line."""
MOST_TICKS = 6


@dataclass(frozen=True)
class Bar:
    """One row: what it is, its numbers as text, its colour, mean with interval, a dot a seed, and other views of the same."""

    name: str
    text: str
    colour: str
    mean: Interval
    dots: tuple[float, ...] = ()
    hollow: tuple[Interval, ...] = ()

    @property
    def head(self) -> float:
        """Height of its text: a second line where name and numbers do not fit on one."""
        return LINE * (2 if len(self.name) + len(self.text) > CHARACTERS else 1)

    @property
    def height(self) -> float:
        """Height of the row."""
        return self.head + ROW + HOLLOW * len(self.hollow)


@dataclass(frozen=True)
class Scale:
    """The axis: logarithmic or not, where both are equal, the shaded range (None: open), what its ends mean."""

    log: bool
    equal: float | None = None
    shaded: tuple[float | None, float | None] | None = None
    ends: tuple[str, str] = ("", "")
    limits: tuple[float, float] | None = None


def forest(name: str, title: str, bars: Sequence[Bar], scale: Scale) -> Markup:
    """The picture; `name` makes its ids its own on the page, `title` is its finding and read out, the rows after it."""
    window = _Window(bars, scale)
    top, parts = 2.0, [Markup("")]
    foot = sum(bar.height for bar in bars) + 6.0
    parts.append(_background(window, scale, top, foot))
    for bar in bars:
        parts.append(_row(bar, window, top))
        top += bar.height
    parts.append(_axis(window, scale, foot))
    height = foot + (36.0 if any(scale.ends) else 20.0)
    spoken = "; ".join(f"{bar.name}: {bar.text}" for bar in bars)
    return Markup(
        '<svg class="forest" role="img" aria-labelledby="{0}-title {0}-desc" viewBox="0 0 {1:g} {2:g}">'
        '<title id="{0}-title">{3}</title><desc id="{0}-desc">{4}</desc>{5}</svg>'
    ).format(name, WIDTH, height, style.clean(title), style.clean(spoken), Markup("").join(parts))


class _Window:
    """Maps values to the picture's x, and knows which are outside."""

    def __init__(self, bars: Sequence[Bar], scale: Scale) -> None:
        self.log = scale.log
        means = [interval.value for bar in bars for interval in (bar.mean, *bar.hollow)]
        anchors = [scale.equal, *(scale.shaded or ())]
        held = [self._on(v) for v in (*means, *(d for bar in bars for d in bar.dots), *anchors) if v is not None and self._is(v)]
        ends = [self._on(v) for bar in bars for i in (bar.mean, *bar.hollow) for v in (i.low, i.high) if self._is(v)]
        if scale.limits:
            self.low, self.high = scale.limits
            return
        low, high = min(held, default=0.0), max(held, default=0.0)
        room = max(high - low, math.log(1.1) if self.log else 0.05 * max(abs(low), abs(high), 1e-9))
        low, high = max(low - room, min([low, *ends])), min(high + room, max([high, *ends]))
        pad = 0.06 * max(high - low, room)
        self.low, self.high = low - pad, high + pad

    def x(self, value: float) -> float:
        """Place of a value, held inside the window."""
        share = (self._on(value) - self.low) / (self.high - self.low)
        return LEFT + min(max(share, 0.0), 1.0) * (RIGHT - LEFT)

    def beyond(self, value: float) -> int:
        """-1 left of the window, 1 right of it, 0 inside."""
        at = self._on(value) if self._is(value) else -math.inf
        return -1 if at < self.low - 1e-12 else 1 if at > self.high + 1e-12 else 0

    def ticks(self) -> list[float]:
        """Round numbers inside the window."""
        low, high = (math.exp(self.low), math.exp(self.high)) if self.log else (self.low, self.high)
        if self.log and high > 3 * low:
            for steps in ((1, 2, 5), (1, 3), (1,)):
                exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
                found = [s * 10.0**e for e in exponents for s in steps if low <= s * 10.0**e <= high]
                if len(found) <= MOST_TICKS:
                    return found
            return found[:: math.ceil(len(found) / MOST_TICKS)]
        rough = (high - low) / (MOST_TICKS - 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * s for s in (1, 2, 5, 10) if power * s >= rough * 0.999)
        return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]

    def _is(self, value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not self.log)

    def _on(self, value: float) -> float:
        return math.log(value) if self.log else value


def _background(window: _Window, scale: Scale, top: float, foot: float) -> Markup:
    made = Markup("")
    if scale.shaded is not None:
        low, high = scale.shaded
        x0 = LEFT if low is None or (window.log and low <= 0) else window.x(low)
        x1 = RIGHT if high is None else window.x(high)
        made += Markup('<rect class="allowed" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            x0, top, max(0.0, x1 - x0), foot - top
        )
    if scale.equal is not None:
        x = window.x(scale.equal)
        made += Markup('<path class="equal" d="M{:.1f} {:.1f}V{:.1f}"/>').format(x, top, foot)
    return made


def _row(bar: Bar, window: _Window, top: float) -> Markup:
    middle = top + bar.head + ROW / 2 - 3
    made = Markup('<text x="{:g}" y="{:.1f}">{}</text><text class="value" x="{:g}" y="{:.1f}">{}</text>').format(
        LEFT, top + 12.5, style.line(bar.name, CHARACTERS), RIGHT, top + bar.head - 4.5, bar.text
    )
    for dot in bar.dots:
        if math.isfinite(dot) and (dot > 0 or not window.log):
            made += Markup('<circle class="seed" cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>').format(
                window.x(dot), middle, bar.colour
            )
    made += _interval(bar.mean, window, middle, bar.colour, 2.2)
    if math.isfinite(bar.mean.value):
        made += Markup('<circle class="mean" cx="{:.1f}" cy="{:.1f}" r="4.6" fill="{}"/>').format(
            window.x(bar.mean.value), middle, bar.colour
        )
    for place, other in enumerate(bar.hollow, start=1):
        y = middle + 2 + HOLLOW * place
        made += _interval(other, window, y, "var(--muted)", 1.1)
        if math.isfinite(other.value):
            made += Markup('<circle class="other" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(window.x(other.value), y)
    return made


def _interval(interval: Interval, window: _Window, y: float, colour: str, width: float) -> Markup:
    if not (math.isfinite(interval.low) or math.isfinite(interval.high)):
        return Markup("")
    made = Markup('<path d="M{:.1f} {:.1f}H{:.1f}" stroke="{}" stroke-width="{:g}"/>').format(
        window.x(interval.low), y, window.x(interval.high), colour, width
    )
    for side in {window.beyond(interval.low), window.beyond(interval.high)} - {0}:
        x = LEFT if side < 0 else RIGHT
        made += Markup('<path d="M{0:g} {1:.1f}l{2:g} -4M{0:g} {1:.1f}l{2:g} 4" stroke="{3}" stroke-width="{4:g}"/>').format(
            x, y, 5 if side < 0 else -5, colour, width
        )
    return made


def _axis(window: _Window, scale: Scale, foot: float) -> Markup:
    made = Markup('<path class="axis" d="M{:g} {:.1f}H{:g}"/>').format(LEFT, foot, RIGHT)
    for value in window.ticks():
        x, text = window.x(value), f"{round(value, 12):.6g}".replace("-", style.MINUS)
        near = "start" if x < LEFT + 8 else "end" if x > RIGHT - 8 else "middle"
        made += Markup(
            '<path class="axis" d="M{0:.1f} {1:.1f}v4"/><text class="tick" text-anchor="{2}" x="{0:.1f}" y="{3:.1f}">{4}</text>'
        ).format(x, foot, near, foot + 15, text)
    if any(scale.ends):
        made += Markup('<text class="tick" x="{:g}" y="{:.1f}">{}</text>').format(LEFT, foot + 31, scale.ends[0])
        made += Markup('<text class="tick end" x="{:g}" y="{:.1f}">{}</text>').format(RIGHT, foot + 31, scale.ends[1])
    return made
