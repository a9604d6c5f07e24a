"""Strips of samples: every layout of an array, levels stretched to greys, unreadable files as empty places."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paragone.bench.store import sample_stem
from paragone.reports.run import load
from paragone.reports.samples import level_count, samples_of, strips
from tests.builders import make_run
from tests.reports.folders import suited, write_folder


@pytest.fixture
def run_with(tmp_path: Path):
    manifest, records = make_run(1, failures=())
    write_folder(tmp_path, suited(manifest), records, samples=False)
    record = next(record for record in records if record.cell.contender == "dcgan")

    def made(x):
        path = tmp_path / f"{sample_stem(record.cell, 'default')}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(x, bytes):
            path.write_bytes(x)
        else:
            np.savez(path, x=x)
        run = load(tmp_path)
        track = run.tracks[0]
        return run, track, next(entry for entry in track.entries if entry.name == "dcgan")

    return made


@pytest.mark.parametrize(
    ("shape", "tile"),
    [((25, 1, 8, 8), (8, 8, 1)), ((25, 8, 12), (8, 12, 1)), ((25, 3, 16, 16), (16, 16, 3)), ((25, 16, 16, 3), (16, 16, 3)),
     ((3, 1, 28, 28), (28, 28, 1))],
)  # fmt: skip
def test_every_layout(run_with, shape, tile):
    run, track, entry = run_with(np.random.default_rng(0).integers(0, 17, shape, dtype=np.uint8))
    samples = samples_of(run, track, entry)
    assert samples is not None
    assert samples.x.shape == (min(20, shape[0]), *tile)
    assert samples.x.max() == 255
    widths = [Image.open(io.BytesIO(data)).size for data in strips(samples)]
    per_strip = min(10, shape[0])
    assert widths == [(per_strip * (tile[1] + 1) - 1, tile[0])] * (2 if shape[0] > 10 else 1)


def test_pixels_are_those_of_the_array(run_with):
    x = np.random.default_rng(1).integers(0, 17, (4, 1, 8, 8), dtype=np.uint8)
    run, track, entry = run_with(x)
    assert level_count(run, track) == 17
    samples = samples_of(run, track, entry)
    picture = np.asarray(Image.open(io.BytesIO(strips(samples)[0])))  # (8, 35, grey and alpha)
    assert picture[:, 8, 1].max() == 0
    for place in range(4):
        tile = picture[:, 9 * place : 9 * place + 8]
        assert tile[..., 1].min() == 255
        assert np.array_equal(np.rint(tile[..., 0] / 255 * 16), x[place, 0])


@pytest.mark.parametrize(
    "content", [b"", b"not an archive", np.zeros((5, 2, 8, 8), np.uint8), np.zeros((5, 1, 8, 8), np.float32), np.zeros(7, np.uint8)]
)
def test_what_cannot_be_shown_is_left_out(run_with, content):
    run, track, entry = run_with(content)
    assert samples_of(run, track, entry) is None
