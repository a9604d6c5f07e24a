"""Figures of what a trained model can be asked for: network evaluations, guidance, pixels, lines between latents."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paragone.bench.metrics.table import METRICS, SIDES
from paragone.bench.records import INTERPOLATION, Measurement
from paragone.bench.store import sample_stem
from paragone.reports import chart, evaluations, growth, guidance, sheets
from paragone.reports.run import load
from tests.builders import Way, make_run, planned
from tests.reports.folders import built, suited, write_folder

STEPS = {
    "ddpm": planned(
        "ddpm",
        samplers={f"ddim-{k}": Way(fid, 1e4 / k, k) for k, fid in ((4, 8.0), (10, 3.0), (50, 2.5))} | {"dpm-10": Way(2.6, 1e3, 10)},
    ),
    "consistency": planned("ddpm", samplers={"consistency-1": Way(4.0, 1e4, 1), "consistency-4": Way(2.8, 2.5e3, 4)}),
    "dcgan": planned("dcgan"),
}


def drawn(figure, folder, *more):
    """The figure of the only track of a folder; `more` goes before the track."""
    run = load(folder)
    with chart.visual():
        return figure(*([run] if more else []), run.tracks[0])


@pytest.fixture
def stepped(tmp_path: Path) -> Path:
    return built(tmp_path, contenders=STEPS, failures=(), noise=0.0)


def test_samplers_that_differ_in_steps_are_one_line_each(stepped):
    found = {way.name: [x for x, _ in way.points] for way in evaluations.ways(load(stepped).tracks[0])}
    assert found == {"consistency": [1, 4], "ddpm ddim": [4, 10, 50], "ddpm dpm": [10]}


def test_the_fewest_evaluations_that_come_close_are_named(stepped):
    """Close is within a tenth, on the logarithmic scale, of the way from 2.5 to 8: up to 2.81."""
    plot = drawn(evaluations.figure, stepped)
    assert plot.finding == "consistency comes close to the best with 4 network evaluations; ddpm ddim takes 50"
    assert "ddpm ddim: 8.00 with 4, 3.00 with 10, 2.50 with 50" in plot.svg


def test_a_best_that_is_also_the_fastest_is_said_to_be(tmp_path):
    ways = {"consistency-1": Way(2.0, 1e4, 1), "consistency-4": Way(2.8, 2.5e3, 4)}
    plot = drawn(evaluations.figure, built(tmp_path, contenders={"consistency": planned("ddpm", samplers=ways)}, failures=()))
    assert plot.finding == "consistency is best, with 1 network evaluation"


def test_nothing_is_drawn_where_nobody_can_choose(tmp_path):
    folder = built(tmp_path, contenders={"dcgan": planned("dcgan"), "pixelcnn": planned("pixelcnn")}, failures=())
    for figure in (evaluations.figure, guidance.figure, growth.figure):
        assert drawn(figure, folder) is None
    assert drawn(sheets.interpolations, folder, True) is None


def with_more(tmp_path, values, contenders, repeats=()):
    """A run with further measurements of every seed: (contender, sampler, metric) -> value."""
    manifest, records = make_run(3, contenders=contenders, failures=())
    more = []
    for record in records:
        own = [
            Measurement(metric=m, value=v, unit=METRICS[m].unit, source="planted", sampler=s, repeats=repeats)
            for (name, s, m), v in values.items()
            if name == record.cell.contender
        ]
        more.append(record.model_copy(update={"measurements": (*record.measurements, *own)}))
    return write_folder(tmp_path, suited(manifest), more)


def test_guidance_is_told_from_the_conditional_model_to_the_largest_weight(tmp_path):
    sweep = {"cfg-0": (0.1, 0.2), "cfg-1": (0.95, 0.8), "cfg-3": (0.99, 0.5), "cfg-7": (1.0, 0.3)}
    values = {
        ("ddpm", s, m): v for s, pair in sweep.items() for m, v in zip(("class_accuracy", "class_coverage"), pair, strict=True)
    }
    plan = planned("ddpm", samplers={s: Way(3.0, 100.0, 50) for s in sweep})
    plot = drawn(guidance.figure, with_more(tmp_path, values, {"ddpm": plan}))
    assert plot.finding.replace("\u202f", " ") == (
        "ddpm: guidance up to 7 takes class accuracy from 95 % to 100 % and coverage from 80 % to 30 %"
    )
    assert all(f">{'ddpm/' + s}<" in plot.svg for s in sweep)


def test_without_guidance_the_most_faithful_is_named(tmp_path):
    values = {("dcgan", "default", "class_accuracy"): 0.8, ("dcgan", "default", "class_coverage"): 0.6}
    plot = drawn(guidance.figure, with_more(tmp_path, values, {"dcgan": planned("dcgan")}))
    assert plot.finding.startswith("dcgan is most faithful: 80")


def test_time_against_pixels_is_read_from_the_repeats(tmp_path):
    logs = tuple(np.log(1e-3 * (side / 8) ** 2) for side in SIDES[:4])
    values = {("pixelcnn", "", growth.METRIC): 1.0}
    plot = drawn(growth.figure, with_more(tmp_path, values, {"pixelcnn": planned("pixelcnn")}, logs))
    assert plot.finding == "pixelcnn: time grows as pixels to the power of 1.0"


def test_interpolations_are_ordered_by_their_distance_to_real_data(tmp_path):
    values = {("vae", "", "interpolation_distance"): 1.3, ("dcgan", "", "interpolation_distance"): 1.1}
    folder = with_more(tmp_path, values, {"vae": planned("vae"), "dcgan": planned("dcgan")})
    for record in load(folder).records:
        if record.cell.contender in ("vae", "dcgan"):
            x = np.full((100, 1, 8, 8), 16 if record.cell.contender == "vae" else 8, np.uint8)
            np.savez(folder / f"{sample_stem(record.cell, INTERPOLATION)}.npz", x=x)
    plot = drawn(sheets.interpolations, folder, True)
    assert plot.finding == "Between two latents, dcgan stays nearest to real data"
    grey = np.asarray(Image.open(io.BytesIO(plot.png)).convert("L"))
    column = grey[grey.shape[0] // 2 :, int(grey.shape[1] * 0.37)]  # through the first tiles: the VAE's white ones are below
    assert np.median(column[-60:]) > 240
