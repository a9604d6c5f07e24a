"""Sheets of pictures: the samples that were judged, and what lies on the lines between two latents."""

import numpy as np

from paragone.bench.records import INTERPOLATION, LINE_POINTS
from paragone.bench.store import sample_stem
from paragone.reports import chart, style
from paragone.reports.chart import INK, MUTED, Canvas, Plot
from paragone.reports.run import Entry, Run, Track, is_named
from paragone.reports.samples import Samples, level_count, read_levels, samples_of, to_grey_or_rgb

LABEL_ROOM = 124.0
"""Points left of a strip for its name."""
LINES = 2
"""Interpolations shown of each contender."""


def contact_sheet(run: Run, track: Track, tiles: int = 20) -> Plot | None:
    """Samples, one strip an entry, real ones on top and then best to worst."""
    rows = [row for row in (samples_of(run, track, entry, tiles) for entry in sheet_order(track)) if row is not None]
    if not rows:
        return None
    judged = [row.entry for row in rows if not row.entry.is_reference and track.value(row.entry, "fid") is not None]
    finding = f"From {judged[0].name} to {judged[-1].name}" if len(judged) > 1 else "What came out"
    measure = f"The first {max(len(row.x) for row in rows)} samples of seed {rows[0].seed}, none chosen; best FID on top"
    row_height = max(12.0, (chart.WIDTH_PT - LABEL_ROOM - 8) / tiles)
    canvas = Canvas(f"{finding}: the samples that were judged", measure, row_height * len(rows) + 8)
    for place, row in enumerate(rows):
        colour = MUTED if row.entry.is_reference else INK
        _strip(canvas, row, (row.entry.name, colour), canvas.height - (place + 1) * row_height, row_height - 1.5)
    return canvas.finish(f"{track.name}-samples")


def interpolations(run: Run, track: Track) -> Plot | None:
    """Pictures on straight lines between two drawn latents, of each contender that decodes latents; nearest to real data on top."""
    known = sorted(_interpolated(run, track), key=lambda pair: (pair[0], pair[1].entry.name))
    if not known:
        return None
    rows = [(ratio, Samples(own.entry, own.seed, own.x[line])) for ratio, own in known for line in range(min(LINES, len(own.x)))]
    finding = f"Between two latents, {known[0][1].entry.contender} stays nearest to real data"
    measure = (
        f"The first {LINES} lines of seed {known[0][1].seed}, {LINE_POINTS} even steps each, none chosen; number: distance to "
        "the nearest real item on the line over that at its ends"
    )
    row_height = min(36.0, (chart.WIDTH_PT - LABEL_ROOM - 8) / LINE_POINTS)
    canvas = Canvas(finding, measure, row_height * len(rows) + 8)
    for place, (ratio, row) in enumerate(rows):
        label = f"{row.entry.contender} {style.number(ratio)}" if place == 0 or rows[place - 1][1].entry != row.entry else ""
        _strip(canvas, row, (label, INK), canvas.height - (place + 1) * row_height, row_height - 1.5)
    spoken = "; ".join(f"{own.entry.contender}: {style.number(ratio)}" for ratio, own in known)
    return canvas.finish(f"{track.name}-interpolation", spoken)


def _interpolated(run: Run, track: Track) -> list[tuple[float, Samples]]:
    """Distance ratio and lines (LINES, tiles, H, W, C) of each contender whose first seed kept them."""
    found = []
    for entry in {entry.contender: entry for entry in reversed(track.competitors)}.values():
        ratio = track.value(entry, "interpolation_distance")
        lines = None if ratio is None else _lines(run, track, entry)
        if ratio is not None and lines is not None:
            found.append((ratio, lines))
    return found


def _lines(run: Run, track: Track, entry: Entry) -> Samples | None:
    for record in sorted(entry.records, key=lambda record: (record.cell.variant, record.cell.seed)):
        levels = read_levels(run.folder / f"{sample_stem(record.cell, INTERPOLATION)}.npz", LINES * LINE_POINTS)
        if levels is not None and len(levels) % LINE_POINTS == 0:
            tiles = to_grey_or_rgb(levels, level_count(run, track))
            return Samples(entry, record.cell.seed, tiles.reshape(-1, LINE_POINTS, *tiles.shape[1:]))
    return None


def sheet_order(track: Track) -> list[Entry]:
    """Real data, then competitors from best to worst, then the other references."""
    real = [entry for entry in track.references if is_named(entry, "held-out real")]
    return [*real, *track.competitors, *(entry for entry in track.references if entry not in real)]


def _strip(canvas: Canvas, row: Samples, label: tuple[str, str], bottom: float, height: float) -> None:
    """Tiles side by side with a label (text, colour) to their left."""
    x = row.x
    n, tile_height, tile_width, channels = x.shape
    gap = max(1, round(tile_width / 10))
    image = np.full((tile_height, n * (tile_width + gap) - gap, 4), 0, np.uint8)
    for place in range(n):
        left = place * (tile_width + gap)
        image[:, left : left + tile_width, :3] = x[place] if channels == 3 else np.repeat(x[place], 3, axis=2)
        image[:, left : left + tile_width, 3] = 255
    width = height * image.shape[1] / tile_height
    room = chart.WIDTH_PT - LABEL_ROOM - 8
    scale = min(1.0, room / width)
    axes = canvas.figure.add_axes(
        (LABEL_ROOM / chart.WIDTH_PT, bottom / canvas.total, width * scale / chart.WIDTH_PT, height * scale / canvas.total)
    )
    axes.imshow(image, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    canvas.figure.text(
        (LABEL_ROOM - 6) / chart.WIDTH_PT, (bottom + height / 2) / canvas.total, style.entry_name(label[0], 20),
        ha="right", va="center", size=chart.SMALL_PT, color=label[1],
    )  # fmt: skip
