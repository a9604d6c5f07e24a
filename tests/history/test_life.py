"""The life of an alert: one id on every machine, one state in whatever order checks come, silence through its last day."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from paragone.bench.history.life import CHECK_VERSION, Acknowledgement, Alert, Check, alert_id, past_of
from paragone.bench.history.series import Key
from paragone.bench.history.watched import KINDS, WATCHED
from paragone.bench.records import to_json

KEY = Key("digits/vae", "train_step_s", "0123456789ab", "ba9876543210")
SERIES = ("one", "two", "three")


def alert(name, series="one", first_bad="", opened="run", **more):
    return Alert(
        id=name, series=series, entry="digits/vae", metric="train_step_s", kind="time", first_bad=first_bad or opened,
        opened=opened, opened_at="2026-01-01", how="re-run", **more,
    )  # fmt: skip


def check(night, *, opened=(), resolved=(), refuted=(), moved=(), run=""):
    return Check(
        run=run or f"run-{night}",
        started=f"2026-01-{night + 1:02d}",
        opened=opened,
        resolved=resolved,
        refuted=refuted,
        moved=moved,
    )


def test_the_id_of_an_alert_is_the_same_on_every_machine():
    assert KEY.id == hashlib.sha256(b"digits/vae\x1ftrain_step_s\x1f0123456789ab\x1fba9876543210").hexdigest()[:12]
    assert alert_id(KEY, "2026-01-05-run") == "alert-42c2188f30"  # acknowledgements on file name it


def test_an_id_may_stand_in_a_file_and_on_a_line():
    assert alert_id(Key("tests/é.py::test[\ud800\n]", "benchmark_s", "m", "p"), "a run").removeprefix("alert-").isalnum()


@given(
    st.lists(st.tuples(*[st.sampled_from(["", "a", "b", "ab", "a/b"])] * 4, st.sampled_from(["r", "r2"])), max_size=40, unique=True)
)
def test_other_series_and_other_runs_have_other_ids(parts):
    ids = {alert_id(Key(*names), run) for *names, run in parts}
    assert len(ids) == len(parts)


def test_an_alert_opened_and_not_resolved_is_open():
    past = past_of([check(0, opened=[alert("a")]), check(1), check(2, opened=[alert("b", "two")], resolved=["a"])])
    assert past.open == {"two": (alert("b", "two"),)}
    assert [a.id for a in past.alerts] == ["a", "b"]


def test_open_alerts_of_a_series_are_told_oldest_first():
    past = past_of([check(1, opened=[alert("a")]), check(0, opened=[alert("z")]), check(2, opened=[alert("m")])])
    assert [a.id for a in past.open["one"]] == ["z", "a", "m"]


def test_what_was_resolved_before_it_opened_is_open():
    assert "one" in past_of([check(0, resolved=["a"]), check(1, opened=[alert("a")])]).open
    assert "one" in past_of([check(0, opened=[alert("a")]), check(1, opened=[alert("a")], resolved=["a"])]).open


def test_an_alert_may_be_reopened_under_its_own_id():
    nights = [
        check(0, opened=[alert("a", opened="run-0")]),
        check(3, resolved=["a"]),
        check(5, opened=[alert("a", opened="run-5")]),
    ]
    assert past_of(nights[:2]).open == {}
    assert [a.opened for a in past_of(nights).open["one"]] == ["run-5"]
    assert len(past_of(nights).alerts) == 2


def test_explained_are_the_nights_on_which_a_worsening_was_explained():
    past = past_of(
        [
            check(0, opened=[alert("a", first_bad="run-7", opened="run-0")]),
            check(1, refuted=["two"]),
            check(2, moved=["two", "three"], resolved=["a"]),
        ]
    )
    assert past.explained == {"one": {"run-7", "run-0"}, "two": {"run-1", "run-2"}, "three": {"run-2"}}


def test_nobody_checked_anything():
    past = past_of([])
    assert (past.open, past.explained, past.alerts) == ({}, {}, ())


@st.composite
def histories(draw):
    """Checks of distinct runs, oldest first; some of them began at the same time."""
    names = st.sampled_from(["a", "b", "c", "d"])
    made = []
    for night in range(draw(st.integers(1, 6))):
        opened = [
            alert(f"{s}-{n}", s, opened=f"run-{night}")
            for s, n in sorted(draw(st.sets(st.tuples(st.sampled_from(SERIES), names), max_size=3)))
        ]
        resolved = [f"{s}-{n}" for s, n in sorted(draw(st.sets(st.tuples(st.sampled_from(SERIES), names), max_size=4)))]
        refuted, moved = (draw(st.lists(st.sampled_from(SERIES), unique=True)) for _ in range(2))
        made.append(check(night // 2, opened=opened, resolved=resolved, refuted=refuted, moved=moved, run=f"run-{night}"))
    return made


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_checks_does_not_matter(checks, random):
    assert past_of(random.sample(checks, len(checks))) == past_of(checks)


@given(histories())
def test_open_are_those_that_nothing_resolved_since(checks):
    past = past_of(checks)
    last = {a.id: n for n, c in enumerate(checks) for a in c.opened}
    expected = {name for name, n in last.items() if not any(name in c.resolved for c in checks[n + 1 :])}
    assert {a.id for alerts in past.open.values() for a in alerts} == expected
    assert all(a.series == series and alerts for series, alerts in past.open.items() for a in alerts)
    assert list(past.alerts) == [a for c in checks for a in c.opened]


@given(histories())
def test_explained_grows_and_is_never_forgotten(checks):
    before: dict = {}
    for n in range(len(checks) + 1):
        now = past_of(checks[:n]).explained
        assert all(runs <= now[series] for series, runs in before.items())
        before = now


@pytest.mark.parametrize(
    ("day", "holds"),
    [
        ("2026-02-28", True),
        ("2026-03-01", True),
        ("2026-03-01T00:00:00.000+00:00", True),
        ("2026-03-01T23:59:59.999+00:00", True),
        ("2026-03-02", False),
        ("2026-03-02T00:00:00.000+00:00", False),
        ("2026-12-31", False),
        ("2027-01-01", False),
        ("2025-12-31T23:00:00Z", True),
    ],
)
def test_an_acknowledgement_holds_through_its_last_day(day, holds):
    assert Acknowledgement(id="alert-1", reason="known", until="2026-03-01").holds(day) is holds


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
alerts = st.builds(
    Alert, id=st.text(), series=st.text(), entry=st.text(), metric=st.sampled_from(sorted(WATCHED)), kind=st.sampled_from(KINDS),
    first_bad=st.text(), opened=st.text(), opened_at=st.text(), how=st.sampled_from(["re-run", "two nights", "exact", "creep"]),
    level=numbers, limit=numbers, effect=numbers, low=numbers, high=numbers, p=numbers, before_raw=numbers, after_raw=numbers,
    differences=st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple), before=st.text(), after=st.text(),
)  # fmt: skip


@given(st.lists(alerts, max_size=2), st.text(), st.lists(st.text(), max_size=2), st.lists(st.text(), max_size=2))
def test_a_check_survives_its_file(opened, run, some, others):
    made = Check(run=run, started="2026-01-01", opened=opened, refuted=some, moved=others, resolved=some)
    text = to_json(made)
    assert Check.model_validate_json(text) == made
    assert past_of([Check.model_validate_json(text)]) == past_of([made])


def test_a_check_says_its_version_and_takes_nothing_that_it_does_not_know():
    content = json.loads(to_json(check(0, opened=[alert("a")])))
    assert content["schema_version"] == CHECK_VERSION
    for damaged in ({**content, "verdict": "ok"}, {k: v for k, v in content.items() if k != "run"}):
        with pytest.raises(ValidationError):
            Check.model_validate(damaged)
    content["opened"][0]["kind"] = "colour"
    with pytest.raises(ValidationError, match="kind"):
        Check.model_validate(content)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_alert_holds_numbers_only(value):
    with pytest.raises(ValidationError, match="finite"):
        alert("a", effect=value)
    with pytest.raises(ValidationError, match="finite"):
        alert("a", differences=(0.1, value))
