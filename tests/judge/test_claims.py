"""Verdicts on the document's claims, families, curves, on built records."""

import time
from pathlib import Path

import pytest

from paragone.bench.judge import claims as claims_package
from paragone.bench.judge.blocks import tracks
from paragone.bench.judge.claims import CLAIMS, HEADLINES
from paragone.bench.judge.curves import crossovers, finding, leaders, quality_curve, still_improving
from paragone.bench.judge.evidence import measured_order
from paragone.bench.judge.families import group_blocks
from paragone.bench.judge.verdicts import COLUMNS, verdict_table, verdicts
from paragone.bench.metrics.table import METRICS
from tests.builders import Way, make_run, planned, with_values

CLAIMED = {  # a world in which the document is right
    "dcgan": planned("dcgan", samplers={"default": Way(6.0, 90_000.0)}),
    "vae": planned("vae", samplers={"mean": Way(14.0, 30_000.0)}),
    "ddpm": planned("ddpm", samplers={"ddim-50": Way(2.5, 3000.0, 50)}),
    "pixelcnn": planned("pixelcnn", samplers={"default": Way(5.0, 100.0, 64)}),
}


DOCUMENT = {
    "1. Autoregressive Models", "2. Autoencoders", "3. GANs (Generative Adversarial Networks)", "4. Diffusion Models",
    "5. Flow-Based Models", "6. Hybrid Approaches", "When to Use Each Model Type", "Industry Reality (2025)", "Key Takeaways",
    "Why Generative Models Are Harder",
}  # fmt: skip
"""The document's headings under which statements stand."""


def judged(claims=HEADLINES, **options):
    manifest, records = make_run(**options)
    return {verdict.claim.id: verdict for verdict in verdicts(records, manifest, claims)}


def track_of(**options):
    return tracks(make_run(**options)[1])[0]


def without(records, name, seed=None):
    return [r for r in records if not (r.cell.contender == name and seed in (None, r.cell.seed))]


def test_every_claim_says_what_it_is_about():
    assert [claim.id for claim in CLAIMS][:3] == ["g1", "g3", "g2"]
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)
    stated = {name.partition("-")[0] for name in ids}
    counts = {"a": 6, "b": 10, "c": 9, "d": 14, "e": 6, "f": 3, "g": 7, "h": 1}
    assert stated == {f"{part}{k}" for part, many in counts.items() for k in range(1, many + 1)}
    for claim in CLAIMS:
        assert claim.section in DOCUMENT
        assert claim.statement.endswith("."), claim.id
        assert claim.topic, claim.id
        if claim.kind == "order":
            assert claim.margin > 0 or METRICS[claim.metrics[0]].scale == "identity", claim.id


def test_one_file_a_section():
    folder = Path(claims_package.__file__).parent
    for path in folder.glob("[!_]*.py"):
        if path.stem != "claim":
            assert path.read_text().startswith('"""Section'), path


def test_a_world_as_claimed_supports_speed_and_quality():
    found = judged(contenders=CLAIMED, seeds=5, failures=[])
    assert found["g1"].verdict == found["g3"].verdict == "supported"
    assert found["g3"].effect > 1
    assert found["g3"].measured == "diffusion > autoregressive > GAN > VAE"
    assert found["g1"].measured == "GAN > VAE > diffusion > autoregressive"
    assert found["g2"].verdict == "undetermined"


def test_the_world_turned_around_contradicts():
    plans = {
        **CLAIMED,
        "ddpm": planned("ddpm", samplers={"ddim-50": Way(30.0, 10.0)}),
        "vae": planned("vae", samplers={"mean": Way(3, 9e5)}),
    }
    found = judged(contenders=plans, seeds=5, failures=[])
    assert found["g1"].verdict == found["g3"].verdict == "contradicted"
    assert found["g3"].effect < 1
    assert found["g3"].interval[1] < 1
    assert "ahead of diffusion" in found["g3"].reason


def test_a_tie_is_a_tie():
    plans = {**CLAIMED, "vae": planned("vae", samplers={"mean": Way(14.0, 90_000.0)})}
    verdict = judged(contenders=plans, seeds=8, failures=[])["g1"]
    assert (verdict.verdict, verdict.badge) == ("undetermined", "tie")
    assert verdict.reason.startswith("equivalent: GAN and VAE")


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_few_seeds_make_no_error(seeds):
    for verdict in judged(CLAIMS, seeds=seeds).values():
        assert verdict.reason, verdict.claim.id
        assert verdict.conditions or not verdict.track
        assert verdict.decided or verdict.remedy, verdict.claim.id
        assert verdict.verdict in ("supported", "contradicted", "undetermined")


def test_stability_without_variants_says_what_it_has_and_needs():
    verdict = judged()["g2"]
    assert verdict.verdict == "undetermined"
    assert "3 seeds x 1 learning-rate factor" in verdict.reason
    assert "varies no learning rates" in verdict.reason
    assert "3 seeds x 3 factors" in verdict.reason


def test_missing_rows_are_named():
    manifest, records = make_run(contenders=CLAIMED, seeds=5, failures=[])
    gone = {v.claim.id: v for v in verdicts(without(records, "ddpm"), manifest)}
    assert gone["g3"].verdict == "undetermined"
    assert "no row for ddpm" in gone["g3"].reason
    one = {v.claim.id: v for v in verdicts(without(records, "ddpm", 2), manifest)}
    assert "missing rows" in one["g3"].reason
    assert "seed 2" in one["g3"].reason


def test_a_memorised_family_has_no_quality_verdict_but_speed():
    plans = {**CLAIMED, "dcgan": planned("dcgan", samplers={"default": Way(6.0, 90_000.0)}, copies=0.5)}
    found = judged(contenders=plans, seeds=5, failures=[])
    assert "dcgan is memorised" in found["g3"].reason
    assert found["g1"].verdict == "supported"


def test_a_failed_cell_of_the_side_claimed_better_never_supports():
    verdict = judged(contenders=CLAIMED, seeds=8, failures=[("ddpm", 3)])["g3"]
    assert verdict.verdict == "undetermined"
    assert "diffusion failed in 1 of 8" in verdict.reason
    assert "diffusion failed in 1 of 8 seeds" in verdict.measured


def test_a_users_contender_changes_no_verdict():
    manifest, records = make_run(contenders=CLAIMED, seeds=5, failures=[])
    mine = {"my-gan": planned("dcgan", samplers={"default": Way(900.0, 1.0)})}
    _, more = make_run(contenders=mine, seeds=5, failures=[("my-gan", 1)])
    both = records + [r for r in more if r.cell.contender == "my-gan"]
    alone, beside = verdict_table(verdicts(records, manifest)), verdict_table(verdicts(both, manifest))
    assert beside[beside.claim != "c8"].equals(alone[alone.claim != "c8"])  # c8 is about all entries of a table


def test_best_and_typical_disagree_is_a_condition():
    """`vae/noise` is far better than the default `vae/mean`, so that the order holds for typical contenders alone."""
    plans = {**CLAIMED, "vae": planned("vae", samplers={"mean": Way(14.0, 30_000.0), "noise": Way(1.0, 30_000.0)})}
    verdict = judged(contenders=plans, seeds=6, failures=[])["g3"]
    assert verdict.verdict == "undetermined"
    assert "holds for the typical of each family, is contradicted for the best one" in verdict.reason


def test_the_best_of_a_family_is_chosen_without_the_block_itself():
    """Medians of validation FID: `mean` 20, 5, 5 has 5 over all seeds but 12.5 without seed 1; `noise` has 8 throughout."""
    plans = {"vae": planned("vae", samplers={"mean": Way(9.0, 1.0), "noise": Way(8.0, 1.0)})}
    _, records = make_run(contenders=plans, seeds=3, failures=[])
    scores = {0: 20.0, 1: 5.0, 2: 5.0}
    planted = [
        with_values(
            r,
            {
                ("validation_fid", "mean"): scores[r.cell.seed],
                ("validation_fid", "noise"): 8.0,
                ("fid", "mean"): 1.0,
                ("fid", "noise"): 2.0,
            },
        )
        for r in records
    ]
    assert group_blocks(tracks(planted)[0], "VAE", "fid", "best").values == {0: 1.0, 1: 2.0, 2: 2.0}
    assert group_blocks(tracks(planted)[0], "VAE", "fid", "typical").values == {0: 1.0, 1: 1.0, 2: 1.0}


def test_the_table_has_the_fixed_columns():
    manifest, records = make_run()
    table = verdict_table(verdicts(records, manifest))
    assert tuple(table.columns) == COLUMNS
    assert list(table.claim) == [claim.id for claim in CLAIMS]


def test_the_correction_is_over_the_claims_of_the_report():
    found = judged(contenders=CLAIMED, seeds=4, failures=[])
    raw = [found[name].p for name in ("g1", "g3")]
    assert found["g1"].p_holm >= found["g1"].p
    assert max(found[name].p_adjusted for name in ("g1", "g3")) == pytest.approx(max(raw))
    more = judged(CLAIMS, contenders=CLAIMED, seeds=4, failures=[])
    assert more["g3"].p == found["g3"].p
    assert more["g3"].p_holm >= found["g3"].p_holm
    assert found["g1"].detectable_corrected > found["g1"].detectable_effect


def test_no_run_of_the_modality_is_undetermined():
    manifest, records = make_run(seeds=1)
    text = [r.model_copy(update={"modality": "text"}) for r in records]
    assert {v.verdict for v in verdicts(text, manifest)} == {"undetermined"}


def test_measured_order_names_all_families_and_those_that_failed():
    told = measured_order(track_of(), "fid")
    assert told.count("≈") + told.count(">") == 5
    assert told.endswith("flow failed in 1 of 3 seeds")


def curve_world(**options):
    """GAN is good early and stays; diffusion overtakes it late."""
    manifest, records = make_run(contenders={k: CLAIMED[k] for k in ("dcgan", "ddpm", "vae")}, seeds=6, failures=[], noise=0.02)
    late = {0.0625: 60.0, 0.125: 40.0, 0.25: 20.0, 0.5: 5.0}
    early = {0.0625: 8.0, 0.125: 7.5, 0.25: 7.0, 0.5: 6.5}
    changed = []
    for record in records:
        levels = {"ddpm": ("ddim-50", late), "dcgan": ("default", early)}.get(record.cell.contender)
        wobble = 1 + 0.01 * record.cell.seed
        values = {(f"fid@{share:g}", levels[0]): fid * wobble for share, fid in levels[1].items()} if levels else {}
        changed.append(with_values(record, values))
    return manifest, changed


def test_curves_hold_every_share_with_what_was_spent():
    track = tracks(curve_world()[1])[0]
    curve = quality_curve(track)
    gan = curve[curve.entry == "dcgan"]
    assert list(gan.share) == [0.0625, 0.125, 0.25, 0.5, 1.0]
    assert list(gan.train_s) == pytest.approx([0.375, 0.75, 1.5, 3.0, 6.0])
    assert (gan.ci_low < gan.value).all()
    assert (gan.n == 6).all()


def test_a_planted_crossover_is_found_and_sure():
    track = tracks(curve_world()[1])[0]
    assert list(leaders(track).leader) == ["GAN", "GAN", "GAN", "diffusion", "diffusion"]
    row = crossovers(track).set_index(["before", "after"]).loc[("GAN", "diffusion")]
    assert (row.share_low, row.share_high) == (0.25, 0.5)
    assert row.sure
    assert finding(track) == "GAN leads until 1.5 s of training, then diffusion"
    assert "diffusion" in still_improving(track, "fid", ("diffusion", "GAN"))[0]


def test_without_shares_there_is_no_crossover():
    track = track_of(shares=())
    assert crossovers(track).empty
    assert list(leaders(track).share) == [1.0]
    assert still_improving(track, "fid", ("GAN",)) == ()


def test_a_report_is_judged_in_a_moment():
    manifest, records = make_run()
    started = time.process_time()
    verdicts(records, manifest)
    assert time.process_time() - started < 1.5


def test_what_belongs_to_the_whole_contender_stands_for_its_best_sampler_too():
    """`noise` is the better sampler; the likelihood is the contender's, and shown by its default entry `mean`."""
    plans = {"vae": planned("vae", samplers={"mean": Way(9.0, 1.0), "noise": Way(2.0, 1.0)}, bits_per_dim=2.0)}
    track = track_of(contenders=plans, failures=[])
    found = group_blocks(track, "VAE", "bits_per_dim", "best")
    assert not found.why_missing
    assert {entries[0].name for entries in found.chosen.values()} == {"vae/mean"}
    assert {entries[0].name for entries in group_blocks(track, "VAE", "fid", "best").chosen.values()} == {"vae/noise"}
