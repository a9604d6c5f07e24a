"""Confirmation by pairs: the numbers are Student's, the borders are the rule's, and two looks together err in 1 % at most."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paragone.bench.history.confirmation import decide
from paragone.bench.history.judging import PAIRS, run_again
from paragone.bench.history.series import Key
from tests.history.project import suspect
from tests.history.simulation import CV, draw

SMALLEST = math.log(1.03)
SHAPE = np.array([-1.0, -1.0, 0.0, 1.0, 1.0])
"""Five differences with mean 0 and standard deviation 1."""
steps = st.integers(-512, 512).map(lambda k: k / 1024)
"""Differences whose sums are exact, in whatever order they are added."""
pairs = st.lists(steps, min_size=3, max_size=10)


def same(one, other):
    return [getattr(one, name) for name in ("effect", "low", "high", "p")] == pytest.approx(
        [getattr(other, name) for name in ("effect", "low", "high", "p")], abs=1e-12
    )


@pytest.mark.parametrize("count", [3, 4, 5, 7, 10])
def test_numbers_are_those_of_scipy(count):
    d = np.random.default_rng(count).normal(0.02, 0.05, count)
    found, known = decide(d, SMALLEST), stats.ttest_1samp(d, 0.0, alternative="greater")
    both = stats.ttest_1samp(d, 0.0).confidence_interval(0.99)  # 99.5 % at each end: two looks share 1 %
    assert found.effect == pytest.approx(d.mean())
    assert found.p == pytest.approx(known.pvalue)
    assert (found.low, found.high) == pytest.approx((both.low, both.high))
    assert found.differences == tuple(d)


@pytest.mark.parametrize(
    ("effect", "decision"),
    [
        (2**-3, "undecided"),  # the smallest effect itself
        (2**-3 + 2**-20, "confirmed"),
        (2**-3 - 2**-20, "undecided"),
        (2**-4, "undecided"),  # half of it
        (2**-4 - 2**-20, "refuted"),
        (0.0, "refuted"),
        (-1.0, "refuted"),
    ],
)
@pytest.mark.parametrize("count", [3, 5, 10])
def test_borders_of_the_effect(effect, decision, count):
    assert decide([effect] * count, 2**-3).decision == decision


@pytest.mark.parametrize(("share", "decision"), [(1 - 1e-9, "confirmed"), (1 + 1e-9, "undecided")])
def test_border_of_the_lower_bound(share, decision):
    mean = 2 * SMALLEST
    widest = mean * math.sqrt(5) / stats.t.ppf(0.995, 4)  # standard deviation at which the bound is 0
    found = decide(mean + share * widest * SHAPE, SMALLEST)
    assert found.decision == decision
    assert (found.low > 0) is (decision == "confirmed")
    assert found.p == pytest.approx(0.005)


def test_large_and_uncertain_is_not_confirmed_and_small_and_certain_neither():
    assert decide(0.2 + 0.5 * SHAPE, SMALLEST).decision == "undecided"
    assert decide(0.02 + 1e-6 * SHAPE, SMALLEST).decision == "undecided"
    assert decide(0.02 + 1e-6 * SHAPE, SMALLEST).p < 1e-6


@given(pairs, st.randoms(use_true_random=False))
def test_order_of_pairs_does_not_matter(d, random):
    mixed = random.sample(d, len(d))
    assert decide(mixed, SMALLEST).decision == decide(d, SMALLEST).decision
    assert same(decide(mixed, SMALLEST), decide(d, SMALLEST))
    assert decide(mixed, SMALLEST).differences == tuple(mixed)


@given(pairs, steps)
def test_a_constant_moves_effect_and_bounds_by_itself(d, constant):
    before, after = decide(d, SMALLEST), decide([x + constant for x in d], SMALLEST)
    assert after.effect - before.effect == pytest.approx(constant, abs=1e-12)
    assert after.low - before.low == pytest.approx(constant, abs=1e-9)
    assert after.high - before.high == pytest.approx(constant, abs=1e-9)


@given(pairs)
def test_worse_by_enough_is_confirmed_and_never_refuted_by_getting_worse(d):
    rank = {"refuted": 0, "undecided": 1, "confirmed": 2}
    said = [rank[decide([x + c for x in d], SMALLEST).decision] for c in np.linspace(-1, 8, 40)]
    assert said == sorted(said)
    assert (said[0], said[-1]) == (0, 2)


@given(pairs, st.sampled_from([2.0**k for k in range(-6, 7)]))
def test_unit_does_not_matter(d, factor):
    one, other = decide(d, SMALLEST), decide([factor * x for x in d], factor * SMALLEST)
    assert (one.decision, one.p) == (other.decision, pytest.approx(other.p))


@pytest.mark.parametrize("d", [(), (9.0,), (-9.0,), (9.0, 9.0), (-9.0, -9.0)])
def test_fewer_than_three_pairs_decide_nothing(d):
    found = decide(d, SMALLEST)
    assert (found.decision, found.low, found.high, found.p, found.differences) == ("undecided", -math.inf, math.inf, 1.0, d)
    assert found.effect == d[0] if d else math.isnan(found.effect)


@given(st.integers(-1024, 1024).map(lambda k: k / 1024), st.integers(3, 10))
def test_identical_differences_have_no_spread_and_a_sure_answer(value, count):
    found = decide([value] * count, 2**-5)
    assert (found.effect, found.low, found.high) == (value, value, value)
    assert found.p == (0.0 if value > 0 else 1.0)
    assert found.decision == ("confirmed" if value > 2**-5 else "refuted" if value < 2**-6 else "undecided")


class Drawn:
    """A laboratory whose pairs are drawn beforehand, one row a suspect; `asked` is which it was asked for."""

    def __init__(self, keys, rows):
        self.rows, self.asked = dict(zip(keys, rows, strict=True)), []

    named_base = ""

    def why_not(self, commit):
        return ""

    def differences(self, suspects, first, count):
        self.asked.append(([s.key for s in suspects], first, count))
        return {s.key: self.rows[s.key][first : first + count] for s in suspects}


def decided(rows):
    """Decisions over both looks, one a row of ten differences each."""
    keys = [Key(f"test[{k}]", "benchmark_s", "m", "p") for k in range(len(rows))]
    lab = Drawn(keys, rows)
    said = run_again([suspect(key, "base") for key in keys], lab, PAIRS)
    return [said[key] for key in keys], lab


@pytest.mark.parametrize("kind", ["gaussian", "student-3", "ar1"])
def test_without_a_difference_both_looks_together_err_in_one_percent_at_most(kind):
    draws = 20_000
    noise = 100 * draw(kind, np.random.default_rng(7), (draws, 4 * PAIRS))  # the smallest effect is nothing beside it
    said, _ = decided(noise[:, ::2] - noise[:, 1::2])
    rate = np.mean([c.decision == "confirmed" for c in said])
    error = math.sqrt(0.01 * 0.99 / draws)
    assert rate <= 0.01 + 2 * error
    assert kind == "ar1" or rate >= 0.002  # nor is the promise kept by never confirming


@pytest.mark.parametrize(("factor", "least"), [(1.1, 0.99), (1.2, 0.999)])
def test_real_differences_are_confirmed(factor, least):
    noise = draw("gaussian", np.random.default_rng(8), (2000, 4 * PAIRS))
    assert noise.std() == pytest.approx(CV, rel=0.02)
    said, _ = decided(math.log(factor) + noise[:, ::2] - noise[:, 1::2])
    assert np.mean([c.decision == "confirmed" for c in said]) >= least
    assert not any(c.decision == "refuted" and c.effect > SMALLEST for c in said)


def test_only_the_undecided_are_run_again_and_only_once():
    sure, none, open_ = [1.0] * 10, [0.0] * 10, [1.0, -1.0, 1.0, -1.0, 1.0] * 2
    said, lab = decided([sure, none, open_])
    assert [c.decision for c in said] == ["confirmed", "refuted", "undecided"]
    assert [len(c.differences) for c in said] == [PAIRS, PAIRS, 2 * PAIRS]
    assert [(len(keys), first, count) for keys, first, count in lab.asked] == [(3, 0, PAIRS), (1, PAIRS, PAIRS)]


def test_lost_pairs_are_made_up_for():
    found, _ = decided([[1.0] * 10])
    assert found[0].decision == "confirmed"

    class Losing(Drawn):
        def differences(self, suspects, first, count):
            return {key: row[:2] for key, row in super().differences(suspects, first, count).items()}

    key = Key("a", "benchmark_s", "m", "p")
    said = run_again([suspect(key, "base")], Losing([key], [[1.0] * 10]), PAIRS)
    assert (said[key].decision, said[key].differences) == ("confirmed", (1.0,) * 4)


def test_who_cannot_be_run_again_is_not():
    key = Key("a", "benchmark_s", "m", "p")
    lab = Drawn([key], [[1.0] * 10])
    refused, same_code = replace(suspect(key, "base"), refusal="it is gone"), suspect(key, "head", tonight="head")
    assert run_again([refused, same_code], lab, PAIRS) == {}
    assert run_again([suspect(key, "base")], None, PAIRS) == {}
    assert lab.asked == []
