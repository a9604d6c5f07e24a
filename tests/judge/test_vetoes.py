"""Doubts that keep a significant result from being a verdict: the reference's own noise, a second encoder, bounds, guards."""

import numpy as np
import pytest

from paragone.bench.judge.claims import CLAIMS, HEADLINES, Claim
from paragone.bench.judge.verdicts import verdicts
from tests.builders import Way, make_run, planned, with_values

WORLD = {
    "dcgan": planned("dcgan", samplers={"default": Way(6.0, 90_000.0)}),
    "vae": planned("vae", samplers={"mean": Way(14.0, 30_000.0)}),
    "ddpm": planned("ddpm", samplers={"ddim-50": Way(2.5, 3000.0, 50)}),
}
QUALITY = next(claim for claim in HEADLINES if claim.id == "g3")
SAMPLER = {"dcgan": "default", "vae": "mean", "ddpm": "ddim-50"}


def with_reference(flipped_share=0.0, second=None):
    """The world of the document, with FID on 200 resampled references: in a share of them GAN is ahead of diffusion."""
    manifest, records = make_run(contenders=WORLD, seeds=5, failures=[], noise=0.02)
    flipped = np.arange(200) < round(200 * flipped_share)
    changed = []
    for record in records:
        sampler = SAMPLER.get(record.cell.contender)
        if sampler is not None:
            fid = next(m for m in record.measurements if m.metric == "fid" and m.sampler == sampler)
            level = np.full(200, fid.value)
            if record.cell.contender == "ddpm":
                level[flipped] = 12.0
            extra = [
                fid.model_copy(update={"metric": "fid_bootstrap", "value": float(level.mean()), "repeats": tuple(level.tolist())}),
                fid.model_copy(
                    update={"metric": "fid_second_encoder", "value": (second or {}).get(record.cell.contender, fid.value)}
                ),
            ]
            kept = [m for m in record.measurements if m.metric not in ("fid_bootstrap", "fid_second_encoder")]
            record = record.model_copy(update={"measurements": (*kept, *extra)})
        changed.append(record)
    return verdicts(changed, manifest, [QUALITY])[0]


def test_a_verdict_that_every_reference_gives_stands():
    verdict = with_reference()
    assert verdict.verdict == "supported"
    assert "reference noise: 200 bootstraps and a second encoder" in verdict.conditions


@pytest.mark.parametrize(("share", "verdict"), [(0.04, "supported"), (0.06, "undetermined")])
def test_the_sign_must_hold_in_95_percent_of_the_references(share, verdict):
    found = with_reference(share)
    assert found.verdict == verdict
    if verdict == "undetermined":
        assert "94% of 200 resampled references" in found.reason
        assert "without this doubt supported" in found.reason
        assert "larger reference set" in found.remedy


def test_a_second_encoder_that_disagrees_stops_the_verdict():
    found = with_reference(second={"ddpm": 9.0, "dcgan": 6.0})
    assert found.verdict == "undetermined"
    assert "under the second encoder diffusion and GAN change places" in found.reason


def test_without_these_measurements_the_condition_says_so():
    manifest, records = make_run(contenders=WORLD, seeds=5, failures=[])
    kept = [
        r.model_copy(
            update={"measurements": tuple(m for m in r.measurements if m.metric not in ("fid_bootstrap", "fid_second_encoder"))}
        )
        for r in records
    ]
    verdict = verdicts(kept, manifest, [QUALITY])[0]
    assert verdict.verdict == "supported"
    assert "reference noise not tested" in verdict.conditions


def likelihoods(flow, autoregressive):
    """Bits a dimension of realnvp (a bound) and pixelcnn (exact)."""
    claim = Claim(id="bits", statement="Bits.", sides=(("flow", "autoregressive"),), metrics=("bits_per_dim_best",), margin=0.01)
    manifest, records = make_run(seeds=5, failures=[], noise=0.01)
    levels = {"realnvp": flow, "pixelcnn": autoregressive}
    changed = []
    for r in records:
        if r.cell.contender in levels:
            value = levels[r.cell.contender] + 0.01 * r.cell.seed
            r = with_values(r, {("bits_per_dim_best", ""): value}, source="exact" if r.cell.contender == "pixelcnn" else "bound")
        changed.append(r)
    return verdicts(changed, manifest, [claim])[0]


def test_a_bound_below_an_exact_figure_decides_and_an_exact_figure_below_a_bound_does_not():
    assert likelihoods(flow=1.5, autoregressive=2.0).verdict == "supported"
    inconclusive = likelihoods(flow=2.5, autoregressive=2.0)
    assert inconclusive.verdict == "undetermined"
    assert "the likelihood of flow is a bound" in inconclusive.reason
    assert "more seeds do not help" in inconclusive.remedy


def test_every_reason_and_remedy_of_a_run_without_these_is_a_sentence():
    manifest, records = make_run(seeds=2)
    for verdict in verdicts(records, manifest, CLAIMS):
        assert verdict.reason
        assert "nan" not in verdict.reason.replace("[nan, nan]", ""), verdict.reason
        assert verdict.decided or verdict.remedy
