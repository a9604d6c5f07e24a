"""The figures, one function each: from a track of a run to a picture whose title is what it shows, in words."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from paragone.bench.metrics.modalities import HELD_OUT, MODALITIES
from paragone.bench.metrics.table import METRICS
from paragone.reports import axes as by_axis
from paragone.reports import chart, clouds, evaluations, growth, guidance, sheets, steadiness, style
from paragone.reports.chart import INK, MUTED, Box, Canvas, Plot
from paragone.reports.findings import (
    BLURRY,
    NOISY,
    Curve,
    Point,
    curve_finding,
    lead_changes,
    memory_finding,
    pareto,
    quality_curves,
    sharpness_finding,
    some,
)
from paragone.reports.run import Run, Track, is_named

GAUGES = ("held-out real", "real blurred", "real + noise")
"""References that show what a ratio of high frequencies looks like."""

NAMED_POINTS = 14
"""With more points than this in a picture not all have room for their names."""


def figures(run: Run, track: Track) -> list[Plot]:
    """Every figure of a track for which there is something to draw; the contact sheet first."""
    with chart.visual():
        made = [
            sheets.contact_sheet(run, track),
            clouds.figure(run, track),
            quality_against_training(track),
            by_axis.figure(track),
            quality_against_speed(track),
            evaluations.figure(track),
            guidance.figure(track),
            growth.figure(track),
            memory(track),
            sharpness(track),
            sheets.interpolations(run, track),
            steadiness.figure(track),
        ]
    return [plot for plot in made if plot is not None]


def quality_against_training(track: Track) -> Plot | None:
    """The primary metric against counted seconds of training, with intervals over seeds and direct labels at the ends."""
    curves = quality_curves(track)
    if not curves or max(len(curve.seconds) for curve in curves) < 2:
        return None
    known, hopeless_name = METRICS[track.primary], MODALITIES[track.modality].hopeless
    seeds = max(len(track.values(curve.entry, track.primary)) for curve in curves)
    many = f"mean of {seeds} seeds, bars: 95{style.THIN}% intervals" if seeds > 1 else "one seed, hence no intervals"
    changes = lead_changes(track)
    dotted = "; dotted: the lead changes" if changes else ""
    canvas = Canvas(curve_finding(track, curves), f"{_capital(known.label)}, lower is better, while training; {many}{dotted}", 300)
    axes = canvas.axes(left=52, right=chart.room_for_ends((_short(curve.entry.name) for curve in curves), 150.0))
    chart.log_axis(axes, "x", [second for curve in curves for second in curve.seconds], 0.04)
    floor = _reference(track, HELD_OUT)
    hopeless = _reference(track, hopeless_name)
    levels = [value.value for curve in curves for value in curve.quality]
    low = [value for value in (floor,) if value is not None and (known.scale != "log" or value > min(levels) / 20)]
    chart.value_axis(axes, "y", levels + low, 0.05, known.scale)
    for curve in curves:
        _draw_curve(axes, curve, track.looks[curve.entry.name])
    for change in changes:
        axes.axvline(change, color=MUTED, linewidth=0.9, linestyle=(0, (1, 3)), zorder=1)
    _horizontal(axes, floor, HELD_OUT, "--", "left")
    _horizontal(axes, hopeless, hopeless_name, ":", "right")
    axes.set_xlabel("training (s, counted)")
    axes.set_ylabel(known.label)
    chart.label_ends(
        axes,
        [(c.seconds[-1], c.quality[-1].value, _short(c.entry.name), track.looks[c.entry.name].colour) for c in curves],
    )
    return canvas.finish(f"{track.name}-quality-training", _spoken_curves(curves, known.label))


def quality_against_speed(track: Track) -> Plot | None:
    """The primary metric against seconds a sample, with the Pareto front."""
    known = METRICS[track.primary]
    points: list[Point] = []
    for entry in track.competitors:
        rate, quality = track.value(entry, "sample_throughput_per_s"), track.centre(entry, track.primary)
        if rate and quality is not None and (quality.value > 0 or known.scale != "log"):
            points.append((entry, 1.0 / rate, quality))
    if not points:
        return None
    front = pareto(points)
    best = some([entry.name for entry, _, _ in reversed(front)])
    finding = f"Nothing is both better and faster than {best}" if len(points) > 1 else f"{best}: quality and time"
    canvas = Canvas(
        finding,
        f"{_capital(known.label)} and time a sample at the best batch size; lower left is better; line: Pareto front"
        + ("" if len(points) <= NAMED_POINTS else "; named: the front and the best of each family"),
        300,
    )
    unit = style.time_unit([second for _, second, _ in points])
    scaled = [(entry, second / style.unit_size(unit), quality) for entry, second, quality in points]
    axes = canvas.axes(left=52, right=14)
    chart.log_axis(axes, "x", [x for _, x, _ in scaled], 0.14)
    chart.value_axis(axes, "y", [quality.value for _, _, quality in scaled], 0.12, known.scale)
    _draw_front(axes, [(x, quality.value) for _, x, quality in pareto(scaled)])
    for entry, x, quality in scaled:
        look = track.looks[entry.name]
        chart.interval_bar(axes, x, quality, look.colour)
        axes.plot([x], [quality.value], marker=look.marker, color=look.colour, markeredgecolor=chart.PAPER, markersize=8)
    _label_points(axes, scaled, pareto(scaled))
    axes.set_xlabel(f"time a sample ({unit})")
    axes.set_ylabel(known.label)
    spoken = "; ".join(f"{e.name}: {style.seconds(s)} a sample, {known.label} {style.number(q.value)}" for e, s, q in points)
    return canvas.finish(f"{track.name}-quality-speed", spoken)


def memory(track: Track) -> Plot | None:
    """Memory of each entry in training and in sampling: its own where that is known, else its whole process's peak."""
    own = any(track.values(entry, f"{phase}_own_memory_bytes") for entry in track.competitors for phase in ("train", "sample"))
    rows = []
    for entry in track.competitors:
        train, sample = (
            track.value(entry, f"{phase}_{'own_memory' if own else 'peak_rss'}_bytes") for phase in ("train", "sample")
        )
        if train is not None or sample is not None:
            rows.append((entry, train, sample))
    if not rows:
        return None
    rows.sort(key=lambda row: (max(value for value in row[1:] if value is not None), row[0].name))
    finding = memory_finding(rows)
    of = "own memory (MB), over that of a process that trains nothing" if own else "memory of the whole process (MB)"
    measure = f"Peak of {of}; filled: in training, hollow: in sampling"
    canvas = Canvas(finding, measure, 15.0 * len(rows) + 56)
    axes = _dot_axes(canvas, [entry.name for entry, _, _ in rows])
    for place, (entry, train, sample) in enumerate(rows):
        look = track.looks[entry.name]
        _dots(axes, place, look, None if train is None else train / 1e6, None if sample is None else sample / 1e6)
    values = [value / 1e6 for _, *pair in rows for value in pair if value is not None]
    if max(values) > 20 * min(values) > 0:
        chart.log_axis(axes, "x", values)
    else:
        _linear(axes, [0.0, *values])
    axes.set_xlabel(f"peak of {'own ' if own else ''}memory (MB)")
    spoken = "; ".join(f"{e.name}: training {style.megabytes(t)}, sampling {style.megabytes(s)}" for e, t, s in rows)
    return canvas.finish(f"{track.name}-memory", spoken)


def sharpness(track: Track) -> Plot | None:
    """High-frequency power of the samples relative to real ones: below .9 blurry, above 1.1 noisy; grey: real and spoilt data."""
    rows: list[Point] = []
    for entry in (*track.competitors, *(e for e in track.references if any(is_named(e, name) for name in GAUGES))):
        ratio = track.centre(entry, "high_frequency_ratio")
        if ratio is not None:
            rows.append((entry, ratio.value, ratio))
    competing = sorted((row for row in rows if not row[0].is_reference), key=lambda row: (row[1], row[0].name))
    if not competing:
        return None
    rows.sort(key=lambda row: (row[1], row[0].name))
    measure = f"Share of high frequencies over that of real data; shaded: within 10{style.THIN}% of real; grey: references"
    canvas = Canvas(sharpness_finding(competing), measure, 15.0 * len(rows) + 56)
    axes = _dot_axes(canvas, [entry.name for entry, _, _ in rows])
    axes.axvspan(BLURRY, NOISY, color=style.REFERENCE_COLOUR, alpha=0.18, linewidth=0)
    axes.axvline(1.0, color=MUTED, linewidth=1.0, linestyle="--")
    for place, (entry, value, ratio) in enumerate(rows):
        look = track.looks[entry.name]
        if not math.isnan(ratio.low):
            axes.plot([ratio.low, ratio.high], [place, place], color=look.colour, linewidth=1.6)
        axes.plot([value], [place], marker=look.marker, color=look.colour, markeredgecolor=chart.PAPER, markersize=7.5)
    _linear(axes, [BLURRY - 0.05, NOISY + 0.05, *(value for _, value, _ in rows)])
    axes.set_xlabel("high frequencies, ratio to real")
    spoken = "; ".join(f"{entry.name}: {style.number(value)}" for entry, value, _ in rows)
    return canvas.finish(f"{track.name}-sharpness", spoken)


def _draw_curve(axes: Axes, curve: Curve, look: style.Look) -> None:
    for second, quality in zip(curve.seconds, curve.quality, strict=True):
        chart.interval_bar(axes, second, quality, look.colour)
    axes.plot(
        curve.seconds, [quality.value for quality in curve.quality], color=look.colour, linestyle=look.line,
        marker=look.marker, markersize=5.5, markeredgecolor=chart.PAPER, markeredgewidth=0.6,
    )  # fmt: skip


def _horizontal(axes: Axes, level: float | None, name: str, line: str, side: str) -> None:
    """A reference's level with its name at one side, where curves that fall leave room."""
    low, high = axes.get_ylim()
    if level is None or not low < level < high:
        return
    axes.axhline(level, color=style.REFERENCE_COLOUR, linestyle=line, linewidth=1.2, zorder=1)
    place, shift = (0.0, 4) if side == "left" else (1.0, -2)
    axes.annotate(
        name, (place, level), xycoords=("axes fraction", "data"), xytext=(shift, 3), textcoords="offset points", color=MUTED,
        size=chart.SMALL_PT - 1, ha=side,
    )  # fmt: skip


def _label_points(axes: Axes, points: Sequence[Point], front: Sequence[Point]) -> None:
    """Names beside their points, clear of each other, of markers, intervals and the front's line; of many points only some."""
    named = _named(points, front)
    spots = [_spot(axes, point) for point in named]
    extent = axes.get_window_extent()
    texts = [_short(entry.name) for entry, _, _ in named]
    area = Box(extent.x0 + 2, extent.y0 + 2, extent.x1 + 10, extent.y1)
    lines = [_upright(axes, x, quality.low, quality.high) for _, x, quality in points if not math.isnan(quality.low)]
    lines += _front_boxes(axes, front)
    lines += [Box(x - 4, y - 4, x + 4, y + 4) for x, y in (_spot(axes, point) for point in points if point not in named)]
    for (x, y), text, (left, bottom) in zip(spots, texts, chart.place_labels(spots, texts, area, lines), strict=True):
        width, middle = chart.text_width(text), bottom + 0.62 * chart.SMALL_PT
        near = (min(max(x, left), left + width), min(max(y, bottom), bottom + 1.25 * chart.SMALL_PT))
        side = "left" if left >= x else "right" if left + width <= x else "center"
        anchor = {"left": left, "right": left + width, "center": left + width / 2}[side]
        if math.hypot(near[0] - x, near[1] - y) > 14:
            axes.annotate(
                "", (x, y), xycoords="figure points", xytext=near, textcoords="figure points",
                arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4},
            )  # fmt: skip
        axes.annotate(
            text, (anchor, middle), xycoords="figure points", ha=side, va="center", size=chart.SMALL_PT, color=INK,
            annotation_clip=False,
        )  # fmt: skip


def _spot(axes: Axes, point: Point) -> tuple[float, float]:
    """Where a point lies on the figure, in points."""
    x, y = axes.transData.transform((point[1], point[2].value))
    return float(x), float(y)


def _named(points: Sequence[Point], front: Sequence[Point]) -> list[Point]:
    """The points that are named: all where they are few, else the front and the best of each family."""
    if len(points) <= NAMED_POINTS:
        return list(points)
    best: dict[str, Point] = {}
    for point in sorted(points, key=lambda point: (point[2].value, point[1])):
        best.setdefault(point[0].family, point)
    chosen = {point[0].name for point in (*front, *best.values())}
    return [point for point in points if point[0].name in chosen]


def _upright(axes: Axes, x: float, low: float, high: float) -> Box:
    (left, bottom), (_, top) = axes.transData.transform([(x, low), (x, high)])
    return Box(left - 1.5, bottom, left + 1.5, top)


def _front_boxes(axes: Axes, front: Sequence[Point]) -> list[Box]:
    """The front's staircase as thin boxes: down to the first point, from each right to the next, then down to it."""
    corners = [_spot(axes, point) for point in front]
    boxes = [Box(corners[0][0] - 1.5, corners[0][1], corners[0][0] + 1.5, float(axes.get_window_extent().y1))]
    ends = [*corners[1:], (axes.get_window_extent().x1, corners[-1][1])]
    for (x, y), (next_x, next_y) in zip(corners, ends, strict=True):
        boxes += [Box(x, y - 1.5, next_x, y + 1.5), Box(next_x - 1.5, min(y, next_y), next_x + 1.5, max(y, next_y))]
    return boxes


def _draw_front(axes: Axes, front: Sequence[tuple[float, float]]) -> None:
    """The front as a staircase: what can be had in at most so much time."""
    xs = [front[0][0], *(x for x, _ in front), axes.get_xlim()[1]]
    ys = [axes.get_ylim()[1], *(y for _, y in front), front[-1][1]]
    axes.step(xs, ys, where="post", color=MUTED, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)


def _dot_axes(canvas: Canvas, names: Sequence[str]) -> Axes:
    room = max(chart.text_width(_short(name, 22)) for name in names)
    axes = canvas.axes(left=min(150.0, room + 14), right=16)
    axes.set_yticks(range(len(names)), [_short(name, 22) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return axes


def _dots(axes: Axes, place: int, look: style.Look, filled: float | None, hollow: float | None) -> None:
    if filled is not None and hollow is not None:
        axes.plot([filled, hollow], [place, place], color=look.colour, linewidth=1.4, alpha=0.6)
    if hollow is not None:
        axes.plot([hollow], [place], marker=look.marker, color=look.colour, markerfacecolor=chart.PAPER, markersize=7.5)
    if filled is not None:
        axes.plot([filled], [place], marker=look.marker, color=look.colour, markeredgecolor=chart.PAPER, markersize=7)


def _linear(axes: Axes, values: Sequence[float]) -> None:
    low, high = min(values), max(values)
    pad = 0.05 * ((high - low) or 1.0)
    axes.set_xlim(low if low == 0 else low - pad, high + pad)
    axes.locator_params(axis="x", nbins=6)


def _spoken_curves(curves: Sequence[Curve], label: str) -> str:
    return "; ".join(
        f"{c.entry.name}: {label} {style.number(c.quality[0].value)} after {style.seconds(c.seconds[0])}, "
        f"{style.number(c.quality[-1].value)} after {style.seconds(c.seconds[-1])}"
        for c in curves
    )


def _reference(track: Track, name: str) -> float | None:
    entry = next((entry for entry in track.references if is_named(entry, name)), None)
    return track.value(entry, track.primary) if entry is not None else None


def _capital(label: str) -> str:
    return label[0].upper() + label[1:]


def _short(name: str, limit: int = 20) -> str:
    return style.entry_name(name, limit)
