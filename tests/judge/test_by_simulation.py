"""The judge is judged: size, power, error rates and coverage of its rules, by simulation; all figures beside their targets
are printed at the end (`-s`).

Quality is log-normal with a spread of .1 of one seed (log scale); a gap of g sd between neighbours is g x .1. Blocks share an
effect of their own, which pairing must remove. Power rows: one claim, one-sided 5 %, uncorrected, 4,000 runs.
"""

import numpy as np
import pytest
from scipy.special import stdtr
from scipy.stats import binom, binomtest

from paragone.bench.judge import OrderVerdict, order_verdict
from paragone.bench.judge.blocks import Entry, definition
from paragone.bench.judge.claims.claim import Claim
from paragone.bench.judge.intervals import bca_limits, centre, t_limits
from paragone.bench.judge.orderings import compare, decide
from paragone.bench.judge.ranking import Row, _with_ranks
from paragone.bench.judge.significance import benjamini_hochberg
from paragone.bench.judge.verdicts import verdicts
from tests.builders import REFERENCES, Way, make_run, planned, with_values

SD = 0.1
RUNS = 4000
CLAIMS = 45
TOLD: list[tuple[str, str, str]] = []


@pytest.fixture(scope="module", autouse=True)
def table_of_figures():
    """Prints what every check found, beside what it had to find."""
    TOLD.clear()
    yield
    widths = [max(len(row[i]) for row in TOLD) for i in range(3)]
    print("\n" + "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in TOLD))


def tell(check, found, target):
    TOLD.append((check, found, target))


def at_most(share, runs):
    """Largest share of `runs` that the exact binomial test does not tell from `share` at 1 %."""
    return binom.ppf(0.99, runs, share) / runs


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


def share(found, outcome):
    return float(np.mean([verdict.verdict == outcome for verdict in found]))


@pytest.mark.parametrize("blocks", [3, 5, 10, 14])
def test_the_same_contender_under_two_names_is_rarely_better(blocks):
    false = round(1000 * share(simulate(11, 1000, (0, 0), blocks), "supported"))
    tell(f"twins, n = {blocks}: false A > B", f"{false} of 1000", "<= 66")
    assert false <= 66
    assert false >= binom.ppf(0.01, 1000, 0.05), "a test that never errs is no test at this level"


@pytest.mark.parametrize(
    ("blocks", "gap", "student", "least"),
    [(5, 3, False, 0.95), (10, 2, False, 0.95), (3, 6, False, 0.95), (5, 3, True, 0.90), (10, 2, True, 0.90)],
)
def test_a_planted_order_of_three_is_recovered(blocks, gap, student, least):
    found = simulate(12, RUNS, (0, gap, 2 * gap), blocks, student)
    kind = "Student-3" if student else "normal"
    tell(f"order of three, {gap} sd, n = {blocks}, {kind}: supported", f"{share(found, 'supported'):.4f}", f">= {least}")
    assert share(found, "supported") >= least
    assert share(found, "contradicted") == 0


@pytest.mark.parametrize(("blocks", "gap"), [(5, 3), (10, 2)])
def test_the_reversed_order_is_contradicted(blocks, gap):
    found = simulate(13, RUNS, (2 * gap, gap, 0), blocks)
    tell(f"reversed, {gap} sd, n = {blocks}: contradicted", f"{share(found, 'contradicted'):.4f}", ">= 0.95")
    tell(f"reversed, {gap} sd, n = {blocks}: supported", f"{share(found, 'supported'):.4f}", "<= 0.001")
    assert share(found, "contradicted") >= 0.95
    assert share(found, "supported") <= 0.001


@pytest.mark.parametrize("blocks", [3, 5])
def test_a_false_contradiction_is_rare_where_two_of_three_tie(blocks):
    """Claim A > B > C, truth A = B = C: the three reversed pairs share 5 %."""
    found = simulate(14, 2000, (0, 0, 0), blocks)
    tell(f"all three tie, n = {blocks}: contradicted", f"{share(found, 'contradicted'):.4f}", f"<= {at_most(0.05, 2000):.4f}")
    assert share(found, "contradicted") <= at_most(0.05, 2000)
    assert share(found, "supported") <= 0.05


def test_power_at_three_and_five_blocks():
    """The table behind "what n can see": not a target, a figure that must not drift."""
    rows = {(n, gap): share(simulate(15, 500, (0, gap, 2 * gap), n), "supported") for n in (3, 5) for gap in (1, 2, 3, 6)}
    for n in (3, 5):
        tell(f"order of three, 1, 2, 3, 6 sd, n = {n}: supported", " ".join(f"{rows[n, g]:.2f}" for g in (1, 2, 3, 6)), "-")
    assert rows[3, 2] < 0.5 < rows[3, 3] < rows[3, 6]
    assert rows[5, 1] < 0.4 < rows[5, 2] < rows[5, 3]


@pytest.mark.parametrize(("blocks", "gap"), [(5, 9.5), (10, 4)])
def test_power_at_the_level_that_the_correction_may_ask_for(blocks, gap):
    """The smallest of 45 doubled p; at 5 seeds 8 sd would do for p that are not doubled (97 %), and have 88 % here."""
    found = simulate(16, 2000, (0, gap, 2 * gap), blocks, alpha=0.05 / 2 / CLAIMS)
    tell(f"order of three, {gap} sd, n = {blocks}, {CLAIMS} claims: supported", f"{share(found, 'supported'):.4f}", ">= 0.95")
    assert share(found, "supported") >= 0.95


def pairs_with_ratio(seed, runs, blocks, ratio):
    """Verdicts of "a is better by more than 5 %", true ratio b / a, sd 2 % of each value."""
    generator = np.random.default_rng(seed)
    logs = 0.02 * generator.standard_normal((runs, 2, blocks))
    return [order_verdict({"a": np.exp(a), "b": np.exp(b) * ratio}, better="lower", margin=0.05) for a, b in logs]


@pytest.mark.parametrize(("blocks", "ratio"), [(10, 1.0), (10, 1.02), (10, 1 / 1.02), (14, 1.0), (14, 1.02)])
def test_a_pair_inside_the_margin_is_equivalent(blocks, ratio):
    found = pairs_with_ratio(17, 2000, blocks, ratio)
    equivalent = np.mean([verdict.tie for verdict in found])
    both = sum(verdict.verdict == "supported" and bool(verdict.equivalent) for verdict in found)
    tell(f"inside 5 %, ratio {ratio:.3f}, n = {blocks}: equivalent", f"{equivalent:.4f}", ">= 0.90")
    tell(f"inside 5 %, ratio {ratio:.3f}, n = {blocks}: supported and equivalent", str(both), "0")
    assert equivalent >= 0.90
    assert both == 0


@pytest.mark.parametrize("ratio", [1.05, 1 / 1.05])
def test_a_pair_on_the_margin_is_rarely_equivalent_and_rarely_beyond_it(ratio):
    found = pairs_with_ratio(18, 2000, 10, ratio)
    equivalent, beyond = np.mean([v.tie for v in found]), 1 - share(found, "undetermined")
    tell(f"on the margin, ratio {ratio:.3f}, n = 10: equivalent", f"{equivalent:.4f}", f"<= {at_most(0.05, 2000):.4f}")
    tell(f"on the margin, ratio {ratio:.3f}, n = 10: beyond it", f"{beyond:.4f}", f"<= {at_most(0.05, 2000):.4f}")
    assert max(equivalent, beyond) <= at_most(0.05, 2000)


# A report: 30 claims, each on a pair of its own with 5 seeds; 0 is a null, 4 a lead of 4 sd.

NULLS, HALF = [0.0] * 30, [4.0] * 15 + [0.0] * 15


def advantages(seed, runs, gaps, blocks=5):
    """Log ratios (runs, claims, blocks) between the sides of every claim."""
    draws = np.random.default_rng(seed).standard_normal((runs, len(gaps), blocks))
    return SD * (np.asarray(gaps)[:, None] + np.sqrt(2) * draws)


def p_values(d):
    """p(supported) and p(contradicted) by the t test, for all claims of all reports at once."""
    blocks = d.shape[-1]
    t = d.mean(axis=-1) / d.std(axis=-1, ddof=1) * np.sqrt(blocks)
    return stdtr(blocks - 1, -t), stdtr(blocks - 1, t)


def corrected(supported, contradicted, doubled=True):
    """True where a claim gets a verdict, (runs, claims)."""
    p = np.minimum(1, (2 if doubled else 1) * np.minimum(supported, contradicted))
    return np.array([benjamini_hochberg(row) for row in p]) <= 0.05


def false_share(decided, right):
    """Mean over reports of the share of false verdicts among all; `right` marks verdicts that are true."""
    return float(((decided & ~right).sum(axis=1) / np.maximum(1, decided.sum(axis=1))).mean())


def test_thirty_true_nulls_rarely_bring_any_verdict():
    p = p_values(advantages(100, RUNS, NULLS))
    rate = corrected(*p).any(axis=1).mean()
    undoubled = corrected(*p, doubled=False).any(axis=1).mean()
    tell("30 nulls: any verdict in a report", f"{rate:.4f}", f"<= {at_most(0.05, RUNS):.4f}")
    tell("30 nulls, p not doubled: any verdict", f"{undoubled:.4f}", "> 0.08, hence the doubling")
    assert rate <= at_most(0.05, RUNS)
    assert undoubled > 0.08, "the factor of two is what holds the level"


def test_false_verdicts_are_few_among_the_true():
    p = p_values(advantages(200, RUNS, HALF))
    decided = corrected(*p)
    right = decided & (p[0] < p[1]) & (np.array(HALF) > 0)
    power = right[:, :15].mean()
    tell("15 true (4 sd, n = 5) and 15 nulls: mean false share", f"{false_share(decided, right):.4f}", "<= 0.05")
    tell("15 true (4 sd, n = 5) and 15 nulls: power", f"{power:.4f}", "> 0.9")
    assert false_share(decided, right) <= 0.05
    assert power > 0.9


@pytest.fixture(scope="module")
def written():
    """What a report says of 30 claims of the run's suite, from records: log ratios (claims, blocks) -> a verdict each."""
    sides = [(f"a{i}", f"b{i}") for i in range(30)]
    plans = {name: planned("dcgan", samplers={"default": Way(5.0, 1.0)}) for pair in sides for name in pair}
    manifest, records = make_run(contenders=plans, seeds=5, failures=[], shares=())
    claims = [Claim(id=f"own{i}", statement="a is ahead of b.", sides=(pair,), metrics=("fid",)) for i, pair in enumerate(sides)]
    manifest = manifest.model_copy(update={"suite": manifest.suite | {"claims": [claim.model_dump() for claim in claims]}})
    bare = [
        record.model_copy(update={"measurements": tuple(m for m in record.measurements if m.metric == "fid")})
        for record in records if record.cell.contender not in REFERENCES
    ]  # fmt: skip

    def judge(d):
        level = {(f"{side}{i}", s): np.exp(d[i, s] * (side == "b")) for side in "ab" for i in range(30) for s in range(5)}
        made = [with_values(r, {("fid", "default"): level[r.cell.contender, r.cell.seed]}) for r in bare]
        return [verdict for verdict in verdicts(made, manifest) if verdict.claim.id.startswith("own")]

    return judge


@pytest.mark.parametrize(("name", "gaps"), [("30 nulls", NULLS), ("15 true and 15 nulls", HALF)])
def test_reports_from_records_correct_as_simulated(written, name, gaps):
    """The simulations above stand for what a report does: on the same numbers, the same verdicts and the same p."""
    runs = 20
    d = advantages(300, runs, gaps)
    p = p_values(d)
    decided = corrected(*p)
    expected = np.where(decided, np.where(p[0] < p[1], "supported", "contradicted"), "undetermined")
    made = [written(one) for one in d]
    found = np.array([[verdict.verdict for verdict in report] for report in made])
    adjusted = np.array([[verdict.p_adjusted for verdict in report] for report in made])
    assert (found == expected).all()
    assert adjusted == pytest.approx(np.array([benjamini_hochberg(2 * np.minimum(*p)[run].clip(max=0.5)) for run in range(runs)]))
    right = (found == "supported") & (np.array(gaps) > 0)
    if not any(gaps):
        rate = (found != "undetermined").any(axis=1).mean()
        tell(f"{name}, reports from records: any verdict", f"{rate:.2f} of {runs}", f"<= {at_most(0.05, runs):.2f}")
        assert rate <= at_most(0.05, runs)
    else:
        false = false_share(found != "undetermined", right)
        tell(f"{name}, reports from records: mean false share", f"{false:.4f}", "<= 0.05")
        assert false <= 0.05


def ruled(a, b):
    """The rule of failures told again: NaN loses to a value and ties with NaN, then the exact sign test over all blocks."""
    wins, losses = (int((np.nan_to_num(x, nan=np.inf) < np.nan_to_num(y, nan=np.inf)).sum()) for x, y in ((a, b), (b, a)))
    supported, contradicted = (binomtest(k, a.size, alternative="greater").pvalue <= 0.05 for k in (wins, losses))
    if supported:
        return "undetermined" if np.isnan(a).any() else "supported"
    return "contradicted" if contradicted else "undetermined"


@pytest.mark.parametrize("blocks", [5, 10])
@pytest.mark.parametrize("lead", [2, -2])
@pytest.mark.parametrize("failing", ["better", "worse", "both"])
def test_failures_on_either_side_follow_the_rule(failing, lead, blocks):
    """The side claimed better truly leads by 2 sd, or is behind; one or two cells fail, on the side(s) named by the claim."""
    generator = np.random.default_rng(19)
    found = []
    for _ in range(500):
        table = {name: np.exp(SD * (gap + generator.standard_normal(blocks))) for name, gap in (("better", 0), ("worse", lead))}
        for name in table if failing == "both" else [failing]:
            table[name][generator.choice(blocks, generator.integers(1, 3), replace=False)] = np.nan
        found.append(order_verdict(table, better="lower"))
        assert found[-1].verdict == ruled(**{"a": table["better"], "b": table["worse"]})
    supported, contradicted = share(found, "supported"), share(found, "contradicted")
    case = f"failures, {failing} side(s), lead {lead:+d} sd, n = {blocks}"
    tell(f"{case}: supported, contradicted", f"{supported:.2f} {contradicted:.2f}", "as the rule says, 500 of 500")
    assert failing == "worse" or supported == 0, "a failure of the side claimed better never supports"
    if lead > 0 and failing == "worse":
        assert supported > 0.5, "a failure of the side claimed worse counts for the claim"
    if lead < 0 and failing == "better":
        assert contradicted > 0.5, "a failure of the side claimed better counts against the claim"


@pytest.mark.parametrize("blocks", [3, 5, 10])
def test_failures_at_random_keep_the_level(blocks):
    """Twins that each fail in one cell of five: the sign test counts a tie against the claim, so it errs on the safe side."""
    generator = np.random.default_rng(20)
    wrong = {"supported": 0, "contradicted": 0, "undetermined": 0}
    for _ in range(2000):
        table = {name: np.where(generator.random(blocks) < 0.2, np.nan, np.exp(generator.standard_normal(blocks))) for name in "ab"}
        wrong[order_verdict(table, better="lower").verdict] += 1
    tell(f"failing twins, n = {blocks}: supported, contradicted", f"{wrong['supported']} {wrong['contradicted']} of 2000",
         f"<= {at_most(0.05, 2000) * 2000:.0f}")  # fmt: skip
    assert max(wrong["supported"], wrong["contradicted"]) <= at_most(0.05, 2000) * 2000


@pytest.mark.parametrize(("blocks", "runs"), [(3, 20_000), (5, 20_000), (20, 1000)])
def test_intervals_of_lognormal_data_cover(blocks, runs):
    """The geometric mean of log-normal values; `centre` gives the same limits one set at a time."""
    x = np.exp(SD * np.random.default_rng(21).standard_normal((runs, blocks)) + 1)
    limits = bca_limits if blocks >= 20 else t_limits
    low, high = (np.concatenate(part) for part in zip(*(limits(np.log(p))[1:] for p in np.array_split(x, 40)), strict=True))
    covered = ((low <= 1) & (high >= 1)).mean()
    tell(f"95 % interval, log-normal, n = {blocks}: coverage", f"{covered:.4f} of {runs}", "0.93 to 0.97")
    assert 0.93 <= covered <= 0.97
    assert centre(x[0], "log")[1:] == pytest.approx((np.exp(low[0]), np.exp(high[0])))


def test_intervals_of_ratios_between_sides_cover():
    """Both sides log-normal, 5 shared blocks, true ratio 1.5; with 20 blocks the limits are those of the row above."""
    generator = np.random.default_rng(22)

    def sides(blocks):
        return np.exp(SD * (generator.standard_normal(blocks) + generator.standard_normal((2, blocks))))

    intervals = [compare("a", "b", a, 1.5 * b, better="lower").interval for a, b in (sides(5) for _ in range(2000))]
    covered = np.mean([low <= 1.5 <= high for low, high in intervals])
    tell("95 % interval of a ratio, n = 5: coverage", f"{covered:.4f} of 2000", "0.93 to 0.97")
    assert 0.93 <= covered <= 0.97
    a, b = sides(20)
    assert np.log(compare("a", "b", a, b, better="lower").interval) == pytest.approx(np.array(bca_limits(np.log(b / a))[1:]))


def test_both_significant_decides_nothing():
    assert decide(0.01, 0.01, 0.05) == "undetermined"


def test_rank_intervals_hold_the_true_rank():
    """Ten entries, five of them equal: the interval of each holds its true rank (1 to 5 for the equal) 95 times of 100."""
    generator = np.random.default_rng(23)
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
    tell("rank intervals, ten entries, n = 5: hold the true rank", f"{np.mean(held):.4f} of {len(held)}", ">= 0.95")
    assert np.mean(held) >= 0.95
