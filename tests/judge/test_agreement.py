"""The judge's statistics against other implementations (scipy, statsmodels), enumeration, and published values."""

from itertools import permutations, product
from math import ceil

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, page_trend_test, permutation_test, trim_mean, ttest_1samp, ttest_rel
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

from paragone.bench.judge.intervals import bca_limits, clopper_pearson, interquartile_mean, t_limits
from paragone.bench.judge.orderings import compare
from paragone.bench.judge.significance import (
    benjamini_hochberg,
    blocks_needed,
    detectable_mean,
    holm,
    mean_above_zero,
    means_above_zero,
    sign_flip,
    sign_test,
)

BENJAMINI_HOCHBERG_1995 = (
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0,
)  # fmt: skip
"""The fifteen p values of the example in Benjamini and Hochberg 1995, section 3.2."""


def two_sides(seed, blocks, gap=0.1):
    return np.exp([[0.0], [gap]] + 0.1 * np.random.default_rng(seed).standard_normal((2, blocks)))


@pytest.mark.parametrize("blocks", [2, 3, 5, 13])
def test_paired_t_equals_scipys(blocks):
    a, b = two_sides(1, blocks)
    pair = compare("a", "b", a, b, better="lower")
    d = np.log(b) - np.log(a)
    assert pair.p == pytest.approx(ttest_rel(np.log(b), np.log(a), alternative="greater").pvalue)
    assert pair.p_reversed == pytest.approx(ttest_rel(np.log(b), np.log(a), alternative="less").pvalue)
    interval = ttest_rel(np.log(b), np.log(a)).confidence_interval(0.95)
    assert pair.interval == pytest.approx((np.exp(interval.low), np.exp(interval.high)))
    assert pair.effect == pytest.approx(np.exp(d.mean()))
    assert (pair.n, pair.test) == (blocks, "paired t")


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_paired_t_on_the_identity_scale_equals_scipys(better):
    a, b = two_sides(2, 7)
    pair = compare("a", "b", a, b, better=better, scale="identity")
    assert pair.p == pytest.approx(ttest_rel(b, a, alternative="greater" if better == "lower" else "less").pvalue)


@pytest.mark.parametrize(("gap", "margin"), [(0.0, 0.05), (0.02, 0.05), (0.10, 0.05), (-0.2, 0.10)])
def test_a_margin_shifts_the_test_and_equivalence_equals_statsmodels(gap, margin):
    a, b = two_sides(3, 8, gap)
    pair = compare("a", "b", a, b, better="lower", margin=margin)
    limit = np.log1p(margin)
    assert pair.p == pytest.approx(ttest_1samp(np.log(b / a), limit, alternative="greater").pvalue)
    assert pair.p_reversed == pytest.approx(ttest_1samp(np.log(b / a), -limit, alternative="less").pvalue)
    assert pair.p_equivalent == pytest.approx(ttost_paired(np.log(b), np.log(a), -limit, limit)[0])


@pytest.mark.parametrize("blocks", [4, 9, 12])
@pytest.mark.parametrize("mean", [-0.3, 0.0, 0.4])
def test_sign_flip_equals_enumeration_and_scipy(blocks, mean):
    e = np.random.default_rng(4).standard_normal(blocks) + mean
    sums = np.array(list(product((1, -1), repeat=blocks))) @ e
    assert sign_flip(e) == np.mean(sums >= e.sum() - 1e-9)
    theirs = permutation_test(
        (e, np.zeros(blocks)), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", vectorized=True,
        n_resamples=np.inf, alternative="greater",
    )  # fmt: skip
    assert sign_flip(e) == pytest.approx(theirs.pvalue)


def test_sign_flip_with_tied_sums_equals_enumeration():
    e = np.array([1.0, 1.0, -1.0, 2.0, 0.0, 2.0, -0.5, 0.5])
    sums = np.array(list(product((1, -1), repeat=8))) @ e
    assert sign_flip(e) == np.mean(sums >= e.sum())


def test_sign_flip_beyond_enumeration_is_within_monte_carlo_error_of_the_exact_one():
    e = np.random.default_rng(5).standard_normal(33) + 0.2
    halves = [np.zeros(1), np.zeros(1)]
    for i, value in enumerate(e):
        halves[i % 2] = np.concatenate([halves[i % 2] + value, halves[i % 2] - value])
    right = np.sort(halves[1])
    exact = (right.size - np.searchsorted(right, e.sum() - 1e-9 - halves[0])).sum() / 2.0**33
    assert sign_flip(e) == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 100_000))


@pytest.mark.parametrize(("wins", "blocks"), [(0, 3), (3, 3), (5, 5), (9, 10), (15, 20)])
def test_sign_test_equals_scipy(wins, blocks):
    assert sign_test(wins, blocks) == pytest.approx(binomtest(wins, blocks, alternative="greater").pvalue)


@pytest.mark.parametrize("tests", [1, 2, 30, 45])
@pytest.mark.parametrize(("ours", "method"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_corrections_equal_statsmodels(tests, ours, method):
    p = np.random.default_rng(6).beta(0.3, 1.0, tests)
    p[: tests // 3] = np.round(p[: tests // 3], 2)  # ties, zeros among them
    assert ours(p) == pytest.approx(multipletests(p, method=method)[1], abs=1e-15)


def test_corrections_equal_published_values():
    """Benjamini and Hochberg reject four of their fifteen at 5 %, Bonferroni's bound three."""
    assert (benjamini_hochberg(BENJAMINI_HOCHBERG_1995) <= 0.05).sum() == 4
    assert (holm(BENJAMINI_HOCHBERG_1995) <= 0.05).sum() == 3
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]).size == benjamini_hochberg([]).size == 0


@pytest.mark.parametrize(("k", "n"), [(0, 5), (3, 5), (5, 5), (17, 360), (360, 360)])
@pytest.mark.parametrize("level", [0.95, 0.90])
def test_clopper_pearson_equals_scipy_and_statsmodels(k, n, level):
    limits = clopper_pearson(k, n, level)
    scipys = binomtest(k, n).proportion_ci(level, "exact")
    assert limits == pytest.approx((scipys.low, scipys.high))
    assert limits == pytest.approx(proportion_confint(k, n, alpha=1 - level, method="beta"))


def test_t_limits_equal_scipy():
    x = np.random.default_rng(7).normal(2, 1, (3, 7))
    value, low, high = t_limits(x)
    for i, row in enumerate(x):
        theirs = ttest_1samp(row, 0).confidence_interval(0.95)
        assert (value[i], low[i], high[i]) == pytest.approx((row.mean(), theirs.low, theirs.high))


@pytest.mark.parametrize("n", [20, 21, 23, 40])
def test_interquartile_mean_is_a_quarter_trimmed_mean(n):
    x = np.random.default_rng(8).standard_normal((4, n))
    assert interquartile_mean(x) == pytest.approx(trim_mean(x, 0.25, axis=-1))


@pytest.mark.parametrize("estimator", [interquartile_mean, lambda x: x.mean(axis=-1)])
@pytest.mark.parametrize("n", [20, 24, 41])
def test_bca_equals_scipy_up_to_its_draws(estimator, n):
    """The upper limits of eight repeats scatter by .03 standard errors of the estimate (exponential data, either program)."""
    x = np.random.default_rng(9).exponential(1.0, n)
    value, low, high = bca_limits(x, estimator=estimator, resamples=100_000)
    theirs = bootstrap(
        (x,), lambda s, axis: estimator(np.moveaxis(s, axis, -1)), n_resamples=100_000, method="BCa", batch=10_000,
        rng=np.random.default_rng(10),
    )  # fmt: skip
    assert value == pytest.approx(estimator(x))
    limits = theirs.confidence_interval
    assert (low, high) == pytest.approx((limits.low, limits.high), abs=0.1 * theirs.standard_error)


@pytest.mark.parametrize(("blocks", "alpha"), [(3, 0.05), (5, 0.05), (10, 0.05), (5, 0.05 / 90), (10, 0.05 / 90)])
def test_what_is_detectable_equals_statsmodels(blocks, alpha):
    power = TTestPower().power(detectable_mean(0.3, blocks, alpha) / 0.3, blocks, alpha, alternative="larger")
    assert power == pytest.approx(0.95, abs=1e-3)


@pytest.mark.parametrize("effect", [0.3, 0.7, 1.5])
def test_blocks_needed_equal_statsmodels(effect):
    theirs = TTestPower().solve_power(effect, nobs=None, alpha=0.05, power=0.95, alternative="larger")
    assert blocks_needed(effect * 0.2, 0.2) == ceil(theirs)


PAGE_1963 = {  # k treatments, n blocks: smallest L that is significant at 5, 1 and .1 %
    (3, 3): (41, 42, None), (3, 4): (54, 55, 56), (3, 10): (128, 131, 134),
    (4, 2): (58, 60, None), (4, 5): (137, 141, 145), (5, 3): (150, 155, 160),
}  # fmt: skip


def page_tail(k, n):
    """P(L >= l) for l = 0, 1, ...: the law of L under exchange, by convolving that of one block n times."""
    one = np.bincount([np.dot(order, range(1, k + 1)) for order in permutations(range(1, k + 1))])
    law = np.ones(1)
    for _ in range(n):
        law = np.convolve(law, one / one.sum())
    return law[::-1].cumsum()[::-1]


@pytest.mark.parametrize(("size", "critical"), PAGE_1963.items())
def test_the_law_of_pages_l_has_the_published_critical_values(size, critical):
    tail = page_tail(*size)
    for level, least in zip((0.05, 0.01, 0.001), critical, strict=True):
        significant = np.flatnonzero(tail <= level * (1 + 1e-9))
        assert (significant[0] if least is not None else None) == least or tail[-1] > level


def test_pages_l_of_the_cotton_fibres():
    """Hollander and Wolfe, Nonparametric Statistical Methods, example 7.2: strength of cotton falls with potash, L = 158."""
    strength = [[7.46, 7.17, 7.76, 8.14, 7.63], [7.68, 7.57, 7.73, 8.15, 8.00], [7.21, 7.80, 7.74, 7.87, 7.93]]
    found = page_trend_test(strength, method="exact")
    assert found.statistic == 158 == 51 + 53 + 54  # by hand: ranks 2 1 4 5 3, 2 1 3 5 4, 1 3 2 4 5, times 1 to 5
    assert found.pvalue == pytest.approx(page_tail(5, 3)[158])
    assert found.pvalue < 0.01


def test_many_problems_at_once_are_the_same_as_one_by_one():
    """Sizes on both sides of every border between tests, ties and all zeros among them."""
    generator = np.random.default_rng(5)
    problems = [generator.standard_normal(n) + shift for n in (2, 5, 13, 14, 20, 33, 33, 50) for shift in (0.0, 0.3)]
    problems += [np.zeros(40), np.round(generator.standard_normal(40))]
    assert means_above_zero(problems) == [mean_above_zero(e) for e in problems]
