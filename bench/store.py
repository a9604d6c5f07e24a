"""The run folder: records, samples and manifest, written by the parent alone, and watched for anybody else's hand.

Order of writing: a cell's samples first, its record last. A record is therefore complete, and a cell without one is run again.
"""

import hashlib
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from paragone.bench.errors import UsageError
from paragone.bench.files import write_atomically
from paragone.bench.records import LINE_POINTS, Cell, Manifest, Record, read_manifest, read_records, to_json

SHEET_SIDE = LINE_POINTS
"""Contact sheets show this many items a side, so that each interpolation is a row."""
MAP_SIDE = 480
MAP_REACH = 3.0
"""Maps of points reach so far from 0, in standard deviations of the data."""


class RunFolder:
    """One run folder on disk. What was written into cells/ and samples/ is remembered, so that it can be put back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: dict[Path, bytes] = {}
        self._seen: dict[Path, tuple[int, int, int]] = {}

    @classmethod
    def create(cls, path: Path, resume: bool) -> "RunFolder":
        """A new run folder, or an old one to go on with.

        Raises:
            UsageError: it exists with something in it and `resume` is not set, or it cannot be written.
        """
        if path.exists() and not path.is_dir():
            raise UsageError(f"--out {path} is a file, not a folder; name another")
        if path.is_dir() and any(path.iterdir()) and not resume:
            raise UsageError(f"--out {path} exists and is not empty; add --resume to go on with it, or name another folder")
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_atomically(path / ".writable", b"")
            (path / ".writable").unlink()
        except OSError as error:
            raise UsageError(f"--out {path} cannot be written: {error.strerror}; name another folder") from None
        folder = cls(path)
        folder._adopt()
        return folder

    def manifest(self) -> Manifest | None:
        """The manifest, or None where the run has not begun."""
        return read_manifest(self.path) if (self.path / "run.json").exists() else None

    def records(self) -> list[Record]:
        """The records of the cells that are done."""
        return read_records(self.path)

    def write_manifest(self, manifest: Manifest) -> None:
        """Write run.json."""
        self._write(self.path / "run.json", to_json(manifest))

    def write_cell(self, record: Record, samples: dict[str, bytes], level_count: int | None) -> Record:
        """Write a cell's samples (sampler -> npz bytes, of data with so many levels) and then its record; the record as written."""
        files: dict[str, str] = {}
        for sampler, archive in samples.items():
            stem = sample_stem(record.cell, sampler)
            for name, content in ((f"{stem}.npz", archive), (f"{stem}.png", picture(archive, level_count))):
                self._write(self.path / name, content)
                files[name] = hashlib.sha256(content).hexdigest()
        final = record.model_copy(update={"files": files})
        self._write(self.path / "cells" / f"{record.cell.id}.json", to_json(final))
        return final

    def repair(self) -> list[str]:
        """Put back every record and sample that somebody changed or removed, remove what they added; their names."""
        present = {path for part in ("cells", "samples") for path in (self.path / part).rglob("*") if path.is_file()}
        changed = [path for path in self._content if not path.is_file() or _signature(path) != self._seen[path]]
        added = present - set(self._content)
        for path in added:
            path.unlink()
        for path in changed:
            if path.is_dir():
                shutil.rmtree(path)
            self._write(path, self._content[path])
        return sorted(str(path.relative_to(self.path)) for path in (*changed, *added))

    def _adopt(self) -> None:
        """Remember what finished cells wrote, and remove what an interrupted one left behind."""
        if not (self.path / "cells").is_dir():
            return
        kept = {self.path / "cells" / f"{record.cell.id}.json" for record in self.records()}
        kept |= {self.path / name for record in self.records() for name in record.files}
        for part in ("cells", "samples"):
            for path in (self.path / part).rglob("*"):
                if path.is_file() and path not in kept:
                    path.unlink()
                elif path.is_file():
                    self._remember(path, path.read_bytes())

    def _write(self, path: Path, content: bytes) -> None:
        write_atomically(path, content)
        self._remember(path, content)

    def _remember(self, path: Path, content: bytes) -> None:
        self._content[path] = content
        self._seen[path] = _signature(path)


def sample_stem(cell: Cell, sampler: str) -> str:
    """Path of a sampler's sample files without their ending, relative to the run folder."""
    return f"samples/{cell.id}/{re.sub(r'[^A-Za-z0-9_.+-]+', '-', sampler)}"


def picture(archive: bytes, level_count: int | None) -> bytes:
    """A PNG of an npz of samples that a person can look at: a contact sheet of images, a map of points (data without levels)."""
    return point_map(archive) if level_count is None else contact_sheet(archive, level_count)


def point_map(archive: bytes) -> bytes:
    """A PNG of all points of an npz with `x` (N, 2), dark where they lie; those outside the square of side 6 are left out."""
    with np.load(io.BytesIO(archive), allow_pickle=False) as content:
        x = content["x"]
    counts, _, _ = np.histogram2d(x[:, 1], x[:, 0], MAP_SIDE, range=((-MAP_REACH, MAP_REACH),) * 2)
    shade = np.rint(255 * np.exp(-counts[::-1])).astype(np.uint8)  # the second coordinate goes up
    buffer = io.BytesIO()
    Image.fromarray(shade).save(buffer, "PNG")
    return buffer.getvalue()


def contact_sheet(archive: bytes, level_count: int) -> bytes:
    """A PNG of the first items of an npz with `x` (N, C, H, W) levels, enlarged so that a person can see them."""
    with np.load(io.BytesIO(archive), allow_pickle=False) as content:
        x = content["x"][: SHEET_SIDE**2]
    scaled = np.rint(x.astype(np.float64) * (255.0 / (level_count - 1))).astype(np.uint8)
    n, channels, height, width = scaled.shape
    rows = -(-n // SHEET_SIDE)
    sheet = np.full((rows * SHEET_SIDE, channels, height + 1, width + 1), 128, np.uint8)
    sheet[:n, :, :height, :width] = scaled
    tiled = sheet.reshape(rows, SHEET_SIDE, channels, height + 1, width + 1).transpose(0, 3, 1, 4, 2)
    pixels = tiled.reshape(rows * (height + 1), SHEET_SIDE * (width + 1), channels)
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    factor = max(1, 480 // image.width)
    buffer = io.BytesIO()
    image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def check_same(before: Manifest, now: Manifest) -> None:
    """Refuse to go on with a run that was begun with another suite or on another machine.

    Raises:
        UsageError: it names the field, what was found there and what it is here.
    """
    for key in sorted(set(before.fingerprint) | set(now.fingerprint)):
        there, here = before.fingerprint.get(key), now.fingerprint.get(key)
        if there != here:
            raise UsageError(f"--resume: {key} was {there!r} when the run began and is {here!r} here; begin a new run")
    if json.dumps(before.suite, sort_keys=True) != json.dumps(now.suite, sort_keys=True):
        keys = [k for k in now.suite if before.suite.get(k) != now.suite.get(k)]
        raise UsageError(f"--resume: the suite differs from the one the run began with ({', '.join(keys)}); begin a new run")


def _signature(path: Path) -> tuple[int, int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino
