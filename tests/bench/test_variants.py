"""Variants of a cell: their names, what a suite lays out, and what the cell of each is told to do."""

import pytest

from paragone.bench.errors import UsageError
from paragone.bench.metrics.modalities import MODALITIES
from paragone.bench.owed import owed
from paragone.bench.plan import Options, make_plan
from paragone.bench.suite import check_suite, load_suite
from paragone.bench.variants import learning_rate_factor, learning_rate_variant

SWEEP = {
    "name": "sweep",
    "seeds": 2,
    "budget": {"train": "5 steps", "parameters": 1000},
    "evaluation": {"samples": 60, "curve_samples": 60, "shares": [k / 16 for k in range(1, 16)]},
    "stability": {"factors": [0.5, 1, 2]},
    "tracks": [{"name": "digits", "data": "digits", "contenders": ["vae", "dcgan"]}],
}


def changed(**stability):
    return {**SWEEP, "stability": {"factors": [0.5, 1, 2], **stability}}


def jobs(name, seed=0, **options):
    plan = make_plan(load_suite("stability"), Options(**options), threads=1, device="cpu")
    return {job.cell.variant: job for job in plan.jobs if job.cell.contender == name and job.cell.seed == seed}


@pytest.mark.parametrize("factor", [0.25, 0.5, 1.0, 2.0, 4.0, 0.03125, 1e-5, 30.0])
def test_a_factor_and_its_name_are_each_other_s_inverse(factor):
    assert learning_rate_factor(learning_rate_variant(factor)) == factor


def test_the_empty_variant_has_the_contender_s_own_rates():
    assert learning_rate_factor("") == 1.0
    assert learning_rate_variant(1) == "lr1"


@pytest.mark.parametrize("name", ["lr", "lr0", "lr-1", "lrinf", "lrnan", "0.5", "x2"])
def test_other_names_are_refused(name):
    with pytest.raises(UsageError, match=name):
        learning_rate_factor(name)


def test_every_contender_once_a_factor_and_references_once_a_seed():
    cells = check_suite(SWEEP, "x").cells()
    assert len({cell.id for cell in cells}) == len(cells) == 2 * (2 * 3 + len(MODALITIES["image"].references))
    for name in ("vae", "dcgan"):
        for seed in range(2):
            found = {c.variant for c in cells if (c.contender, c.seed) == (name, seed)}
            assert found == {"lr0.5", "lr1", "lr2"}
    assert {c.variant for c in cells if c.contender in MODALITIES["image"].references} == {""}


def test_factors_are_shuffled_with_the_contenders_seeds_outermost():
    suite = check_suite({**SWEEP, "seeds": 8}, "x")
    cells = suite.cells()
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    orders = {tuple(c.variant for c in cells if (c.contender, c.seed) == ("vae", seed)) for seed in range(8)}
    assert len(orders) > 1
    assert cells == suite.cells()


def test_a_contender_may_have_a_shifted_grid():
    cells = check_suite(changed(shifted={"dcgan": [1, 2, 4]}), "x").cells()
    assert {c.variant for c in cells if c.contender == "dcgan"} == {"lr1", "lr2", "lr4"}
    assert {c.variant for c in cells if c.contender == "vae"} == {"lr0.5", "lr1", "lr2"}


@pytest.mark.parametrize(
    ("stability", "words"),
    [
        ({"factors": [0.5, 2, 4]}, "1 must be among"),
        ({"factors": [1, 2]}, "at least 3"),
        ({"factors": [2, 1, 0.5]}, "ascending"),
        ({"factors": [-1, 1, 2]}, "positive"),
        ({"common": 1.5}, "common"),
        ({"own": 1.0}, "own"),
        ({"shifted": {"vae": [1, 2, 4, 8]}}, "vae has 4"),
        ({"shifted": {"vae": [2, 4, 8]}}, "1 must be among"),
        ({"factor": 3}, "no such key"),
    ],
)
def test_what_cannot_be_compared_is_refused(stability, words):
    with pytest.raises(UsageError, match=words):
        check_suite(changed(**stability), "x")


@pytest.mark.parametrize(
    ("evaluation", "words"), [({"curve_samples": 50}, "curve_samples = 60"), ({"shares": [0.25, 0.5]}, "15 or more")]
)
def test_a_curve_must_be_long_and_measured_alike(evaluation, words):
    with pytest.raises(UsageError, match=words):
        check_suite({**SWEEP, "evaluation": {**SWEEP["evaluation"], **evaluation}}, "x")


def test_the_curve_s_sampler_must_be_the_judged_one():
    samplers = {"ddpm": {"judged": ["ddim-50"], "curve": "ddim-10"}}
    with pytest.raises(UsageError, match=r"samplers\.ddpm\.curve"):
        check_suite({**SWEEP, "samplers": samplers}, "x")


def test_without_the_table_there_are_no_variants():
    plain = {key: value for key, value in SWEEP.items() if key != "stability"}
    assert {cell.variant for cell in check_suite(plain, "x").cells()} == {""}


def test_jobs_carry_the_factor_and_a_variant_measures_its_curve_alone():
    found = jobs("vae")
    assert {variant: job.learning_rate_factor for variant, job in found.items()} == {
        "lr0.25": 0.25, "lr0.5": 0.5, "lr1": 1.0, "lr2": 2.0, "lr4": 4.0,
    }  # fmt: skip
    base, varied = found["lr1"], found["lr2"]
    assert base.is_base
    assert not varied.is_base
    assert len(base.judged) > 1
    assert varied.judged == base.judged[:1] == (base.curve,)
    owes, less = ({metric for _, metric in owed(job)} for job in (base, varied))
    assert {"fid_noise", "coverage", "sample_latency_s", "bits_per_dim"} <= owes
    assert {"fid", "fid@0.0625", "fid@0.9375", "train_s"} <= less < owes
    assert not less & {"fid_noise", "coverage", "sample_latency_s", "bits_per_dim"}


def test_references_of_a_sweep_are_judged_as_ever():
    found = jobs("held-out real")
    assert list(found) == [""]
    assert found[""].is_reference


def test_an_unknown_shifted_contender_gets_a_guess():
    suite = check_suite(changed(shifted={"vea": [1, 2, 4]}), "x")
    with pytest.raises(UsageError, match="Did you mean 'vae'"):
        make_plan(suite, Options(), threads=1, device="cpu")


def test_the_targets_of_the_shipped_suite():
    keys = load_suite("stability").stability
    assert (keys.factors, keys.common, keys.own) == ((0.25, 0.5, 1.0, 2.0, 4.0), 0.1, 2.0)
