"""Where an order flips: planted crossings on every axis, their confidence sets, verdicts along the budget."""

import numpy as np
import pytest

from paragone.bench.judge.blocks import tracks
from paragone.bench.judge.claims import Claim
from paragone.bench.judge.crossovers import at_shares, by_axis, flips
from paragone.bench.metrics.table import at_share
from tests.builders import BELOW_ONE, make_run, with_values

CLAIM = Claim(id="mine", statement="Mine.", sides=(("diffusion", "GAN"),), metrics=("fid",))
SHARES = (*BELOW_ONE, 1.0)


def crossing(at_share_of_budget=0.25, noise=0.0, seeds=6, seed=1):
    """log FID of diffusion falls by 1 a log share, GAN's by .2; they meet at a share. ddpm takes 400 steps, dcgan 1600."""
    generator = np.random.default_rng(seed)
    _, records = make_run(seeds=seeds, failures=[])
    slopes = {"ddpm": ("ddim-50", 1.0, 400), "dcgan": ("default", 0.2, 1600)}
    changed = []
    for r in records:
        if r.cell.contender in slopes:
            sampler, slope, steps = slopes[r.cell.contender]
            wobble = np.exp(noise * generator.standard_normal(len(SHARES)))
            fid = {s: 5.0 * (s / at_share_of_budget) ** -slope * w for s, w in zip(SHARES, wobble, strict=True)}
            values = {(at_share("fid", s), sampler): v for s, v in fid.items()}
            values |= {(at_share("train_steps", s), ""): steps * s for s in SHARES}
            values |= {(at_share("train_flops", s), ""): 2 * steps * s for s in SHARES}
            values |= {(at_share("train_s", s), ""): 6.0 * s for s in SHARES}
            r = with_values(r, values)
        changed.append(r)
    return tracks(changed)[0]


def rows(track):
    return {row.axis: row for row in by_axis(CLAIM, track)}


@pytest.mark.parametrize("share", [0.1, 0.25, 0.7])
def test_a_planted_crossing_is_found_where_it_is(share):
    row = rows(crossing(share))["train_s"]
    assert (row.flips.before, row.flips.after) == ("GAN", "diffusion")
    assert row.flips.at == pytest.approx(6.0 * share, rel=0.01)
    assert row.flips.sure
    assert row.ratio == pytest.approx((1 / share) ** 0.8, rel=1e-6)
    assert row.amount == pytest.approx(6.0)


def test_the_axis_decides_who_leads():
    """At equal steps diffusion, which makes a quarter as many of them, is compared with an earlier GAN."""
    row = rows(crossing(0.5))["train_steps"]
    assert row.amount == pytest.approx(400)
    # log FID: diffusion -log(n / 400 / .5), GAN -.2 log(n / 1600 / .5): equal where .8 log n = log 200 - .2 log 800
    assert row.flips.at == pytest.approx(np.exp((np.log(200) - 0.2 * np.log(800)) / 0.8), rel=0.01)
    assert row.flips.at < 400 * 0.5  # earlier than at equal seconds, where half of the budget is 200 steps


def test_flops_are_an_axis_as_steps_are():
    """At twice as many flops a step for all, the places change at twice the amount of steps, by the same factor on either side."""
    steps, flops = (rows(crossing(0.5))[axis] for axis in ("train_steps", "train_flops"))
    assert "train_joules" not in rows(crossing(0.5)), "without energy there is no such axis"
    assert flops.flips.at / flops.amount == pytest.approx(steps.flips.at / steps.amount, rel=1e-6)
    assert flops.amount == pytest.approx(2 * steps.amount)
    found = {(row.better, row.worse): row for row in flips(crossing(0.5), "train_flops")}
    assert found["GAN", "diffusion"].flips.at == pytest.approx(flops.flips.at)


def test_the_confidence_set_holds_the_crossing_in_95_percent_of_runs():
    found = [rows(crossing(0.25, noise=0.1, seed=k))["train_s"].flips for k in range(60)]
    known = [flip for flip in found if flip is not None]
    assert len(known) >= 58
    held = [(f.low is None or f.low <= 1.5) and (f.high is None or f.high >= 1.5) for f in known]
    print(f"\ncrossing inside its confidence set in {np.mean(held):.2f} of 60 runs, sure in {np.mean([f.sure for f in known]):.2f}")
    assert np.mean(held) >= 0.88  # 95 % less 2.5 standard errors of 60 runs


def test_without_a_crossing_there_is_no_flip():
    assert rows(crossing(0.01))["train_s"].flips is None


def test_verdicts_along_the_budget_follow_the_curve():
    told = {row.share: row.verdict for row in at_shares(CLAIM, crossing(0.2, noise=0.02))}
    assert told[0.0625] == told[0.125] == "contradicted"
    assert told[0.5] == told[1.0] == "supported"


def test_one_point_is_no_curve():
    _, records = make_run(seeds=3, shares=())
    assert at_shares(CLAIM, tracks(records)[0]) == []
    assert by_axis(CLAIM, tracks(records)[0]) == []
