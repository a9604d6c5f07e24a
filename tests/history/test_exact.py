"""Exact series: to the letter, from the second night on; the life of an alert that has no noise to wait for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.history.exact import judge_exact
from paragone.bench.history.findings import Finding
from paragone.bench.history.judging import History, judge_night
from paragone.bench.history.life import alert_id, past_of
from paragone.bench.history.series import Key, Night, Point, Series
from paragone.bench.history.watched import SAMPLES_HASH, WATCHED, WORSE_WHEN_MORE

EXACT = tuple(metric for metric, watch in WATCHED.items() if watch.kind == "exact")
MISSING = None


def key(metric):
    return Key("digits/vae", metric, "m", "p")


def point(night, value):
    """One night: a number, the text of a hash, or nothing."""
    stamp = (f"night-{night:02d}", f"2026-01-{night + 1:02d}T03", f"c{night}")
    if value is MISSING:
        return Point(*stamp, "missing", reason="cell digits.vae.s1 has no record")
    return Point(*stamp, "ok", raw=None if isinstance(value, str) else float(value), exact=str(value))


def judged(metric, values):
    """The last of these nights, judged alone: no alert is open."""
    *earlier, tonight = (point(n, value) for n, value in enumerate(values))
    return judge_exact(Finding(key(metric), "ok", tonight=tonight, nights=len(earlier)), tonight, earlier, (), frozenset())


def lived(metric, values):
    """All nights, each judged with what was said of those before; one finding a night."""
    points, checks, findings = [point(n, value) for n, value in enumerate(values)], [], []
    for n, tonight in enumerate(points):
        night = Night(tonight.run, tonight.started, tonight.commit, "nightly", "m", {}, points={key(metric): tonight})
        history = History({key(metric): Series(key(metric), points[:n])}, past_of(checks))
        judgement = judge_night(night, history, None)
        checks.append(judgement.check)
        findings += judgement.findings
    return findings


@pytest.mark.parametrize("metric", EXACT)
def test_the_first_night_warms_up(metric):
    found = judged(metric, ["a" if metric == SAMPLES_HASH else 100])
    assert (found.state, found.reason, found.alert) == ("warming up", "the first night", None)


@pytest.mark.parametrize("metric", EXACT)
def test_the_same_is_ok_and_says_nothing(metric):
    found = judged(metric, ["a"] * 3 if metric == SAMPLES_HASH else [100] * 2)
    assert (found.state, found.reason, found.alert, found.gone) == ("ok", "", None, ())


@pytest.mark.parametrize("metric", sorted(WORSE_WHEN_MORE))
def test_more_of_a_cost_is_an_alert_at_once_and_less_is_better(metric):
    more, less = judged(metric, [100, 101]), judged(metric, [101, 100])
    assert (more.state, more.reason) == ("alert", "100 became 101")
    assert (less.state, less.reason, less.alert) == ("improved", "101 became 100", None)


def test_an_alert_holds_both_sides_of_what_it_is_about():
    alert = judged("parameters", [100, 100, 150]).alert
    assert alert is not None
    assert (alert.id, alert.series) == (alert_id(key("parameters"), "night-02"), key("parameters").id)
    assert (alert.first_bad, alert.first_bad_commit) == (alert.opened, "c2") == ("night-02", "c2")
    assert (alert.last_good, alert.last_good_commit, alert.opened_at) == ("night-01", "c1", "2026-01-03T03")
    assert (alert.before, alert.after, alert.before_raw, alert.after_raw) == ("100", "150", 100, 150)
    assert (alert.entry, alert.metric, alert.kind, alert.how) == ("digits/vae", "parameters", "exact", "exact")
    assert (alert.level, alert.limit, alert.effect, alert.p) == (None,) * 4  # nothing here is an estimate


@pytest.mark.parametrize("values", [[100, 101], [101, 100]])
def test_samples_seen_are_neither_better_nor_worse(values):
    found = judged("train_samples", values)
    assert (found.state, found.reason, found.alert) == ("changed", f"{values[0]} became {values[1]}", None)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=8))
def test_only_last_night_counts(values):
    before, now = values[-2:]
    expected = "ok" if now == before else "alert" if now > before else "improved"
    assert judged("parameters", values).state == expected


def test_seeds_that_differ_are_compared_to_the_letter():
    key_, stamp = key("train_samples"), ("night", "2026-01-02", "c")
    earlier = Point("before", "2026-01-01", "b", "ok", raw=55.0, exact="50, 60")
    tonight = Point(*stamp, "ok", raw=55.0, exact="60, 50")
    found = judge_exact(Finding(key_, "ok", tonight=tonight), tonight, [earlier], (), frozenset())
    assert (found.state, found.reason) == ("changed", "50, 60 became 60, 50")


def test_a_hash_that_repeated_and_changes_is_told_briefly():
    found = judged(SAMPLES_HASH, ["a" * 64, "a" * 64, "b" * 64])
    assert (found.state, found.alert) == ("changed", None)
    assert found.reason == f"{'a' * 12}... became {'b' * 12}..."
    assert judged(SAMPLES_HASH, ["a" * 24, "a" * 24, "b" * 24]).reason == f"{'a' * 24} became {'b' * 24}"


@pytest.mark.parametrize("tonight", ["a", "c"])
def test_a_hash_that_does_not_repeat_says_nothing(tonight):
    found = judged(SAMPLES_HASH, ["a", "a", "a", "b", tonight])
    assert (found.state, found.alert) == ("ok", None)
    assert "differ from night to night" in found.reason


def test_a_hash_speaks_again_once_it_repeats():
    assert [f.state for f in lived(SAMPLES_HASH, ["a", "b", "c", "d", "d", "d", "e"])][2:] == ["ok"] * 4 + ["changed"]


def test_only_a_hash_must_repeat():
    assert [f.state for f in lived("parameters", [1, 2, 3])] == ["warming up", "alert", "alert"]
    assert [f.state for f in lived("train_samples", [1, 2, 3])] == ["warming up", "changed", "changed"]


@pytest.mark.parametrize(
    ("values", "states"),
    [
        ([100, 100, 120, 120, 120, 100, 100], "warming up, ok, alert, open, open, resolved, ok"),
        ([100, 120, 110, 100], "warming up, alert, open, resolved"),  # less, and still more than before
        ([100, 120, 90, 90], "warming up, alert, resolved, ok"),
        ([100, 120, 130, 130], "warming up, alert, alert, open"),
        ([100, 120, 140, 120, 100], "warming up, alert, alert, open, resolved"),  # one went away, the other is left
        ([100, 120, 100, 120, 120], "warming up, alert, resolved, alert, open"),
        ([100, 90, 100], "warming up, improved, alert"),
        ([100, 120, MISSING, 120, 100], "warming up, alert, missing, open, resolved"),
        ([100, MISSING, 120], "warming up, missing, alert"),
        ([MISSING, 100, 100], "missing, warming up, ok"),
    ],
)
def test_lives(values, states):
    assert ", ".join(f.state for f in lived("parameters", values)) == states


def test_of_two_alerts_each_ends_on_its_own_night():
    findings = lived("parameters", [100, 120, 140, 130, 120, 100])
    first, second = findings[1].alert, findings[2].alert
    assert first.id != second.id
    assert [f.alert for f in findings[3:]] == [second, first, first]
    assert [f.gone for f in findings[3:]] == [(), (second,), (first,)]
    assert findings[3].reason == "since night-02"
    assert findings[5].reason == "120 became 100"


def test_worse_than_before_one_alert_and_better_than_before_another():
    both = lived("parameters", [100, 90, 120, 140, 110])[-1]
    assert (both.state, both.alert.first_bad, [a.first_bad for a in both.gone]) == ("open", "night-02", ["night-03"])


def test_a_new_alert_may_open_on_the_night_another_ends():
    old = lived("parameters", [120, 140])[-1].alert
    earlier, tonight = [point(0, 120), point(1, 140), point(2, 110)], point(3, 115)  # night 2 was not checked
    found = judge_exact(Finding(key("parameters"), "ok", tonight=tonight), tonight, earlier, [old], frozenset())
    assert (found.state, found.alert.before, found.gone) == ("alert", "110", (old,))


def test_an_alert_that_comes_back_is_another_one():
    findings = lived("parameters", [100, 120, 100, 120])
    assert findings[1].alert.id != findings[3].alert.id


@given(st.lists(st.integers(1, 5), min_size=1, max_size=10))
def test_open_is_what_lies_above_where_it_began(values):
    """However the values go: tonight's alerts are those whose value before is below tonight's."""
    last = lived("parameters", values)[-1]
    began = {n: values[n - 1] for n in range(1, len(values)) if values[n] > values[n - 1]}
    still = [n for n, before in began.items() if all(value > before for value in values[n:])]
    assert (last.state in ("alert", "open")) is bool(still)
    if still:
        assert last.alert.first_bad == f"night-{still[-1]:02d}"
