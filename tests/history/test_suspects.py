"""Suspects: which night is the base, who refuses, and what becomes of a suspicion by re-runs, by nights, by the same code."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from paragone.bench.history.confirmation import decide
from paragone.bench.history.findings import Finding
from paragone.bench.history.judging import PAIRS, History, judge_night, screen
from paragone.bench.history.life import Check, alert_id, past_of
from paragone.bench.history.screen import baseline
from paragone.bench.history.segments import LONG
from paragone.bench.history.series import Key, Night, Point, Series
from paragone.bench.history.suspects import FALSE_DISCOVERIES, MARGIN, settle, suspect_of
from paragone.bench.history.watched import WATCHED

STEP = 0.2
SHAPE = np.array([-1.0, -1.0, 0.0, 1.0, 1.0])


class Bench:
    """A laboratory that can run these commits again (None: all) and finds these differences; `asked` is what it was asked."""

    def __init__(self, able=None, found=()):
        self.able, self.found, self.asked, self.reruns = able, found, [], []

    named_base = ""

    def why_not(self, commit):
        self.asked.append(commit)
        return "" if self.able is None or commit in self.able else f"{commit} is gone"

    def differences(self, suspects, first, count):
        self.reruns += [s.key for s in suspects]
        return {s.key: tuple(self.found(s.key) if callable(self.found) else self.found) for s in suspects}


def key(k=0, metric="benchmark_s"):
    return Key(f"test[{k:02d}]", metric, "m", "p")


def point(n, x, metric="benchmark_s", commit=None):
    """Night n with this compared value."""
    watch = WATCHED[metric]
    raw = math.exp(watch.sign * x) if watch.relative else watch.sign * x
    return Point(f"n{n:03d}", f"2026-01-01T{n:03d}", f"c{n}" if commit is None else commit, "ok", x, raw, exact=repr(raw))


def noise(count, seed=0):
    return 0.003 * np.random.default_rng(seed).standard_normal(count)


def stepped(good, bad, step=STEP):
    """Values of so many good nights, then bad ones; the last is tonight's."""
    values = noise(good + bad)
    values[good:] += step
    return values.tolist()


def suspicion(values, lab, **more):
    """The suspect of the last night, as it is screened; the night must be suspicious."""
    *earlier, tonight = (point(n, x) for n, x in enumerate(values))
    series = Series(key(), earlier)
    found = screen(key(), tonight, History({key(): series}, **more))
    assert found.state == "waiting"
    return suspect_of(found, series, lab), found, series


def night_of(points):
    tonight = next(iter(points.values()))
    return Night(tonight.run, tonight.started, tonight.commit, "nightly", "m", {}, points=points)


@pytest.mark.parametrize("bad", [1, 2, 3, 5])
def test_base_lies_a_week_before_the_first_bad_night(bad):
    suspect, _, _ = suspicion(stepped(30, bad), Bench())
    assert (suspect.first_bad.run, suspect.last_good.run) == ("n030", "n029")
    assert suspect.base.run == f"n{30 - MARGIN:03d}"
    assert (suspect.refusal, suspect.tonight.run) == ("", f"n{29 + bad:03d}")


@given(st.integers(LONG, 60), st.integers(1, 6), st.integers(0, 5))
def test_base_is_never_nearer_than_a_week_where_there_is_one(good, bad, seed):
    values = noise(good + bad, seed)
    values[good:] += STEP
    suspect, _, series = suspicion(values.tolist(), Bench())
    runs = [p.run for p in (*series.points, suspect.tonight)]
    first, base = runs.index(suspect.first_bad.run), runs.index(suspect.base.run)
    assert first == good
    assert base == good - MARGIN


def test_where_the_good_nights_are_fewer_than_a_week_the_first_is_the_base():
    suspect, _, _ = suspicion(stepped(5, 6), Bench())
    assert (suspect.first_bad.run, suspect.base.run) == ("n005", "n000")


def test_an_unexplained_worse_stretch_is_no_base():
    values = [*noise(20), *(noise(8) + STEP)]
    suspect, _, _ = suspicion(values, Bench())
    assert suspect.base.run == f"n{20 - MARGIN:03d}"


def test_nights_before_an_explained_worsening_are_no_base():
    past = past_of([Check(run="n020", started="", refuted=(key().id,))])
    suspect, _, _ = suspicion([*noise(20), *(noise(5) + STEP), 2 * STEP], Bench(), past=past)
    assert (suspect.first_bad.run, suspect.base.run) == ("n025", "n020")  # older ones would be blamed for it once more


def test_base_is_the_latest_night_that_can_be_run_again():
    lab = Bench(able={"c15", "c17", "c28"})  # 28 is within the week
    suspect, _, _ = suspicion(stepped(30, 1), lab)
    assert (suspect.base.run, suspect.refusal) == ("n017", "")
    assert sorted(lab.asked) == [f"c{k}" for k in range(24 - LONG, 24)]


@pytest.mark.parametrize("able", [set(), {"c5"}, {"c30"}])
def test_who_is_refused_says_the_refusal_of_the_latest(able):
    suspect, _, _ = suspicion(stepped(30, 1), Bench(able))
    assert (suspect.base.run, suspect.refusal) == ("n023", "c23 is gone")


def test_nobody_runs_anything_again_without_a_laboratory():
    suspect, _, _ = suspicion(stepped(30, 1), None)
    assert (suspect.base.run, suspect.refusal, suspect.same_code) == ("n023", "re-runs were not asked for", False)


def test_what_was_never_screened_is_no_suspect():
    with pytest.raises(ValueError, match="not screened"):
        suspect_of(Finding(key(), "waiting"), Series(key(), ()), None)


def test_beside_an_open_alert_the_base_is_of_what_it_left_behind():
    values = [*noise(20), *(noise(20) + STEP), 2 * STEP]
    suspect, _, _ = suspicion(values[:21], Bench())
    opened = settle(*alerting(suspect)).alert
    later, found, _ = suspicion(values, Bench(), past=past_of([Check(run="n020", started=opened.opened_at, opened=(opened,))]))
    assert found.alert == opened
    assert (later.base.run, later.first_bad.run) == (f"n{40 - MARGIN:03d}", "n040")
    late = opened.model_copy(update={"opened": "n022", "opened_at": point(22, 0.0).started})  # two nights after the first bad one
    soon, _, _ = suspicion([*values[:28], 2 * STEP], Bench(), past=past_of([Check(run="n022", started="", opened=(late,))]))
    assert (soon.base.run, soon.first_bad.run) == ("n022", "n028")


def alerting(suspect):
    """What `settle` takes: a suspicion that re-runs confirm."""
    again = decide(STEP + 0.01 * SHAPE, suspect.watch.smallest)
    found = Finding(suspect.key, "waiting", tonight=suspect.tonight, known=suspect.known, confirmation=again)
    return found, suspect, Series(suspect.key, ()), again.p


def test_the_same_code_is_refuted_without_a_re_run():
    lab = Bench(found=[STEP] * PAIRS)
    *earlier, tonight = (point(n, x, commit="same") for n, x in enumerate(stepped(30, 1)))
    history = History({key(): Series(key(), earlier)})
    (found,) = judge_night(night_of({key(): tonight}), history, lab).findings
    assert (found.state, found.confirmation, lab.reruns) == ("refuted", None, [])
    assert "same" in found.reason
    (other,) = judge_night(night_of({key(): replace(tonight, commit="new")}), history, lab).findings
    assert (other.state, lab.reruns) == ("alert", [key()])


def test_the_same_code_acquits_nobody_where_it_cannot_be_run_again():
    *earlier, tonight = (point(n, x, commit="same") for n, x in enumerate(stepped(30, 2)))
    (found,) = judge_night(night_of({key(): tonight}), History({key(): Series(key(), earlier)}), None).findings
    assert (found.state, found.alert.how) == ("alert", "two nights")


FLAT = [point(n, 0.0) for n in range(20)]
KNOWN = baseline(FLAT, WATCHED["benchmark_s"])
ALARM = KNOWN.alarm


def by_nights(before, tonight, **more):
    """What becomes of a suspicion on a flat series after these nights, each given in alarms above the level."""
    values = [*[0.0] * 20, *(ALARM * x for x in before)]
    series = Series(key(), [point(n, x) for n, x in enumerate(values)])
    now = point(len(values), ALARM * tonight)
    found = Finding(key(), "waiting", tonight=now, known=KNOWN)
    suspect = replace(suspicion(stepped(30, 1), None)[0], known=KNOWN, tonight=now, **more)
    return settle(found, suspect, series, None)


def test_the_alarm_is_the_interval_at_two_in_a_thousand():
    sd = WATCHED["benchmark_s"].smallest / 3
    assert pytest.approx(stdtrit(19, 0.998) * sd * math.sqrt(1 + math.pi / 40)) == ALARM


@pytest.mark.parametrize(
    ("before", "tonight", "state"),
    [
        ((0.0, 0.0), 2.0, "waiting"),
        ((0.0, 2.0), 2.0, "alert"),
        ((2.0, 0.0), 2.0, "alert"),
        ((2.0, 0.0, 0.0), 2.0, "waiting"),  # three nights ago
        ((0.0, 0.99), 1.5, "waiting"),  # not beyond the interval
        ((0.0, 1.01), 1.5, "alert"),
        ((0.0, 1.5), 0.99, "waiting"),
        ((0.0, 1.5), 1.01, "alert"),
        ((0.0, 3.0), 6.1, "waiting"),  # less than half of tonight's
        ((0.0, 3.1), 6.0, "alert"),
        ((0.0, 6.0), 3.1, "alert"),
        ((0.0, 6.1), 3.0, "waiting"),  # more than twice tonight's
        ((2.0, 9.0), 2.0, "alert"),  # one of the two is enough
        ((-2.0, -2.0), 2.0, "waiting"),
    ],
)
def test_two_of_three_nights_alarm_alike(before, tonight, state):
    found = by_nights(before, tonight)
    assert found.state == state
    assert found.reason.endswith("; re-runs were not asked for")
    assert (None if found.alert is None else found.alert.how) == (None if state == "waiting" else "two nights")


def test_creep_needs_no_second_night():
    found = by_nights((0.0, 0.0), 0.5, creep=True)
    assert (found.state, found.alert.how, found.alert.effect) == ("alert", "creep", pytest.approx(0.5 * ALARM))


def settled(differences, adjusted_p=None, alert=None):
    suspect, found, series = suspicion(stepped(30, 1), Bench())
    again = decide(differences, suspect.watch.smallest)
    return settle(replace(found, confirmation=again, alert=alert), suspect, series, again.p if adjusted_p is None else adjusted_p)


@pytest.mark.parametrize(
    ("differences", "adjusted_p", "state"),
    [
        (STEP + 0.01 * SHAPE, None, "alert"),
        (STEP + 0.01 * SHAPE, FALSE_DISCOVERIES, "alert"),
        (STEP + 0.01 * SHAPE, FALSE_DISCOVERIES + 1e-9, "waiting"),
        (0.001 * SHAPE, None, "refuted"),
        (STEP + SHAPE, None, "waiting"),
        ((STEP, STEP), None, "waiting"),
        ((), None, "waiting"),
    ],
)
def test_settled_by_re_runs(differences, adjusted_p, state):
    found = settled(differences, adjusted_p)
    assert (found.state, found.alert is not None) == (state, state == "alert")


def test_an_alert_tells_what_the_re_runs_said():
    found, again = settled(STEP + 0.01 * SHAPE), decide(STEP + 0.01 * SHAPE, WATCHED["benchmark_s"].smallest)
    alert = found.alert
    assert (alert.effect, alert.low, alert.high, alert.p, alert.differences) == (
        again.effect, again.low, again.high, again.p, again.differences,
    )  # fmt: skip
    assert (alert.how, alert.base_commit, alert.id) == ("re-run", "c23", alert_id(key(), "n030"))
    assert (alert.first_bad, alert.last_good, alert.opened, alert.first_bad_commit) == ("n030", "n029", "n030", "c30")
    assert found.reason == "confirmed by 5 pairs against c23"
    assert alert.before_raw == pytest.approx(math.exp(found.known.level))


def test_gone_is_within_the_interval_and_at_least_half_the_way_back():
    large, small = settled(STEP + 0.01 * SHAPE), settled(0.036 + 0.001 * SHAPE)
    assert large.alert.limit == large.known.limit
    assert small.alert.limit == pytest.approx(small.known.level + 0.018)
    assert small.alert.limit < small.known.limit


def test_an_open_alert_stays_open_where_nothing_is_confirmed():
    old = settled(STEP + 0.01 * SHAPE).alert
    for differences in (0.001 * SHAPE, STEP + SHAPE, ()):
        found = settled(differences, alert=old)
        assert (found.state, found.alert) == ("open", old)
    assert settled(2 * STEP + 0.01 * SHAPE, alert=old).alert.effect == pytest.approx(2 * STEP)


@pytest.mark.parametrize(("others", "state"), [(0, "alert"), (8, "alert"), (14, "waiting")])
def test_a_night_of_many_re_runs_asks_for_more(others, state):
    """One series is confirmed with p = .004; the more others are run again without a difference, the less that says."""
    real = STEP + STEP * math.sqrt(5) / stdtrit(4, 0.996) * SHAPE
    rows = [stepped(30, 1) if k <= others else [*noise(30), 0.0] for k in range(40)]  # too few for a storm
    series = {key(k): Series(key(k), [point(n, x) for n, x in enumerate(row[:-1])]) for k, row in enumerate(rows)}
    tonight = night_of({key(k): point(30, row[-1]) for k, row in enumerate(rows)})
    lab = Bench(found=lambda k: real if k == key(0) else 0.001 * SHAPE)
    judged = judge_night(tonight, History(series), lab)
    assert judged.reruns == 1 + others
    assert next(f for f in judged.findings if f.key == key(0)).state == state
