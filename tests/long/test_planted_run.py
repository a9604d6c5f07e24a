"""A planted run from end to end: contenders of known order, copiers, a dropper, a slow one and a coin, through the command line.

Suite `smoke` with 10 seeds and nothing else raised; what was planted is read back from the run folder with the judge's own
functions. Quality depends on seeds alone, so that the same machine finds the same figures again (printed, `-s`); only the speed
factor is measured by the clock.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from paragone.bench.judge.blocks import tracks
from paragone.bench.judge.gate import gate
from paragone.bench.judge.intervals import clopper_pearson
from paragone.bench.judge.orderings import compare, order_verdict
from paragone.bench.records import read_records
from tests.cli.conftest import bench

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

PLANTED = Path(__file__).parent / "planted.py"
NAMES = re.findall(r'^@register\("([a-z0-9-]+)"', PLANTED.read_text(), re.MULTILINE)
ORDER = ("planted-real", "planted-noise-25", "planted-noise-50", "planted-noise-75")
MEMORISED = {"train copies", "planted-copies", "planted-noisy-copies", "planted-shifted-copies"}
SEEDS = 10
CLOCK = 0.01
"""What sleeping and the clock may add to a time, beside its noise from seed to seed."""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    only = [word for name in NAMES for word in ("--only", name)]
    bench("run", "smoke", "--add", PLANTED, *only, "--seeds", SEEDS, "--out", folder / "out",
          cwd=folder, check=0, timeout=3400)  # fmt: skip
    return folder / "out"


@pytest.fixture(scope="module")
def track(out):
    return tracks(read_records(out))[0]


@pytest.fixture(scope="module")
def fid_ranking(out):
    ranking = pd.read_csv(out / "tables" / "ranking.csv")
    return ranking[ranking.metric == "fid"].set_index("entry")


def values(track, name, metric):
    """The metric of an entry in every seed, in the order of seeds."""
    found = track.outcomes(track.entry(name), metric)
    return np.array([found[seed] for seed in range(SEEDS)])


def test_every_cell_ran_and_only_the_coin_failed(track):
    status = {name: {track.records[name, seed].status for seed in range(SEEDS)} for name in NAMES}
    assert status.pop("planted-coin") == {"ok", "diverged"}
    assert set(map(frozenset, status.values())) == {frozenset({"ok"})}
    assert not any(record.flags for record in track.records.values())


def test_the_planted_order_of_quality_is_recovered(track, fid_ranking):
    table = {name: values(track, name, "fid") for name in ORDER}
    whole = order_verdict(table, better="lower")
    print("\nFID: " + ", ".join(f"{name} {np.exp(np.log(column).mean()):.3g}" for name, column in table.items()))
    print(f"whole order: {whole.verdict}, p = {whole.p_supported:.2g}; neighbours "
          + ", ".join(f"{pair.effect:.3g} [{pair.interval[0]:.3g}, {pair.interval[1]:.3g}]" for pair in whole.pairs))  # fmt: skip
    assert whole.verdict == "supported"
    for pair in whole.every_pair:
        assert order_verdict({name: table[name] for name in (pair.better, pair.worse)}, better="lower").verdict == "supported"
    assert spearmanr(fid_ranking["rank"][list(ORDER)], range(len(ORDER))).statistic == 1


def test_copiers_are_flagged_and_lose_their_rank_and_nobody_else_is(track, fid_ranking):
    answers = gate(track)
    for name in sorted(MEMORISED):
        print(f"\n{name}: {answers[name].reason}", end="")
    assert {name for name, answer in answers.items() if answer.memorised} == MEMORISED
    assert all(answer.judged for answer in answers.values())
    shown = MEMORISED - {"train copies"}
    assert set(fid_ranking.status[list(shown)]) == {"memorised"}
    assert fid_ranking["rank"][list(shown)].isna().all()


@pytest.mark.parametrize("metric", ["coverage", "class_balance"])
def test_dropped_classes_are_seen_in_coverage_and_class_balance(track, metric):
    table = {name: values(track, name, metric) for name in ("planted-real", "planted-seven-classes")}
    pair = order_verdict(table, better="higher", scale="identity").pairs[0]
    print(f"\n{metric}: " + ", ".join(f"{name} {column.mean():.3f}" for name, column in table.items())
          + f"; lower by {pair.effect:.3f} [{pair.interval[0]:.3f}, {pair.interval[1]:.3f}], p = {pair.p:.2g}")  # fmt: skip
    assert pair.p < 0.001


@pytest.mark.parametrize(("metric", "better"), [("sample_throughput_per_s", "higher"), ("sample_latency_s", "lower")])
def test_twice_as_slow_is_a_factor_of_two(track, metric, better):
    """The bare 95 % interval misses 2 in one run of twenty by its definition, hence the tolerance for the clock."""
    fast, slow = (values(track, name, metric) for name in ("planted-real", "planted-slow"))
    pair = compare("planted-real", "planted-slow", fast, slow, better=better)
    low, high = pair.interval
    print(f"\n{metric}: factor {pair.effect:.4f} [{low:.4f}, {high:.4f}]")
    assert low <= 2 * (1 + CLOCK)
    assert high >= 2 / (1 + CLOCK)
    assert pair.effect == pytest.approx(2, rel=0.05)


def test_the_rate_of_divergence_is_a_half(track, fid_ranking):
    failures = track.failures(track.entry("planted-coin"))
    low, high = clopper_pearson(len(failures), SEEDS)
    print(f"\ndiverged {len(failures)} of {SEEDS} [{low:.2f}, {high:.2f}]")
    assert set(failures) == {"diverged"}
    assert low <= 0.5 <= high
    row = fid_ranking.loc["planted-coin"]
    assert row.status == f"diverged ({SEEDS - len(failures)} of {SEEDS} seeds ok)"
    assert row["rank"] == fid_ranking["rank"].max()


def test_twins_are_rarely_told_apart(track):
    """20 tables in which each seed hands its two values to the two names at random.

    That is the null itself: the names share a law, so in each seed either value could have stood under either name. Seeds
    resampled with replacement would keep the difference that this one run happens to show, and ask whether it is significant 20
    times over instead of whether twins are told apart. More than 4 of 20 would come in 3 of 1,000 such trials at 5 %.
    """
    names = ("planted-real", "planted-twin")
    table = np.stack([values(track, name, "fid") for name in names])
    generator = np.random.default_rng(1)
    swapped = [dict(zip(names, generator.permuted(table, axis=0), strict=True)) for _ in range(20)]
    supported = sum(order_verdict(one, better="lower").verdict == "supported" for one in swapped)
    as_run = order_verdict(dict(zip(names, table, strict=True)), better="lower")
    print(f"\ntwins: {supported} of 20 supported; as run p = {as_run.p:.2g}")
    assert (table[0] != table[1]).all(), "twins that draw the same digits show nothing"
    assert supported <= 4
