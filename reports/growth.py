"""How the time of one sample grows with the number of pixels."""

import math

import numpy as np
from matplotlib.axes import Axes

from paragone.bench.metrics.table import SIDES
from paragone.reports import chart, style
from paragone.reports.chart import Canvas, Plot
from paragone.reports.run import Entry, Track

METRIC = "latency_pixels_exponent"


def figure(track: Track) -> Plot | None:
    """One line a contender: the latency of its default sampler against pixels; the steepest is named."""
    rows = [row for entry in _firsts(track) if (row := _row(track, entry)) is not None]
    if not rows:
        return None
    rows.sort(key=lambda row: (-row[2][-1], row[0].contender))
    unit = style.time_unit([math.sqrt(min(own[0] for _, _, own in rows) * max(own[-1] for _, _, own in rows))])
    canvas = Canvas(
        _finding([(entry.contender, exponent) for entry, exponent, _ in rows]),
        "Time of one sample of untrained copies at several image sizes, default samplers, geometric mean over seeds; a line as "
        "steep as the grey one grows with the pixels",
        300,
    )
    axes = canvas.axes(left=62, right=chart.room_for_ends(_label(*row[:2]) for row in rows))
    pixels = [side**2 for side in SIDES]
    chart.log_axis(axes, "x", pixels, 0.06)
    scaled = [(entry, exponent, [second / style.unit_size(unit) for second in own]) for entry, exponent, own in rows]
    chart.log_axis(axes, "y", [second for _, _, own in scaled for second in own], 0.08)
    looks = style.looks([(entry.contender, entry.family) for entry, _, _ in rows])
    _proportional(axes, pixels)
    for entry, _, own in scaled:
        look = looks[entry.contender]
        axes.plot(
            pixels[: len(own)], own, color=look.colour, linestyle=look.line, marker=look.marker, markersize=5.5,
            markeredgecolor=chart.PAPER, markeredgewidth=0.6,
        )  # fmt: skip
    ends = [
        (pixels[len(own) - 1], own[-1], _label(entry, exponent), looks[entry.contender].colour) for entry, exponent, own in scaled
    ]
    chart.label_ends(axes, ends)
    axes.set_xlabel("pixels")
    axes.set_ylabel(f"time of one sample ({unit})")
    spoken = "; ".join(f"{entry.contender}: time grows as pixels to the power of {style.number(b, 2)}" for entry, b, _ in rows)
    return canvas.finish(f"{track.name}-growth", spoken)


def _firsts(track: Track) -> list[Entry]:
    """One entry a contender: what does not depend on the sampler is the same for all of them."""
    return list({entry.contender: entry for entry in reversed(track.competitors)}.values())


def _row(track: Track, entry: Entry) -> tuple[Entry, float, list[float]] | None:
    """Entry, exponent, and latencies (s) at the first sizes, as many as every seed measured."""
    logs = [m.repeats for (who, _, _, metric), m in track.judged.measured.items() if (who, metric) == (entry.contender, METRIC)]
    logs = [own for own in logs if own]
    exponent = track.value(entry, METRIC)
    if not logs or exponent is None:
        return None
    common = min(map(len, logs))
    return entry, exponent, np.exp(np.mean([own[:common] for own in logs], 0)).tolist()


def _finding(rows: list[tuple[str, float]]) -> str:
    steep = sorted(rows, key=lambda row: -row[1])
    (first, high), (last, low) = steep[0], steep[-1]
    if len(rows) == 1:
        return f"{first}: time grows as pixels to the power of {style.number(high, 2)}"
    return (
        f"Time grows fastest for {first}, as pixels to the power of {style.number(high, 2)}, and slowest for {last} "
        f"({style.number(low, 2)})"
    )


def _label(entry: Entry, exponent: float) -> str:
    return f"{style.line(entry.contender, 18)} {style.number(exponent, 2)}"


def _proportional(axes: Axes, pixels: list[int]) -> None:
    """A grey line of slope 1 through the middle of the axes."""
    low, high = axes.get_ylim()
    middle = math.sqrt(low * high)
    centre = math.sqrt(pixels[0] * pixels[-1])
    ends = [pixels[0], pixels[-1]]
    axes.plot(ends, [middle * x / centre for x in ends], color=style.REFERENCE_COLOUR, linewidth=3.0, alpha=0.35, zorder=1)
