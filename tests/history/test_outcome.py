"""The outcome of a check: exit codes of every state and every two of them, and what the title says in each case."""

from dataclasses import replace
from functools import cache
from itertools import combinations_with_replacement, product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.history.findings import NOT_JUDGED, WORST_FIRST, State
from paragone.bench.history.life import Acknowledgement
from paragone.bench.history.watched import KINDS
from tests.reports.outcomes import STARTED, finding, outcome

STATES = get_args(State)
TODAY, YESTERDAY = STARTED[:10], "2026-03-03"
METRICS = {
    "time": "train_step_s",
    "memory": "train_peak_rss_net_bytes",
    "energy": "train_joules",
    "quality": "fid",
    "exact": "parameters",
}
KNOWN = {"none": None, "holds": TODAY, "ran out": YESTERDAY}

found = cache(finding)
several = st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from(sorted(METRICS)), st.sampled_from(sorted(KNOWN))), max_size=6)


def told(cases, **more):
    """The outcome of a night of (state, kind, what is on file about its alert), one series each."""
    findings, on_file = [], {}
    for k, (state, kind, known) in enumerate(cases):
        made = found(state, f"digits/c{k}", METRICS[kind], before=20.0)
        findings.append(made)
        if made.alert is not None and KNOWN[known] is not None:
            on_file[made.alert.id] = Acknowledgement(id=made.alert.id, reason="known", until=KNOWN[known])
    return outcome(*findings, acknowledgements=on_file, **more)


def fails(state, known):
    """The rule in a line: opened tonight and not acknowledged, or open although its acknowledgement ran out."""
    return (state, known) in {("alert", "none"), ("alert", "ran out"), ("open", "ran out")}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("state", STATES)
def test_exit_code_of_each_state(state, known, strict):
    made = told([(state, "time", known)], strict=strict)
    not_judged = state in ("missing", "invalid", "no baseline", "warming up")
    assert made.exit_code == (3 if fails(state, known) else 4 if strict and not_judged else 0)


def test_exit_code_of_every_two_states():
    for one, other, strict in ((*two, s) for two in combinations_with_replacement(STATES, 2) for s in (False, True)):
        made = told([(one, "time", "none"), (other, "memory", "none")], strict=strict)
        expected = 3 if "alert" in (one, other) else 4 if strict and NOT_JUDGED & {one, other} else 0
        assert made.exit_code == expected, (one, other, strict)
        judged = {one, other} - NOT_JUDGED
        young = "warming up" in (one, other) and {one, other} <= {"warming up", "invalid"}
        verdict = "regression" if expected == 3 else "ok" if judged else "warming up" if young else "not judged"
        assert made.verdict == verdict, (one, other)


@pytest.mark.parametrize("strict", [False, True])
def test_a_night_of_nothing_is_no_pass(strict):
    made = outcome(problem="run.json cannot be used", strict=strict)
    assert (made.verdict, made.exit_code) == ("not judged", 4 if strict else 0)
    assert made.headline == "not judged: run.json cannot be used"


@pytest.mark.parametrize(("kind", "failing"), list(product(METRICS, METRICS)))
def test_only_kinds_that_are_to_fail_fail(kind, failing):
    for state, known in (("alert", "none"), ("open", "ran out")):
        made = told([(state, kind, known)], fail_on=(failing,), strict=True)
        assert made.exit_code == (3 if kind == failing else 0)
        assert len(made.failing) + len(made.standing) == 1
        assert told([(state, kind, known)]).exit_code == 3
        assert told([(state, kind, known)], fail_on=()).exit_code == 0


def test_every_kind_fails_unless_told_otherwise():
    assert outcome().fail_on == KINDS


@pytest.mark.parametrize(("until", "code"), [(None, 0), ("2026-03-05", 0), (TODAY, 0), (YESTERDAY, 3), ("2025-12-31", 3)])
def test_an_open_alert_fails_again_once_its_acknowledgement_ran_out(until, code):
    made = found("open")
    on_file = {} if until is None else {made.alert.id: Acknowledgement(id=made.alert.id, reason="known", until=until)}
    told_ = outcome(made, acknowledgements=on_file)
    assert told_.exit_code == code
    assert (told_.expired(made.alert) is not None) is (code == 3)
    assert (told_.acknowledgement(made.alert) is not None) is (code == 0 and until is not None)


def test_an_acknowledgement_of_another_alert_silences_nothing():
    made = outcome(found("alert"), acknowledgements={"alert-x": Acknowledgement(id="alert-x", reason="known", until="2999-01-01")})
    assert made.exit_code == 3


@given(several, st.booleans(), st.sets(st.sampled_from(KINDS)))
def test_what_fails_what_stands_and_what_was_not_judged_are_kept_apart(cases, strict, fail_on):
    made = told(cases, strict=strict, fail_on=tuple(fail_on))
    failing = {f"digits/c{k}" for k, (state, kind, known) in enumerate(cases) if kind in fail_on and fails(state, known)}
    alerts = {f"digits/c{k}" for k, (state, _, _) in enumerate(cases) if state in ("alert", "open")}
    assert {f.key.entry for f in made.failing} == failing
    assert {f.key.entry for f in made.standing} == alerts - failing
    assert {f.key.entry for f in made.not_judged} == {f"digits/c{k}" for k, case in enumerate(cases) if case[0] in NOT_JUDGED}
    assert made.exit_code == (3 if failing else 4 if strict and (made.not_judged or not cases) else 0)


@given(several)
def test_strict_never_lets_pass_what_else_fails(cases):
    assert told(cases, strict=True).exit_code >= told(cases).exit_code


@given(several, st.randoms(use_true_random=False))
def test_order_of_findings_changes_nothing(cases, random):
    one = told(cases)
    other = replace(one, judgement=replace(one.judgement, findings=tuple(random.sample(one.judgement.findings, len(cases)))))
    assert (other.exit_code, other.verdict, other.failing, other.standing) == (
        one.exit_code,
        one.verdict,
        one.failing,
        one.standing,
    )


def test_the_worst_comes_first():
    assert set(WORST_FIRST) == set(STATES)
    mild, bad, worst = (found("alert", f"digits/c{k}", factor=factor) for k, factor in enumerate((1.1, 1.3, 1.9)))
    made = outcome(found("ok"), mild, found("open", "digits/d"), worst, found("waiting", "digits/e"), bad)
    assert made.failing == (worst, bad, mild)
    assert [f.state for f in made.judgement.worst_first] == ["alert", "alert", "alert", "open", "waiting", "ok"]
    assert made.judgement.opened == (mild.alert, worst.alert, bad.alert)


@pytest.mark.parametrize(
    ("cases", "more", "headline"),
    [
        ([("alert", "time", "none")], {}, "1 confirmed regression in 1 series"),
        ([("alert", "time", "none"), ("open", "quality", "ran out"), ("ok", "time", "none")], {},
         "2 confirmed regressions in 3 series"),
        ([("ok", "time", "none"), ("improved", "time", "none")], {}, "no new regression in 2 series"),
        ([("open", "time", "none"), ("ok", "time", "none")], {}, "no new regression in 2 series, 1 known"),
        ([("alert", "time", "holds")], {}, "no new regression in 1 series, 1 known"),
        ([("open", "time", "none"), ("ok", "time", "none"), ("missing", "time", "none"), ("missing", "memory", "none")], {},
         "no new regression in 2 series, 1 known; 2 not judged: missing (no record) in 2 series"),
        ([("warming up", "time", "none")] * 3, {}, "warming up: 1 of 11 nights of 3 series"),
        ([("warming up", "time", "none"), ("invalid", "time", "none")], {},
         "warming up: 1 of 11 nights of 1 series; 1 not judged: invalid (no record) in 1 series"),
        ([("missing", "time", "none")], {}, "not judged: missing (no record) in 1 series"),
        ([("missing", "time", "none"), ("warming up", "time", "none"), ("warming up", "time", "none"), ("invalid", "time", "none")],
         {}, "not judged: warming up (night 3; 10 earlier ones are needed) in 2 series; missing (no record) in 1 series; "
         "and 1 more reason"),
        ([("missing", "time", "none"), ("no baseline", "time", "none")], {},
         "not judged: missing (no record) in 1 series; no baseline (night 3; 10 earlier ones are needed) in 1 series"),
        ([("ok", "time", "none")], {"problem": "a part of it is gone"}, "no new regression in 1 series"),
        ([("missing", "time", "none")], {"problem": "run.json cannot be used"}, "not judged: run.json cannot be used"),
    ],
)  # fmt: skip
def test_headlines(cases, more, headline):
    assert told(cases, **more).headline == headline


@given(several, st.booleans())
def test_a_headline_says_regression_only_where_the_exit_code_does(cases, strict):
    made = told(cases, strict=strict)
    assert ("confirmed regression" in made.headline) is (made.exit_code == 3)
    assert made.headline.isprintable()
