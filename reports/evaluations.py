"""Quality against the number of network evaluations that a sample takes: the samplers of one trained model on one line."""

import re
from dataclasses import dataclass

from paragone.bench.judge.intervals import Interval
from paragone.bench.metrics.table import METRICS
from paragone.reports import chart, style
from paragone.reports.chart import Canvas, Plot
from paragone.reports.run import Track

FEWEST_EVALUATIONS = 2
"""A contender takes part if its samplers differ in evaluations and one of them takes so many at least."""
CLOSE = 0.1
"""What comes so near to the best, of the distance from there to the worst on the metric's scale, counts as good as it."""
_STEPS = re.compile(r"-(?P<steps>\d+)$")


@dataclass(frozen=True)
class Way:
    """Samplers of one contender that differ in their number of steps alone: `ddpm ddim`; points (evaluations, quality)."""

    name: str
    family: str
    points: tuple[tuple[float, Interval], ...]


def figure(track: Track) -> Plot | None:
    """One line a way of sampling, over all its numbers of steps; None where nobody can choose how many evaluations to spend."""
    found = ways(track)
    if not found:
        return None
    known = METRICS[track.primary]
    canvas = Canvas(
        _finding(found, known.scale),
        f"{known.label[0].upper()}{known.label[1:]} of each trained model's samplers, by how often a sample runs the network; "
        "lower left is better",
        300,
    )
    axes = canvas.axes(left=52 if known.scale == "log" else 66, right=chart.room_for_ends(way.name for way in found))
    chart.log_axis(axes, "x", [evaluations for way in found for evaluations, _ in way.points])
    chart.value_axis(axes, "y", [quality.value for way in found for _, quality in way.points], 0.1, known.scale)
    looks = style.looks([(way.name, way.family) for way in found])
    for way in found:
        look = looks[way.name]
        for evaluations, quality in way.points:
            chart.interval_bar(axes, evaluations, quality, look.colour)
        axes.plot(
            [evaluations for evaluations, _ in way.points], [quality.value for _, quality in way.points], color=look.colour,
            linestyle=look.line, marker=look.marker, markersize=6, markeredgecolor=chart.PAPER, markeredgewidth=0.6,
        )  # fmt: skip
    chart.label_ends(
        axes, [(x, quality.value, way.name, looks[way.name].colour) for way in found for x, quality in way.points[-1:]]
    )
    axes.set_xlabel("network evaluations a sample")
    axes.set_ylabel(known.label)
    spoken = "; ".join(f"{way.name}: " + ", ".join(f"{style.number(q.value)} with {x:g}" for x, q in way.points) for way in found)
    return canvas.finish(f"{track.name}-evaluations", spoken)


def ways(track: Track) -> list[Way]:
    """The ways of sampling of every contender whose samplers differ in evaluations, by name; guided ones are another matter."""
    known = METRICS[track.primary]
    points: dict[tuple[str, str], dict[str, list[tuple[float, Interval]]]] = {}
    for entry in track.competitors:
        evaluations, quality = track.value(entry, "network_evaluations"), track.centre(entry, track.primary)
        if not evaluations or quality is None or "cfg" in entry.sampler or (known.scale == "log" and quality.value <= 0):
            continue
        way = _STEPS.sub("", entry.sampler)
        points.setdefault((entry.contender, entry.family), {}).setdefault(way, []).append((evaluations, quality))
    found = []
    for (contender, family), own in points.items():
        spent = [evaluations for pairs in own.values() for evaluations, _ in pairs]
        if len(set(spent)) > 1 and max(spent) >= FEWEST_EVALUATIONS:
            found += [Way(_named(contender, way), family, tuple(sorted(pairs, key=lambda p: p[0]))) for way, pairs in own.items()]
    return sorted(found, key=lambda way: way.name)


def _named(contender: str, way: str) -> str:
    """`ddpm ddim`, but `consistency` for its sampler `consistency-4` or another that is called like itself."""
    own = contender == way or way == "".join(word[0] for word in contender.split("-"))
    return contender if own else f"{contender} {way}"


def _finding(found: list[Way], scale: str) -> str:
    """Which samplers need fewest evaluations for about the best quality."""
    everything = [(x, quality.value, way.name) for way in found for x, quality in way.points]
    values = [chart.on_scale(value, scale) for _, value, _ in everything]
    limit = min(values) + CLOSE * (max(values) - min(values))
    fewest, _, name = min(point for point, value in zip(everything, values, strict=True) if value <= limit)
    best_x, _, best = min(everything, key=lambda point: (point[1], point[0]))
    times = f"{fewest:g} network evaluation{'s' if fewest != 1 else ''}"
    if (name, fewest) == (best, best_x):
        return f"{name} is best, with {times}"
    return f"{name} comes close to the best with {times}; {best} takes {best_x:g}"
