"""Nights on which several rules meet: what one of them leaves behind must not mislead the next."""

from dataclasses import replace

import numpy as np
import pytest

from paragone.bench.history.exact import judge_exact
from paragone.bench.history.findings import Finding
from paragone.bench.history.judging import History, judge_night
from paragone.bench.history.life import past_of
from paragone.bench.history.series import Key, Night, Point, Series
from paragone.bench.history.suspects import relocate, with_common_bases
from tests.history.simulation import live
from tests.history.test_exact import judged
from tests.history.test_suspects import SHAPE, STEP, Bench, key, noise, point, settled, stepped, suspicion


def nights_with(rows, lab, start):
    """Judgements from night `start` on; `rows` (series, nights) are compared values, None where a value is missing."""
    checks, said = [], []
    keys = [key(k) for k in range(len(rows))]
    for n in range(start, len(rows[0])):
        stamp = point(n, 0.0)
        absent = Point(stamp.run, stamp.started, stamp.commit, "missing", reason="gone")
        tonight = {k: absent if row[n] is None else point(n, row[n]) for k, row in zip(keys, rows, strict=True)}
        earlier = {
            k: Series(k, [point(m, x) for m, x in enumerate(row[:n]) if x is not None]) for k, row in zip(keys, rows, strict=True)
        }
        night = Night(stamp.run, stamp.started, stamp.commit, "", "m", {}, points=tonight)
        said.append(judge_night(night, History(earlier, past_of(checks)), lab))
        checks.append(said[-1].check)
    return said


def states(judgements, row=0):
    return [j.findings[row].state for j in judgements]


def test_an_improvement_long_ago_does_not_acquit():
    """The slow nights before it lie above the level too; neither the first bad night nor the base may be sought among them."""
    suspect, _, _ = suspicion([*(noise(20) + STEP), *noise(20), STEP], Bench())
    assert (suspect.first_bad.run, suspect.base.run, suspect.level_since) == ("n040", "n033", "n020")
    levels = np.array([[STEP] * 20 + [0.0] * 20 + [STEP] * 3])
    stories = [live(levels, "gaussian", seed) for seed in range(20)]
    assert sum(any(n == 40 for n, _ in story.alerts.get(0, [])) for story in stories) >= 19


def test_an_improvement_long_ago_does_not_move_the_first_bad_night():
    alert = settled(STEP + 0.01 * SHAPE).alert.model_copy(
        update={"level": 0.0, "level_since": "n020", "opened": "n042", "opened_at": point(42, 0.0).started}
    )
    nights = [point(n, x) for n, x in enumerate([*(noise(20) + STEP), *noise(20), *(noise(10) + STEP)])]
    assert relocate(alert, nights).run == "n040"


def test_re_runs_that_fail_every_night_leave_it_to_the_nights():
    said = nights_with([stepped(30, 0) + [STEP] * 4], Bench(found=()), 30)
    assert states(said) == ["waiting", "alert", "open", "open"]
    assert said[1].findings[0].alert.how == "two nights"
    assert "re-runs failed" in said[1].findings[0].reason


def test_pairs_that_do_not_decide_make_nothing_normal():
    """Each night is held against the old level anew, until one decides."""
    noisy = [STEP + 0.25, STEP - 0.25, STEP, STEP + 0.25, STEP - 0.25]
    said = nights_with([stepped(30, 0) + [STEP] * 8], Bench(found=noisy), 30)
    assert set(states(said)) == {"waiting"}
    assert "do not decide" in said[0].findings[0].reason


def test_three_alerts_are_no_storm_on_the_nights_after():
    rows = [stepped(30, 0) + [STEP if k < 3 else 0.0] * 3 for k in range(4)]
    said = nights_with(rows, Bench(found=lambda k: [STEP] * 5), 30)
    assert [f.state for f in said[0].findings] == ["alert"] * 3 + ["ok"]
    assert [j.notices for j in said] == [(), (), ()], "the code did it, as re-runs say"


def test_alerts_that_are_open_do_not_make_another_series_part_of_a_storm():
    rows = [stepped(30, 0) + [STEP if k < 3 else 0.0] + [STEP] * 2 for k in range(4)]
    said = nights_with(rows, Bench(found=lambda k: [STEP] * 5), 30)
    assert states(said, 3) == ["ok", "alert", "open"]


def test_an_open_alert_is_named_also_when_its_series_is_missing():
    said = nights_with([[*stepped(30, 0), STEP, None, STEP]], Bench(found=[STEP] * 5), 30)
    assert states(said) == ["alert", "missing", "open"]
    assert len({j.findings[0].alert.id for j in said}) == 1


@pytest.mark.parametrize(("named", "state"), [("", "refuted"), ("another", "alert")])
def test_the_same_code_is_run_again_only_against_another_base(named, state):
    rows = [[point(n, x, commit="same") for n, x in enumerate(stepped(30, 1))]]
    lab = Bench(found=[STEP] * 5)
    lab.named_base = named
    night = Night("n030", rows[0][30].started, "same", "", "m", {}, points={key(): rows[0][30]})
    found = judge_night(night, History({key(): Series(key(), rows[0][:30])}), lab).findings[0]
    assert found.state == state
    assert found.alert is None or found.alert.base_commit == "another"


def test_suspicions_share_a_base_where_they_can():
    """One step was tonight, the other five nights ago: a night that is early enough for both serves both."""
    rows = [stepped(30, 5), stepped(34, 1)]
    found = [suspicion(row, Bench())[0] for row in rows]
    alone, common = [s.base.run for s in found], [s.base.run for s in with_common_bases(found)]
    assert alone == ["n023", "n027"]
    assert common == ["n023", "n023"]


def test_a_hash_has_to_repeat_before_a_new_one_says_something():
    assert judged("samples_hash", ["a", "b"]).state == "warming up"
    assert judged("samples_hash", ["a", "a", "b"]).state == "changed"
    assert judged("samples_hash", ["a", "a", "b", "b"]).reason == ""
    assert "not deterministic" in judged("samples_hash", ["a", "b", "c"]).reason


def exact_nights(*values):
    return [replace(point(n, 0.0), raw=float(v), exact=str(v)) for n, v in enumerate(values)]


@pytest.mark.parametrize(("checked", "state"), [({"n000"}, "alert"), ({"n000", "n001"}, "ok"), (set(), "ok")])
def test_growth_on_a_night_that_nobody_checked_is_told_on_the_next(checked, state):
    *earlier, tonight = exact_nights(100, 150, 150)
    blank = Finding(Key("a", "parameters", "m", "p"), "ok", tonight=tonight)
    found = judge_exact(blank, tonight, earlier, (), frozenset(checked))
    assert found.state == state
    assert found.alert is None or (found.alert.first_bad, found.alert.last_good) == ("n001", "n000")


def test_another_split_over_seeds_is_neither_better_nor_worse():
    earlier, now = (Point(r, r, "", "ok", raw=55.0, exact=x) for r, x in (("1", "50, 60"), ("2", "60, 50")))
    blank = Finding(Key("a", "train_flops", "m", "p"), "ok", tonight=now)
    assert judge_exact(blank, now, [earlier], (), frozenset()).state == "changed"
