"""Clouds of points: what each entry drew, over the places where the true density lies."""

import io
import zipfile
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from numpy.typing import NDArray

from paragone.bench.metrics.mixture import MIXTURES, Mixture
from paragone.bench.store import sample_stem
from paragone.reports import chart, style
from paragone.reports.chart import INK, MUTED, Canvas, Plot
from paragone.reports.run import Entry, Run, Track

COLUMNS = 3
REACH = 2.2
"""Panels reach so far from 0, in standard deviations of the data."""
TITLE_PT = 32.0
"""Room for the lines over and under a panel."""


def figure(run: Run, track: Track) -> Plot | None:
    """One panel a contender, by its default sampler, best first and real data in front, with all its points of one seed.

    None for data that is no mixture of known density.
    """
    mixture = MIXTURES[track.dataset]() if track.dataset in MIXTURES else None
    real = [entry for entry in track.references if entry.contender == "held-out real"]
    drawn = [(entry, x) for entry in (*real, *_defaults(track)) if (x := _points(run, entry)) is not None]
    if mixture is None or not drawn:
        return None
    side = (chart.WIDTH_PT - 8) / COLUMNS
    rows = -(-len(drawn) // COLUMNS)
    canvas = Canvas(
        _finding(track, mixture),
        f"{max(len(x) for _, x in drawn):,} points an entry, first seed, none chosen; rings: three standard deviations of a mode",
        (side + TITLE_PT) * rows,
    )
    for place, (entry, x) in enumerate(drawn):
        row, column = divmod(place, COLUMNS)
        _panel(
            canvas,
            track,
            entry,
            x,
            mixture,
            (column * side + 4, canvas.height - (row + 1) * (side + TITLE_PT) + TITLE_PT / 2, side - 8),
        )
    spoken = "; ".join(f"{entry.contender}: {track.value(entry, 'modes') or 0.0:.3g} modes" for entry, _ in drawn)
    return canvas.finish(f"{track.name}-points", spoken)


def _defaults(track: Track) -> list[Entry]:
    """The entries of default samplers."""
    return [entry for entry in track.competitors if entry.sampler in ("", *(r.samplers[0] for r in entry.records if r.samplers))]


def _finding(track: Track, mixture: Mixture) -> str:
    """Who misses modes, in words."""
    known = [(entry.contender, value) for entry in _defaults(track) if (value := track.value(entry, "modes")) is not None]
    count = len(mixture.means)
    missing = [name for name, value in known if value < count]
    if not known:
        return f"What was drawn of {count} modes"
    if not missing:
        return f"All find the {count} modes"
    name, least = min(known, key=lambda pair: pair[1])
    whole = f"; all by {style.plural(len(known) - len(missing), 'entry', 'entries')}" if len(missing) < len(known) else ""
    return f"{name} finds {least:.3g} of {count} modes{whole}"


def _panel(
    canvas: Canvas, track: Track, entry: Entry, x: NDArray[np.float32], mixture: Mixture, where: tuple[float, float, float]
) -> None:
    """One entry's points in a square at (left, bottom, side), in points."""
    left, bottom, side = where
    axes: Axes = canvas.figure.add_axes((left / chart.WIDTH_PT, bottom / canvas.total, side / chart.WIDTH_PT, side / canvas.total))
    for mean in mixture.means:
        axes.add_patch(Circle((mean[0], mean[1]), 3 * mixture.sd, facecolor="none", edgecolor=MUTED, linewidth=0.5))
    axes.scatter(x[:, 0], x[:, 1], s=1.1, color=track.looks[entry.name].colour, alpha=0.45, linewidths=0, rasterized=True)
    axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), xticks=[], yticks=[])
    modes, share = track.value(entry, "modes"), track.value(entry, "high_quality_share")
    note = "" if modes is None else f"{modes:.3g} modes, {style.percent(share)} at one"
    axes.set_title(style.line(entry.contender, 20), loc="left", fontsize=chart.SMALL_PT - 1, color=INK, pad=3)
    axes.set_xlabel(note, loc="left", fontsize=chart.SMALL_PT - 2, color=MUTED, labelpad=2)


def _points(run: Run, entry: Entry) -> NDArray[np.float32] | None:
    """All points of the entry's first seed that kept any, (N, 2)."""
    for record in sorted(entry.records, key=lambda record: (record.cell.variant, record.cell.seed)):
        for name in dict.fromkeys([entry.sampler or "default", "default"]):
            x = _read(run.folder / f"{sample_stem(record.cell, name)}.npz")
            if x is not None:
                return x
    return None


def _read(path: Path) -> NDArray[np.float32] | None:
    """Array `x` of an npz as points (N, 2), or None where the file is missing or holds no such thing."""
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content:
            x = content["x"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    usable = x.ndim == 2 and x.shape[1] == 2 and x.dtype.kind == "f" and len(x) > 0
    return x.astype(np.float32) if usable else None
