"""One run over labelled images and points of known density: rows, rankings by each track's own measure, pictures, report."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from paragone.bench.records import INTERPOLATION, LINE_POINTS, read_records
from tests.cli.conftest import bench

SUITE = """
name = "modalities"
seeds = 1
[budget]
train = "15 steps"
parameters = 30000
[evaluation]
samples = 200
shares = [0.5]
curve_samples = 100
probes = ["latents", "density", "guidance", "styles"]
[samplers.ddpm]
judged = ["ddim-4"]
[[tracks]]
name = "labelled"
data = "digits-labelled"
contenders = ["ddpm", "biggan", "stylegan"]
[tracks.samplers.ddpm]
judged = ["ddim-4", "cfg-1", "cfg-3"]
[[tracks]]
name = "grid"
data = "grid25"
samples = 1500
contenders = ["made", "ddpm", "mlp-gan"]
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modalities")
    (folder / "suite.toml").write_text(SUITE)
    bench("run", folder / "suite.toml", "--out", folder / "out", cwd=folder, check=0)
    return folder / "out"


@pytest.fixture(scope="module")
def records(out):
    return {record.cell.id: record for record in read_records(out)}


def value(record, metric, sampler=""):
    return next(m.value for m in record.measurements if (m.metric, m.sampler) == (metric, sampler))


def test_each_track_is_ranked_by_its_own_measure(out):
    ranking = pd.read_csv(out / "tables" / "ranking.csv")
    own = {track: set(rows.metric) for track, rows in ranking.groupby("track")}
    assert {"fid", "class_accuracy", "class_coverage"} <= own["labelled"]
    assert {"energy_distance", "modes", "high_quality_share"} <= own["grid"]
    assert "fid" not in own["grid"]
    assert {"ddpm/ddim-4", "ddpm/cfg-1", "ddpm/cfg-3", "biggan/default"} <= set(ranking[ranking.track == "labelled"].entry)


def test_references_bound_both_tracks(records):
    assert value(records["labelled.held-out-real.s0"], "class_accuracy", "default") > 0.9
    assert value(records["grid.held-out-real.s0"], "modes", "default") == value(records["grid.train-copies.s0"], "modes", "default")
    assert value(records["grid.held-out-real.s0"], "high_quality_share", "default") > 0.95


def test_probes_answer_where_they_apply(records):
    assert value(records["labelled.ddpm.s0"], "guidance_gap") < 1e-4
    assert value(records["labelled.stylegan.s0"], "style_scale_ratio") > 0
    assert value(records["grid.made.s0"], "density_integral") == pytest.approx(1, abs=0.05)
    assert not any(m.metric == "guidance_gap" for m in records["labelled.biggan.s0"].measurements)


def test_samples_of_points_and_of_classes_are_kept(out, records):
    stem = out / "samples" / "grid.made.s0" / "default"
    with np.load(stem.with_suffix(".npz"), allow_pickle=False) as kept:
        assert kept["x"].shape == (1500, 2)
    with Image.open(stem.with_suffix(".png")) as picture:
        assert picture.size == (480, 480)
    with np.load(out / "samples" / "labelled.biggan.s0" / "default.npz", allow_pickle=False) as kept:
        assert kept["x"].shape == (200, 1, 8, 8)
        assert set(kept["y"]) == set(range(10))
    with np.load(out / "samples" / "labelled.stylegan.s0" / f"{INTERPOLATION}.npz", allow_pickle=False) as kept:
        assert kept["x"].shape == (10 * LINE_POINTS, 1, 8, 8)


def test_the_report_shows_them(out):
    plots = {path.stem for path in (out / "plots").glob("*.png")}
    assert {"grid-points", "labelled-guidance", "labelled-interpolation", "labelled-samples"} <= plots
    page = (out / "report.html").read_text()
    for words in ("energy distance", "class accuracy", "modes", "finds"):
        assert words in page, words
    before = page
    bench("report", out, cwd=out, check=0)
    assert (out / "report.html").read_text() == before
