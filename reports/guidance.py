"""Guidance: how faithful samples are to the class asked for, against how much of the class they cover."""

import math
import re

from matplotlib.ticker import PercentFormatter

from paragone.bench.judge.intervals import Interval
from paragone.bench.metrics.table import METRICS
from paragone.reports import chart, style
from paragone.reports.chart import MUTED, Canvas, Plot
from paragone.reports.run import Entry, Track

FAITH, DIVERSITY = "class_accuracy", "class_coverage"
_WEIGHT = re.compile(r"cfg-(?P<w>[\d.]+)$")

Place = tuple[Entry, Interval, Interval]
"""An entry, its diversity, its faith."""


def figure(track: Track) -> Plot | None:
    """Every entry of labelled data; those that one model draws at several weights of guidance are joined in order of the weight."""
    places: list[Place] = []
    for entry in track.competitors:
        diversity, faith = track.centre(entry, DIVERSITY), track.centre(entry, FAITH)
        if diversity is not None and faith is not None:
            places.append((entry, diversity, faith))
    if not places:
        return None
    sweeps = _sweeps(places)
    canvas = Canvas(
        _finding(sweeps, places),
        "Share of samples in the class asked for, and share of the class's real items near a sample; upper right is better; "
        "lines join weights w of guidance",
        300,
    )
    names = {entry.name: style.entry_name(entry.name, 22) for entry, _, _ in places}
    axes = canvas.axes(left=56, right=chart.room_for_ends(names.values()))
    axes.set_xlim(*_limits([diversity.value for _, diversity, _ in places]))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    axes.set_ylim(*_limits([faith.value for _, _, faith in places]))
    for own in sweeps.values():
        axes.plot([d.value for _, d, _ in own], [f.value for _, _, f in own], color=MUTED, linewidth=1.0, zorder=1)
    for entry, diversity, faith in places:
        look = track.looks[entry.name]
        chart.interval_bar(axes, diversity.value, faith, look.colour)
        axes.plot(
            [diversity.value], [faith.value], marker=look.marker, color=look.colour, markeredgecolor=chart.PAPER, markersize=8
        )
    chart.label_ends(axes, [(d.value, f.value, names[entry.name], track.looks[entry.name].colour) for entry, d, f in places])
    axes.set_xlabel(f"{METRICS[DIVERSITY].label} (%)")
    axes.set_ylabel(f"{METRICS[FAITH].label} (%)")
    spoken = "; ".join(
        f"{entry.name}: {style.percent(faith.value)} in the class asked for, coverage {style.percent(diversity.value)}"
        for entry, diversity, faith in places
    )
    return canvas.finish(f"{track.name}-guidance", spoken)


def _sweeps(places: list[Place]) -> dict[str, list[Place]]:
    """Contender -> its guided entries by weight, where there are two or more."""
    found: dict[str, list[Place]] = {}
    for place in places:
        if not math.isnan(_weight(place[0])):
            found.setdefault(place[0].contender, []).append(place)
    return {name: sorted(own, key=lambda place: _weight(place[0])) for name, own in sorted(found.items()) if len(own) > 1}


def _weight(entry: Entry) -> float:
    """The weight of guidance of which its sampler is named, NaN of none."""
    match = _WEIGHT.search(entry.sampler)
    return float(match["w"]) if match else math.nan


def _finding(sweeps: dict[str, list[Place]], places: list[Place]) -> str:
    """What guidance from w = 1 on does, else who is most faithful."""
    for name, own in sweeps.items():
        guided = [place for place in own if _weight(place[0]) >= 1]
        if len(guided) > 1:
            (_, broad, loose), (last, narrow, strict) = guided[0], guided[-1]
            return (
                f"{name}: guidance up to {last.sampler.removeprefix('cfg-')} takes class accuracy from "
                f"{style.percent(loose.value)} to {style.percent(strict.value)} and coverage from {style.percent(broad.value)} to "
                f"{style.percent(narrow.value)}"
            )
    entry, _, faith = max(places, key=lambda place: place[2].value)
    return f"{entry.name} is most faithful: {style.percent(faith.value)} of its samples are of the class asked for"


def _limits(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = 0.12 * ((high - low) or 0.1)
    return low - pad, high + pad
