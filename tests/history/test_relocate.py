"""An alert seen from later: where its first bad night is sought, and what it was before in the metric's own unit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.history.judging import History, screen
from paragone.bench.history.life import Alert
from paragone.bench.history.screen import WINDOW
from paragone.bench.history.segments import LONG
from paragone.bench.history.series import Key, Point, Series
from paragone.bench.history.suspects import relocate, settle, suspect_of
from paragone.bench.history.watched import WATCHED


def points(values):
    return [Point(f"n{k:03d}", f"{k:03d}", f"c{k}", "ok", float(x), math.exp(x)) for k, x in enumerate(values)]


def opened(night, first_bad, level: float | None = 0.0):
    """An alert opened on one night, which said that another was the first bad one."""
    return Alert(
        id="alert-1", series="s", entry="test[00]", metric="benchmark_s", kind="time", first_bad=f"n{first_bad:03d}",
        opened=f"n{night:03d}", opened_at=f"{night:03d}", how="re-run", level=level,
    )  # fmt: skip


def stepped(good, bad, step=0.2, seed=0):
    values = 0.003 * np.random.default_rng(seed).standard_normal(good + bad)
    values[good:] += step
    return values


@given(st.integers(LONG, 40), st.integers(0, 8), st.integers(0, 15), st.integers(0, 5))
def test_the_first_bad_night_is_where_it_was_planted(good, late, since, seed):
    """Whatever the alert said when it was opened, so many nights late."""
    nights = points(stepped(good, late + since + 1, seed=seed))
    found = relocate(opened(good + late, first_bad=good + late), nights)
    assert found is nights[good]


def test_nights_since_tell_chance_before_it_from_its_beginning():
    values = stepped(20, 11, step=0.3)
    values[18:20] += 0.14
    nights = points(values)
    assert relocate(opened(20, 18), nights[:21]).run == "n018"
    assert relocate(opened(20, 18), nights).run == "n020"


@pytest.mark.parametrize("before", [0, WINDOW - 30, WINDOW, 3 * WINDOW])
def test_nights_long_ago_do_not_move_it(before):
    nights = points([*stepped(before, 0), *stepped(20, 8)])
    assert relocate(opened(before + 22, before + 22), nights) is nights[before + 20]


def test_a_spike_long_ago_is_not_the_first_bad_night():
    values = stepped(40, 5)
    values[10] = 1.0
    assert relocate(opened(41, 41), points(values)).run == "n040"


@pytest.mark.parametrize("later", [0, 1, 30])
def test_what_happens_ten_nights_after_is_another_matter(later):
    values = np.concatenate([stepped(20, 1 + LONG), 5 + stepped(later, 0)])
    assert relocate(opened(20, 20), points(values)).run == "n020"


def test_without_a_level_or_its_nights_an_alert_keeps_its_own():
    nights = points(stepped(20, 5))
    assert relocate(opened(22, first_bad=21, level=None), nights) is nights[21]  # exact series
    assert relocate(opened(99, first_bad=21), nights) is nights[21]
    assert relocate(opened(99, first_bad=98), nights) is None
    assert relocate(opened(22, first_bad=21), []) is None


@pytest.mark.parametrize(
    ("metric", "before", "tonight"),
    [
        ("train_step_s", 0.002, 0.003),
        ("sample_throughput_per_s", 100.0, 60.0),
        ("train_peak_rss_net_bytes", 1e8, 2e8),
        ("bits_per_dim", 1.25, 1.5),
        ("bits_per_dim", -1.5, -1.25),
    ],
)
@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_what_it_was_before_is_told_in_its_unit_and_as_tonights_machine_would_have_it(metric, before, tonight, speed):
    watch, key = WATCHED[metric], Key("digits/vae", metric, "m", "p")
    power = watch.sign if watch.over_control else 0  # tonight's machine is slower by this factor, and its control workload too
    raws = [before] * 20 + [tonight * speed**power]
    controls = [0.1] * 20 + [0.1 * speed]
    *earlier, now = (
        Point(f"n{k:03d}", f"{k:03d}", "", "ok", watch.compared(raw, control), raw)
        for k, (raw, control) in enumerate(zip(raws, controls, strict=True))
    )
    series = Series(key, earlier)
    found = screen(key, now, History({key: series}))
    assert found.state == "waiting"
    suspect = suspect_of(found, series, None)
    again = Point("again", "1", "", "ok", now.value, now.raw)
    alert = settle(found, suspect, Series(key, [*earlier, again]), None).alert
    assert (alert.after_raw, alert.before_raw) == pytest.approx((raws[-1], before * speed**power))
    assert alert.effect == pytest.approx(watch.compared(tonight) - watch.compared(before))
    assert alert.limit <= alert.level + alert.effect / 2
