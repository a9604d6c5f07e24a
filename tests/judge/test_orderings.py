"""Orders: outcomes, and the rules of failures, margins and bad input.

That the tests equal other implementations is shown in test_agreement, what must not change a verdict in test_invariants.
"""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import nct, ttest_1samp
from scipy.stats import t as student

from paragone.bench.judge import order_verdict
from paragone.bench.judge.orderings import compare
from paragone.bench.judge.significance import (
    blocks_needed,
    detectable_mean,
    paired_t,
    sign_flip,
)

NAN = float("nan")
levels = arrays.arrays(float, 5, elements=st.floats(0.5, 5.0, width=32))


def lognormal(seed, blocks, *gaps):
    generator = np.random.default_rng(seed)
    return {f"c{i}": np.exp(gap + 0.1 * generator.standard_normal(blocks)) for i, gap in enumerate(gaps)}


def test_sign_flip_beyond_enumeration_agrees_with_its_limit_and_repeats():
    e = np.random.default_rng(3).standard_normal(60) + 0.2
    assert sign_flip(e) == sign_flip(e)
    assert sign_flip(e) == pytest.approx(ttest_1samp(e, 0, alternative="greater").pvalue, abs=0.01)
    assert sign_flip(e) != sign_flip(e, np.random.default_rng(9))


def test_sign_flip_is_used_from_fourteen_blocks_on_and_counts_ties_as_extreme():
    pair = order_verdict(lognormal(4, 14, 0, 1), better="lower").pairs[0]
    assert pair.test == "sign-flip"
    assert pair.p == 2.0**-14
    assert sign_flip(np.array([1.0, 1.0, 0.0])) == 0.25
    assert sign_flip(np.full(32, 0.1)) == 2.0**-32


def test_what_is_detectable_has_the_power_it_claims():
    mean = detectable_mean(0.3, 5)
    assert nct.sf(student.isf(0.05, 4), 4, mean / 0.3 * np.sqrt(5)) == pytest.approx(0.95, abs=1e-4)
    needed = blocks_needed(0.2, 0.3)
    assert detectable_mean(0.3, needed) <= 0.2 < detectable_mean(0.3, needed - 1)
    assert blocks_needed(0.0, 0.3) is None
    assert blocks_needed(1e-6, 1.0) is None


def test_the_three_outcomes():
    table = lognormal(5, 5, 0, 0.6, 1.2)
    assert order_verdict(table, better="lower").verdict == "supported"
    assert order_verdict(table, better="higher").verdict == "contradicted"
    unsure = order_verdict(lognormal(6, 3, 0, 0.05, 0.1), better="lower")
    assert unsure.verdict == "undetermined"
    assert unsure.detectable_effect > 1
    assert "parametric" in unsure.reason
    assert "n = 3" in unsure.reason


def test_p_of_an_order_is_the_worst_neighbour_and_the_best_reversal():
    verdict = order_verdict(lognormal(7, 6, 0, 0.1, 0.05), better="lower")
    assert verdict.p_supported == max(pair.p for pair in verdict.pairs)
    assert verdict.p_contradicted == min(1, 3 * min(pair.p_reversed for pair in verdict.every_pair))
    assert [(pair.better, pair.worse) for pair in verdict.pairs] == [("c0", "c1"), ("c1", "c2")]


def test_a_ratio_is_told_the_same_way_for_both_directions():
    lower = order_verdict({"a": [1.0, 1.1, 0.9], "b": [2.0, 2.3, 1.8]}, better="lower").pairs[0]
    higher = order_verdict({"b": [2.0, 2.3, 1.8], "a": [1.0, 1.1, 0.9]}, better="higher").pairs[0]
    assert lower.effect == pytest.approx(higher.effect)
    assert lower.effect > 1


def test_identity_scale_compares_differences():
    pair = order_verdict({"a": [0.9, 0.8, 0.85], "b": [0.5, 0.45, 0.5]}, better="higher", scale="identity").pairs[0]
    assert pair.effect == pytest.approx(np.mean([0.4, 0.35, 0.35]))
    assert order_verdict({"a": [-1.0, -2, -1.5], "b": [0.0, 0.1, 0.2]}, better="lower", scale="identity").verdict == "supported"


def test_margin_asks_for_more_than_the_margin():
    table = lognormal(8, 10, 0, 0)
    table["c1"] = table["c0"] * 1.03 * np.exp(0.002 * np.random.default_rng(1).standard_normal(10))
    assert order_verdict(table, better="lower").verdict == "supported"
    inside = order_verdict(table, better="lower", margin=0.05)
    assert inside.verdict == "undetermined"
    assert inside.tie
    assert inside.reason.startswith("equivalent")
    assert order_verdict({"c1": table["c1"], "c0": table["c0"]}, better="lower").verdict == "contradicted"
    assert order_verdict({"c1": table["c1"], "c0": table["c0"]}, better="lower", margin=0.05).tie


def test_margin_on_the_identity_scale_is_relative_to_the_other_side():
    table = {"a": np.array([1.08, 1.081, 1.079]), "b": np.ones(3)}
    assert order_verdict(table, better="higher", scale="identity", margin=0.05).verdict == "supported"
    assert order_verdict(table, better="higher", scale="identity", margin=0.10).tie


def test_identical_values_are_named_so():
    verdict = order_verdict({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]}, better="lower")
    assert (verdict.verdict, verdict.p_supported, verdict.p) == ("undetermined", 1.0, 1.0)
    assert verdict.reason.startswith("identical")


def test_the_same_difference_in_every_block_needs_no_spread():
    assert order_verdict({"a": [1.0] * 5, "b": [2.0] * 5}, better="lower").verdict == "supported"
    assert paired_t(np.array([0.1, 0.1, 0.1])) == 0
    assert paired_t(np.array([-0.1, -0.1, -0.1])) == 1


def test_a_failure_loses_to_any_finished_cell_and_ties_with_a_failed_one():
    pair = compare("a", "b", [1.0, NAN, NAN, 3.0], [2.0, 9.0, NAN, NAN], better="lower")
    assert (pair.wins, pair.losses, pair.failed) == (2, 1, (2, 2))
    assert pair.test == "exact sign test"
    assert pair.p == pytest.approx(11 / 16)
    assert pair.p_reversed == pytest.approx(15 / 16)
    assert pair.signs == "+xxx"


def test_failures_of_the_worse_side_can_support():
    good, bad = np.ones(5), np.array([2.0, 2.1, NAN, NAN, 1.9])
    verdict = order_verdict({"good": good, "bad": bad}, better="lower")
    assert verdict.verdict == "supported"
    assert verdict.p_supported == pytest.approx(2.0**-5)
    assert order_verdict({"bad": bad, "good": good}, better="lower").verdict == "contradicted"
    assert order_verdict({"good": good[:3], "bad": bad[:3]}, better="lower").verdict == "undetermined"


def test_a_failure_of_the_better_side_never_supports():
    table = {"good": np.r_[NAN, np.ones(19)], "bad": np.full(20, 9.0)}
    verdict = order_verdict(table, better="lower")
    assert verdict.verdict == "undetermined"
    assert "good failed in 1 of 20" in verdict.reason
    assert order_verdict({"bad": table["bad"], "good": table["good"]}, better="lower").verdict == "contradicted"


def test_all_cells_failed_on_one_side():
    dead = np.full(5, NAN)
    assert order_verdict({"a": np.ones(5), "dead": dead}, better="lower").verdict == "supported"
    assert order_verdict({"dead": dead, "a": np.ones(5)}, better="lower").verdict == "contradicted"
    both = order_verdict({"dead": dead, "dead too": dead}, better="lower")
    assert both.verdict == "undetermined"
    assert np.isnan(both.detectable_effect)


@pytest.mark.parametrize("blocks", [0, 1])
def test_fewer_than_two_blocks_decide_nothing(blocks):
    verdict = order_verdict({"a": np.ones(blocks), "b": np.full(blocks, 2.0)}, better="lower")
    assert verdict.verdict == "undetermined"
    assert "too few blocks" in verdict.reason


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        ({"a": [1.0, 0.0], "b": [1.0, 2.0]}, {}, "a has the value 0"),
        ({"a": [1.0, 2.0], "b": [1.0, -2.0]}, {}, "b has the value -2"),
        ({"a": [1.0, np.inf], "b": [1.0, 2.0]}, {}, "a has the value inf"),
        ({"a": [1.0, 2.0], "b": [1.0]}, {}, "same blocks"),
        ({"a": [1.0, 2.0]}, {}, "at least two names"),
        ({"a": [1.0, 2.0], "b": [1.0, 3.0]}, {"better": "best"}, "better is 'best'"),
        ({"a": [1.0, 2.0], "b": [1.0, 3.0]}, {"scale": "linear"}, "scale is 'linear'"),
        ({"a": [1.0, 2.0], "b": [1.0, 3.0]}, {"margin": -0.1}, "margin is -0.1"),
        ({"a": [1.0, 2.0], "b": [1.0, 3.0]}, {"alpha": 0.9}, "alpha is 0.9"),
    ],
)
def test_bad_input_is_an_error_with_name_and_value(table, options, words):
    with pytest.raises(ValueError, match=words):
        order_verdict(table, **{"better": "lower", **options})
