"""Strips of samples: the first ones that a run kept of each entry, never chosen ones, as small images without frills."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from paragone.bench.store import sample_stem
from paragone.reports.run import Entry, Run, Track

PER_STRIP = 10
"""Tiles in one strip; an entry has two, which stand side by side or, on a phone, one above the other."""
STRIPS = 2
GAP = 1
"""Pixels between tiles, see-through."""

Levels = NDArray[np.uint8]


@dataclass(frozen=True)
class Samples:
    """Samples of one entry as RGB or grey tiles `x` (N, H, W, C) uint8 in 0..255, C 1 or 3; `seed` is the cell's."""

    entry: Entry
    seed: int
    x: Levels

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of one tile in pixels."""
        return int(self.x.shape[1]), int(self.x.shape[2])


def samples_of(run: Run, track: Track, entry: Entry, limit: int = PER_STRIP * STRIPS) -> Samples | None:
    """The first `limit` samples of the entry's first seed that kept any; None where there are none."""
    for record in sorted(entry.records, key=lambda record: (record.cell.variant, record.cell.seed)):
        for name in dict.fromkeys([entry.sampler or "default", "default"]):
            levels = read_levels(run.folder / f"{sample_stem(record.cell, name)}.npz", limit)
            if levels is not None:
                return Samples(entry, record.cell.seed, to_grey_or_rgb(levels, level_count(run, track)))
    return None


def level_count(run: Run, track: Track) -> int:
    """Levels of a track's data as the suite says, else 256."""
    for planned in run.manifest.suite.get("tracks", ()):
        if isinstance(planned, dict) and planned.get("name") == track.name and planned.get("level_count"):
            return int(planned["level_count"])
    return {"digits": 17, "digits-labelled": 17}.get(track.dataset, 256)


def strip(x: Levels) -> NDArray[np.uint8]:
    """Tiles (N, H, W, C) side by side, as RGBA (H, N (W + gap) - gap, 4) with see-through gaps."""
    n, height, width, channels = x.shape
    out = np.zeros((height, n * (width + GAP) - GAP, 4), np.uint8)
    rgb = np.repeat(x, 3, axis=3) if channels == 1 else x
    for place in range(n):
        left = place * (width + GAP)
        out[:, left : left + width, :3] = rgb[place]
        out[:, left : left + width, 3] = 255
    return out


def png(image: NDArray[np.uint8]) -> bytes:
    """An RGBA image (H, W, 4) as PNG, grey with transparency where it has no colour."""
    grey = bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())
    picture = Image.fromarray(np.ascontiguousarray(image[..., [0, 3]] if grey else image), "LA" if grey else "RGBA")
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def strips(samples: Samples) -> list[bytes]:
    """The samples as PNG strips of `PER_STRIP` tiles."""
    starts = range(0, len(samples.x), PER_STRIP)
    return [png(strip(samples.x[start : start + PER_STRIP])) for start in starts]


def read_levels(path: Path, limit: int) -> Levels | None:
    """Array `x` of an npz as (N, H, W, C), or None where the file is missing or holds no such images."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as content:
            x: Any = content["x"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        x = x.transpose(0, 2, 3, 1)  # (N, H, W, C)
    elif x.ndim == 3:
        x = x[..., None]
    usable = x.ndim == 4 and x.shape[3] in (1, 3) and x.dtype == np.uint8 and len(x) > 0
    return x[:limit] if usable else None


def to_grey_or_rgb(levels: Levels, count: int) -> Levels:
    """Levels 0..count - 1 as grey values or colours 0..255."""
    top = max(1, count - 1)
    return np.rint(np.minimum(levels, top) * (255.0 / top)).astype(np.uint8)
