"""The judge is judged: size, power, error rates and coverage of its rules, by simulation, with the figures printed (`-s`).

Quality is log-normal with a spread of .1 of one seed (log scale); a gap of g sd between neighbours is g x .1. Blocks share an
effect of their own, which pairing must remove. Power rows: one claim, one-sided 5 %, uncorrected.
"""

import numpy as np
import pytest
from scipy.special import stdtr
from scipy.stats import binom

from paragone.bench.judge import OrderVerdict, order_verdict
from paragone.bench.judge.blocks import Entry, definition
from paragone.bench.judge.intervals import bca_limits, centre, t_limits
from paragone.bench.judge.orderings import decide
from paragone.bench.judge.ranking import Row, _with_ranks
from paragone.bench.judge.significance import benjamini_hochberg

SD = 0.1
RUNS = 4000


def noise(generator, shape, student=False):
    """Unit spread; Student's t with 3 degrees of freedom has variance 3."""
    return generator.standard_t(3, shape) / np.sqrt(3) if student else generator.standard_normal(shape)


def simulate(seed, runs, gaps, blocks, student=False, **options) -> list[OrderVerdict]:
    """`runs` verdicts on contenders whose true log levels are `gaps` (in sd of one seed), lower is better."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(runs):
        shared = generator.standard_normal(blocks)
        table = {f"c{i}": np.exp(SD * (gap + shared + noise(generator, blocks, student)) + 1) for i, gap in enumerate(gaps)}
        found.append(order_verdict(table, better="lower", **options))
    return found


def share(verdicts, outcome):
    return float(np.mean([verdict.verdict == outcome for verdict in verdicts]))


@pytest.mark.parametrize("blocks", [3, 5, 10, 14])
def test_the_same_contender_under_two_names_is_rarely_better(blocks):
    false = round(1000 * share(simulate(11, 1000, (0, 0), blocks), "supported"))
    print(f"\ntwins, n = {blocks}: {false} of 1000 supported; binomial limit {binom.ppf(0.99, 1000, 0.05):.0f}")
    assert false <= 66


@pytest.mark.parametrize(
    ("blocks", "gap", "student", "least"),
    [(5, 3, False, 0.95), (10, 2, False, 0.95), (5, 3, True, 0.90), (10, 2, True, 0.90), (3, 6, False, 0.95)],
)
def test_a_planted_order_of_three_is_recovered(blocks, gap, student, least):
    found = simulate(12, RUNS, (0, gap, 2 * gap), blocks, student)
    print(f"\norder of three, gap {gap} sd, n = {blocks}, {'Student-3' if student else 'normal'}: {share(found, 'supported'):.3f}")
    assert share(found, "supported") >= least
    assert share(found, "contradicted") == 0


@pytest.mark.parametrize(("blocks", "gap"), [(5, 3), (10, 2), (3, 6)])
def test_the_reversed_order_is_contradicted(blocks, gap):
    found = simulate(13, RUNS, (2 * gap, gap, 0), blocks)
    print(f"\nreversed, gap {gap} sd, n = {blocks}: {share(found, 'contradicted'):.4f} contradicted")
    assert share(found, "contradicted") >= 0.95
    assert share(found, "supported") <= 0.001


@pytest.mark.parametrize("blocks", [3, 5])
def test_a_false_contradiction_is_rare_where_two_of_three_tie(blocks):
    """Claim A > B > C, truth A = B = C: the three reversed pairs share 5 %."""
    found = simulate(14, 2000, (0, 0, 0), blocks)
    print(f"\nall tie, n = {blocks}: contradicted {share(found, 'contradicted'):.3f}, supported {share(found, 'supported'):.3f}")
    assert share(found, "contradicted") <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 2000)
    assert share(found, "supported") <= 0.05


def test_power_at_three_and_five_blocks():
    """The table behind "what n can see": not a target, a figure that must not drift."""
    rows = {(n, gap): share(simulate(15, 500, (0, gap, 2 * gap), n), "supported") for n in (3, 5) for gap in (1, 2, 3, 6)}
    print("\npower, order of three: " + ", ".join(f"n={n} gap {gap} sd {power:.2f}" for (n, gap), power in rows.items()))
    assert rows[3, 2] < 0.5 < rows[3, 3] < rows[3, 6]
    assert rows[5, 1] < 0.4 < rows[5, 2] < rows[5, 3]


@pytest.mark.parametrize("blocks", [10, 14])
@pytest.mark.parametrize("ratio", [1.0, 1.02])
def test_a_pair_inside_the_margin_is_equivalent(blocks, ratio):
    generator = np.random.default_rng(16)
    found = []
    for _ in range(2000):
        a, b = np.exp(0.02 * generator.standard_normal((2, blocks)))
        found.append(order_verdict({"a": a, "b": b * ratio}, better="lower", margin=0.05))
    equivalent = np.mean([verdict.tie for verdict in found])
    both = sum(verdict.verdict == "supported" and bool(verdict.equivalent) for verdict in found)
    print(f"\ninside the margin, ratio {ratio}, n = {blocks}: equivalent {equivalent:.3f}, supported and equivalent {both}")
    assert equivalent >= (0.90 if ratio == 1.0 else 0.80)
    assert both == 0


def reports(seed, runs, gaps, blocks=5):
    """p(supported) and p(contradicted) of each claim of each report, (runs, claims); a claim is a pair with its own gap.

    The t test of all claims at once; that `order_verdict` says the same is asserted on a few.
    """
    generator = np.random.default_rng(seed)
    d = SD * (np.asarray(gaps)[:, None] + np.sqrt(2) * generator.standard_normal((runs, len(gaps), blocks)))
    t = d.mean(axis=-1) / d.std(axis=-1, ddof=1) * np.sqrt(blocks)
    supported, contradicted = stdtr(blocks - 1, -t), stdtr(blocks - 1, t)
    for claim in range(len(gaps)):
        verdict = order_verdict({"a": np.ones(blocks), "b": np.exp(d[0, claim])}, better="lower")
        assert verdict.p_supported == pytest.approx(supported[0, claim])
        assert verdict.p_contradicted == pytest.approx(contradicted[0, claim])
    return supported, contradicted


def corrected(supported, contradicted, doubled=True):
    """True where a claim gets a verdict, (runs, claims)."""
    p = np.minimum(1, (2 if doubled else 1) * np.minimum(supported, contradicted))
    return np.array([benjamini_hochberg(row) for row in p]) <= 0.05


def test_thirty_true_nulls_rarely_bring_any_verdict():
    supported, contradicted = reports(100, 4000, [0.0] * 30)
    rate = corrected(supported, contradicted).any(axis=1).mean()
    undoubled = corrected(supported, contradicted, doubled=False).any(axis=1).mean()
    print(f"\n30 nulls: any verdict in {rate:.3f} of reports (undoubled {undoubled:.3f})")
    assert rate <= binom.ppf(0.99, 4000, 0.05) / 4000
    assert undoubled > 0.08, "the factor of two is what holds the level"


def test_false_verdicts_are_few_among_the_true():
    supported, contradicted = reports(200, 2000, [4.0] * 15 + [0.0] * 15)
    decided = corrected(supported, contradicted)
    right = decided[:, :15] & (supported < contradicted)[:, :15]
    false = decided.sum(axis=1) - right.sum(axis=1)
    proportion = (false / np.maximum(1, decided.sum(axis=1))).mean()
    print(f"\n15 true (4 sd, n = 5) and 15 nulls: mean false share {proportion:.4f}, power {right.mean():.2f}")
    assert proportion <= 0.05


def test_failures_of_the_side_claimed_better_never_help():
    generator = np.random.default_rng(17)
    before, after = [], []
    for _ in range(1000):
        table = {name: np.exp(SD * (gap + generator.standard_normal(10))) for name, gap in (("a", 0), ("b", 2))}
        before.append(order_verdict(table, better="lower").verdict)
        table["a"][generator.integers(10)] = np.nan
        after.append(order_verdict(table, better="lower").verdict)
    helped = sum(new == "supported" and old != "supported" for old, new in zip(before, after, strict=True))
    print(f"\none failure of the better side: supported {np.mean([v == 'supported' for v in before]):.2f} before, never after")
    assert helped == 0
    assert "supported" not in after


@pytest.mark.parametrize("blocks", [3, 5, 10])
def test_failures_at_random_keep_the_level(blocks):
    """Twins that each fail in one cell of five: the sign test counts a tie against the claim, so it errs on the safe side."""
    generator = np.random.default_rng(18)
    wrong = {"supported": 0, "contradicted": 0}
    for _ in range(2000):
        table = {name: np.where(generator.random(blocks) < 0.2, np.nan, np.exp(generator.standard_normal(blocks))) for name in "ab"}
        verdict = order_verdict(table, better="lower").verdict
        if verdict != "undetermined":
            wrong[verdict] += 1
    print(f"\nfailing twins, n = {blocks}: {wrong} of 2000")
    assert max(wrong.values()) <= binom.ppf(0.99, 2000, 0.05)


@pytest.mark.parametrize(("blocks", "runs"), [(3, 20_000), (5, 20_000), (20, 3000)])
def test_intervals_of_lognormal_data_cover(blocks, runs):
    generator = np.random.default_rng(19)
    x = np.log(np.exp(SD * generator.standard_normal((runs, blocks)) + 1))
    if blocks < 20:
        _, low, high = t_limits(x)
    else:
        parts = [bca_limits(part, resamples=1000, generator=generator) for part in np.array_split(x, 20)]
        low, high = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    covered = ((low <= 1) & (high >= 1)).mean()
    print(f"\ncoverage of 95 % intervals, n = {blocks}: {covered:.4f} of {runs}")
    assert 0.93 <= covered <= 0.97


def test_both_significant_decides_nothing():
    assert decide(0.01, 0.01, 0.05) == "undetermined"


def test_rank_intervals_hold_the_true_rank():
    """Ten entries, five of them equal: the interval of each holds its true rank (1 to 5 for the equal) 95 times of 100."""
    generator = np.random.default_rng(20)
    truth = np.r_[np.zeros(5), 10, 20, 30, 40, 50]
    held = []
    for _ in range(100):
        values = np.exp(SD * (truth[:, None] + generator.standard_normal((10, 5))))
        rows = [
            Row(Entry(str(i), "", str(i), "gan", False, True), dict(enumerate(row)), centre(row, "log"), "ok")
            for i, row in enumerate(values)
        ]
        for row in _with_ranks(sorted(rows, key=lambda row: row.summary.value), definition("fid")):
            _, low, high = row.rank
            place = int(row.entry.contender)
            held.append((low <= 1 and high >= 5) if place < 5 else low <= place + 1 <= high)
    print(f"\nrank intervals, ten entries, n = 5: {np.mean(held):.3f} of {len(held)} hold the true rank")
    assert np.mean(held) >= 0.95
