"""Calibration: the effect it names is found in eight of ten cases by the code that decides; a quiet past promises quiet months."""

import math

import numpy as np
import pytest

from paragone.bench.history.calibration import calibrate, smallest_seen
from paragone.bench.history.life import Past
from paragone.bench.history.screen import baseline
from paragone.bench.history.series import Key, Point, Series
from paragone.bench.history.watched import WATCHED
from paragone.reports.ci.calibration import calibration_lines, calibration_rows
from tests.history.simulation import CV, METRIC, draw, live

WATCH = WATCHED[METRIC]
STEP = 40


def series(values, metric=METRIC, entry="test", machine="m", day=0, replicates=None):
    key = Key(entry, metric, machine, "p")
    return Series(key, [
        Point(f"n{k}", f"{k + day:03d}", "c", "ok", float(v), 1.0, () if replicates is None else tuple(map(float, replicates[k])))
        for k, v in enumerate(values)
    ])  # fmt: skip


def test_the_effect_named_is_found_in_eight_of_ten_cases():
    """With re-runs the same night, without in two: planted in two hundred series and judged by the code of production."""
    rows, nights, seed = 200, np.arange(60), 3
    steps = STEP - 10 + np.arange(rows) % 20  # on nights of their own, or the machine would be blamed
    past = draw("gaussian", np.random.default_rng(seed), (rows, 60))  # the very noise that they will live through
    seen = np.array([smallest_seen(baseline(series(x[:n]).points, WATCH), WATCH, CV) for x, n in zip(past, steps, strict=True)])
    for effects, rerun, within in ((seen[:, :1], True, 1), (seen[:, 1:], False, 2)):
        story = live(np.where(nights >= steps[:, None], effects, 0.0), "gaussian", seed=seed, rerun=rerun)
        found = [any(0 <= n - steps[k] < within for n, _ in story.alerts.get(k, ())) for k in range(rows)]
        assert np.mean(found) == pytest.approx(0.8, abs=0.1)


def test_noise_hides_what_quiet_shows():
    effects = [
        smallest_seen(baseline(series(scale * draw("gaussian", np.random.default_rng(2), (60,))).points, WATCH), WATCH, scale * CV)
        for scale in (0.1, 1.0, 4.0)
    ]
    assert sorted(effects) == effects
    assert effects[0][0] > WATCH.smallest, "nothing below the smallest effect is ever told"
    assert all(math.isfinite(x) for pair in effects for x in pair)


def test_a_history_as_a_whole():
    generator = np.random.default_rng(3)
    nights = draw("gaussian", generator, (20, 40))
    many = [series(row, entry=f"e{k}") for k, row in enumerate(nights)]
    moved = series(nights[0] + 1, entry="e0", machine="new", day=50)
    exact = series(np.zeros(40), metric="parameters")
    found = calibrate([*many, moved, exact, series(nights[1][:4], entry="young")], Past())
    assert len(found.sights) == 21
    assert {sight.key.machine for sight in found.sights if sight.key.entry == "e0"} == {"new"}
    assert found.sights[-1].known is None
    assert 0.005 <= found.rerun_share <= 0.05
    assert found.false_again <= 20 * 30 * 0.0005
    assert found.false_alone <= 20 * 30 * 0.002
    assert calibrate([*many, moved, exact], Past()).rerun_share == pytest.approx(found.rerun_share), "the same draws each time"


def test_quality_is_seen_through_its_seeds():
    generator = np.random.default_rng(4)
    seeds = np.log(5) + 0.1 * generator.standard_normal((1, 5))
    table = np.tile(seeds, (15, 1))
    sight = calibrate([series(table.mean(1), "fid", replicates=table)], Past()).sights[0]
    assert sight.known is not None
    assert math.log(1.1) < sight.again < math.log(1.6)


def test_what_is_printed():
    wide = series(3 * draw("gaussian", np.random.default_rng(5), (30,)), entry="wide")
    found = calibrate([wide, series(np.zeros(3), entry="young")], Past())
    rows = calibration_rows(found)
    assert rows[0][2].endswith("(!)")
    assert "warming up" in rows[1][3]
    text = "\n".join(calibration_lines(found, ("a/run.json: damaged",)))
    assert "1 of 2 series" in text
    assert "spread by more than 5" in text
    assert "skipped 1 file" in text
    assert calibration_lines(calibrate([], Past()), ()) == ["0 of 0 series have the 10 nights that a verdict needs"]
