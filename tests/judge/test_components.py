"""Every kind of claim on planted values: factor, trend, parity, property, choices under a limit, stars of orders."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import ttest_1samp, ttest_rel

from paragone.bench.judge.blocks import tracks
from paragone.bench.judge.claims import Claim, add_claim, star, star_last
from paragone.bench.judge.components import components
from paragone.bench.judge.verdicts import verdicts
from tests.builders import Way, make_run, planned, with_values

SEEDS = 6
VAE_NOISE = np.array([0.01, -0.02, 0.015, 0.0, -0.01, 0.005])


def claim(**changes):
    base = {"id": "mine", "statement": "Mine.", "sides": (("GAN", "VAE"),), "metrics": ("fid",)}
    return Claim.model_validate(base | changes)


def run_with(values, *, failures=(), seeds=SEEDS):
    """A run whose measurements (contender, sampler, metric) have the planted values, one a seed."""
    manifest, records = make_run(seeds=seeds, failures=failures)
    changed = []
    for record in records:
        own = {
            (metric, sampler): float(column[record.cell.seed])
            for (name, sampler, metric), column in values.items()
            if name == record.cell.contender
        }
        changed.append(without_reference_noise(with_values(record, own)) if record.status == "ok" else record)
    return manifest, changed


def without_reference_noise(record):
    """The built figures on resampled references belong to another FID than the planted one."""
    kept = tuple(m for m in record.measurements if m.metric not in ("fid_bootstrap", "fid_second_encoder"))
    return record.model_copy(update={"measurements": kept})


def only(made):
    assert isinstance(made, list), made
    assert len(made) == 1
    return made[0]


def verdict_of(asked, values, **options):
    manifest, records = run_with(values, **options)
    return verdicts(records, manifest, [asked])[0]


RATIO = {("vae", "mean", "high_frequency_ratio"): 0.8 + VAE_NOISE, ("vae", "noise", "high_frequency_ratio"): 0.8 + VAE_NOISE}
SHARP = {"sides": (("vae/mean",),), "metrics": ("high_frequency_ratio",), "kind": "factor"}


def test_a_factor_is_supported_where_its_interval_lies_inside():
    made = only(components(claim(**SHARP, within=(None, 0.9)), tracks(run_with(RATIO)[1])[0], ("high_frequency_ratio",)))
    x = RATIO["vae", "mean", "high_frequency_ratio"]
    assert made.outcome == "supported"
    assert made.p_supported == pytest.approx(ttest_1samp(x, 0.9, alternative="less").pvalue)
    assert made.estimates[0].summary.value == pytest.approx(x.mean())
    low, high = ttest_1samp(x, 0.0).confidence_interval(0.95)
    assert made.estimates[0].summary[1:] == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("within", "outcome"),
    [((None, 0.9), "supported"), ((0.7, 0.9), "supported"), ((0.9, 1.1), "contradicted"), ((0.805, None), "undetermined"),
     ((None, 0.7), "contradicted"), ((0.8, None), "undetermined")],
)  # fmt: skip
def test_a_factor_by_its_bounds(within, outcome):
    """The interval of the mean is about .80 +- .013."""
    verdict = verdict_of(claim(**SHARP, within=within), RATIO)
    assert verdict.verdict == outcome
    assert verdict.effect == pytest.approx(0.8, abs=0.01)
    assert (verdict.remedy == "") == (outcome != "undetermined")


def test_a_ratio_of_two_sides_is_averaged_on_logarithms():
    rates = {("ddpm", "ddim-50", "sample_throughput_per_s"): 100 * np.exp(VAE_NOISE),
             ("dcgan", "default", "sample_throughput_per_s"): np.full(SEEDS, 3000.0)}  # fmt: skip
    asked = claim(kind="factor", sides=(("GAN", "diffusion"),), metrics=("sample_throughput_per_s",), within=(10, 100))
    verdict = verdict_of(asked, rates)
    assert verdict.verdict == "supported"
    assert verdict.effect == pytest.approx(30 / np.exp(VAE_NOISE.mean()))
    assert (
        verdict_of(claim(**asked.model_dump(exclude={"within", "id", "statement"}), within=(40, 100)), rates).verdict
        == "contradicted"
    )


def test_a_failed_cell_never_supports_a_factor():
    verdict = verdict_of(claim(**SHARP, within=(None, 0.9)), RATIO, failures=[("vae", 2)])
    assert verdict.verdict == "undetermined"
    assert "failed in 1 of 6" in verdict.reason
    outside = verdict_of(claim(**SHARP, within=(0.9, None)), RATIO, failures=[("vae", 2)])
    assert outside.verdict == "undetermined"  # 5 of 6 outside and one failed: the exact sign test gives 7 / 64
    assert outside.components[0].p_contradicted == pytest.approx(7 / 64)


def test_parity_is_non_inferiority_by_the_margin():
    fid = {("ddpm", "ddim-50", "fid"): 5.0 * np.exp(VAE_NOISE), ("dcgan", "default", "fid"): np.full(SEEDS, 4.8)}
    asked = {"kind": "parity", "sides": (("ddpm/ddim-50", "dcgan"),), "metrics": ("fid",)}
    made = only(components(claim(**asked, margin=0.1), tracks(run_with(fid)[1])[0], ("fid",)))
    a, b = np.log(fid["ddpm", "ddim-50", "fid"]), np.log(fid["dcgan", "default", "fid"])
    assert made.p_supported == pytest.approx(ttest_rel(b + np.log(1.1), a, alternative="greater").pvalue)
    assert verdict_of(claim(**asked, margin=0.1), fid).verdict == "supported"
    assert verdict_of(claim(**asked, margin=0.01), fid).verdict == "contradicted"
    assert verdict_of(claim(**asked, margin=0.04), fid).verdict == "undetermined"


def test_a_property_holds_in_every_seed_or_not_at_all_and_has_no_p():
    passes = {("dcgan", "default", "network_evaluations"): np.ones(SEEDS)}
    asked = claim(kind="property", sides=(("GAN",),), metrics=("network_evaluations",), within=(None, 1))
    held = verdict_of(asked, passes)
    assert held.verdict == "supported"
    assert np.isnan(held.p)
    assert np.isnan(held.p_adjusted)
    one_bad = {("dcgan", "default", "network_evaluations"): np.array([1, 1, 1, 2, 1, 1])}
    assert verdict_of(asked, one_bad).verdict == "contradicted"
    assert verdict_of(asked, passes, failures=[("dcgan", 0)]).verdict == "undetermined"
    assert verdict_of(asked, passes, seeds=1).verdict == "supported"  # needs no spread


def test_a_property_is_outside_the_correction():
    manifest, records = make_run(seeds=5, failures=[])
    tested = claim(id="tested")
    asked = claim(id="certain", kind="property", sides=(("GAN",),), metrics=("network_evaluations",), within=(None, 1))
    alone, both = verdicts(records, manifest, [tested]), verdicts(records, manifest, [tested, asked])
    assert (both[0].verdict, both[0].p, both[0].p_adjusted) == (alone[0].verdict, alone[0].p, alone[0].p_adjusted)
    assert "over 1 claim" in both[0].reason


def test_a_trend_needs_its_ends_in_the_same_direction():
    """Slopes that rise on average while every last point lies below the first are no rising trend."""
    asked = claim(kind="trend", sides=(("autoregressive",),), metrics=("latency_pixels_exponent",), within=(0, None))

    def with_slopes(ends):
        manifest, records = make_run(seeds=SEEDS, failures=[])
        changed = []
        for record in records:
            if record.cell.contender == "pixelcnn":
                extra = record.measurements[0].model_copy(
                    update={"metric": "latency_pixels_exponent", "value": 1.0 + 0.01 * record.cell.seed, "unit": "exponent",
                            "sampler": "", "repeats": (0.0, 3.0, ends + 0.01 * record.cell.seed)}
                )  # fmt: skip
                record = record.model_copy(update={"measurements": (*record.measurements, extra)})
            changed.append(record)
        return verdicts(changed, manifest, [asked])[0]

    assert with_slopes(4.0).verdict == "supported"
    assert with_slopes(-4.0).verdict == "undetermined"


def test_a_star_is_as_strong_as_its_weakest_pair():
    fid = {("ddpm", "ddim-50", "fid"): 2 * np.exp(VAE_NOISE), ("dcgan", "default", "fid"): np.full(SEEDS, 4.0),
           ("vqvae", "default", "fid"): np.full(SEEDS, 8.0), ("pixelcnn", "default", "fid"): np.full(SEEDS, 8.0)}  # fmt: skip
    first = claim(sides=star("diffusion", "GAN", "hybrid"), margin=0.05)
    assert verdict_of(first, fid).verdict == "supported"
    last = claim(sides=star_last("GAN", "hybrid", "autoregressive"), margin=0.05)
    against = verdict_of(last, fid)
    assert against.verdict == "contradicted"
    assert against.effect < 1
    mixed = verdict_of(claim(sides=star("GAN", "hybrid", "diffusion"), margin=0.05), fid)
    assert mixed.verdict == "contradicted"
    assert "diffusion ahead of GAN" in mixed.reason
    tied = verdict_of(
        claim(sides=star("diffusion", "GAN", "hybrid"), margin=0.05),
        {**fid, ("dcgan", "default", "fid"): fid["ddpm", "ddim-50", "fid"]},
    )
    assert tied.verdict == "undetermined"


def test_others_that_break_the_limit_of_a_choice_are_out_of_it():
    plans = {
        "dcgan": planned("dcgan", samplers={"default": Way(6.0, 9000.0)}),
        "vae": planned("vae", samplers={"mean": Way(2.0, 10.0)}),
        "realnvp": planned("realnvp", samplers={"default": Way(20.0, 5000.0)}),
    }
    manifest, records = make_run(seeds=5, contenders=plans, failures=[])
    free = claim(sides=star("GAN", "VAE", "flow"), margin=0.05)
    limited = claim(sides=star("GAN", "VAE", "flow"), margin=0.05, under=("sample_latency_s", 0.01))
    assert verdicts(records, manifest, [free])[0].verdict == "contradicted"
    assert verdicts(records, manifest, [limited])[0].verdict == "supported"
    strict = claim(sides=star("GAN", "VAE", "flow"), margin=0.05, under=("sample_latency_s", 1e-6))
    assert "beyond the limit" in verdicts(records, manifest, [strict])[0].reason
    alone = claim(sides=star("GAN", "VAE"), margin=0.05, under=("sample_latency_s", 0.01))
    assert verdicts(records, manifest, [alone])[0].reason == "nobody else keeps the limit"


def test_claims_about_a_users_contender_are_decided():
    plans = {"my-model": planned("dcgan", samplers={"default": Way(2.0, 1e4)}), "vae": planned("vae")}
    manifest, records = make_run(seeds=5, contenders=plans, failures=[])
    asked = claim(sides=(("my-model", "VAE"),), margin=0.05)
    assert verdicts(records, manifest, [asked])[0].verdict == "supported"
    kept = manifest.model_copy(update={"suite": manifest.suite | {"claims": [asked.model_dump(mode="json")]}})
    assert next(v for v in verdicts(records, kept) if v.claim.id == "mine").claim == asked


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"sides": (("GAN",),)}, "2 to 12 different sides"),
        ({"sides": (("GAN", "GAN"),)}, "different sides"),
        ({"metrics": ("fidd",)}, "unknown metric 'fidd'"),
        ({"metrics": ("high_frequency_ratio",)}, "no better direction"),
        ({"kind": "factor", "sides": (("GAN",),)}, "needs bounds"),
        ({"within": (0, 1)}, "takes no bounds"),
        ({"kind": "factor", "sides": (("GAN",),), "within": (2, 1)}, "lower and an upper bound"),
        ({"kind": "trend", "sides": (("GAN",),), "within": (0, 1)}, "one bound"),
        ({"id": "No Good"}, "String should match pattern"),
    ],
)
def test_a_claim_that_says_too_little_is_refused(changes, word):
    with pytest.raises(ValidationError, match=word):
        claim(**changes)


def test_open_ends_are_written_as_infinities_in_a_suite():
    assert claim(kind="factor", sides=(("GAN",),), within=[0.0, float("inf")]).within == (0.0, None)


def test_a_taken_id_is_refused():
    with pytest.raises(ValueError, match="taken"):
        add_claim(claim(id="g1"))
