"""What must change no verdict, and what must turn it: names, bystanders, units, the order of blocks, direction, margins.

On any data, from hypothesis: 3 names, 3 to 16 blocks (both tests), values that differ up to 64-fold, failures among them.
"""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paragone.bench.judge import order_verdict
from paragone.bench.judge.intervals import centre
from paragone.bench.judge.orderings import compare
from paragone.bench.judge.significance import sign_flip
from paragone.bench.judge.verdicts import verdicts
from tests.builders import REFERENCES, Way, make_run, planned, with_values

NAMES = ("a", "b", "c")
MIRROR = {"supported": "contradicted", "contradicted": "supported", "undetermined": "undetermined"}
FLIPPED = {"lower": "higher", "higher": "lower"}
many = settings(max_examples=80, deadline=None)

directions = st.sampled_from(["lower", "higher"])
scales = st.sampled_from(["log", "identity"])
margins = st.sampled_from([0.0, 0.05, 0.5])


@st.composite
def tables(draw, failures=False):
    """name -> values (n,), 1/8 to 8; with `failures` some are NaN."""
    blocks = draw(st.sampled_from([3, 5, 13, 14, 16]))
    values = draw(arrays.arrays(float, (3, blocks), elements=st.floats(0.125, 8.0, width=32)))
    if failures:
        failed = draw(arrays.arrays(bool, (3, blocks), elements=st.booleans()))
        values = np.where(failed, np.nan, values)
    return dict(zip(NAMES, values, strict=True))


def ps(verdict):
    return verdict.p_supported, verdict.p_contradicted


def same(one, other):
    """Equal p values up to rounding; the verdict too, where no p lies on the level itself."""
    assert ps(one) == pytest.approx(ps(other), abs=1e-6)
    if min(abs(p - 0.05) for p in ps(one)) > 1e-6:
        assert one.verdict == other.verdict


def by_pair(verdict):
    """{(name, name): p that the first is better}, both directions of every pair."""
    found = {(pair.better, pair.worse): pair.p for pair in verdict.every_pair}
    return found | {(pair.worse, pair.better): pair.p_reversed for pair in verdict.every_pair}


@many
@given(tables(failures=True), directions, scales, margins)
def test_relabelling_contenders_permutes_verdicts(table, better, scale, margin):
    options = {"better": better, "scale": scale, "margin": margin}
    told = by_pair(order_verdict(table, **options))
    renamed = order_verdict(dict(zip("zyx", table.values(), strict=True)), **options)
    assert ps(renamed) == ps(order_verdict(table, **options))
    for order in permutations(NAMES):
        again = by_pair(order_verdict({name: table[name] for name in order}, **options))
        assert again == pytest.approx(told, abs=1e-9)


@many
@given(tables(failures=True), st.integers(0, 3), directions, scales, margins)
def test_a_hopeless_contender_changes_nothing_between_the_others(table, place, better, scale, margin):
    options = {"better": better, "scale": scale, "margin": margin}
    hopeless = np.full(len(table["a"]), 1e6 if better == "lower" else 1e-6)
    names = [*NAMES[:place], "hopeless", *NAMES[place:]]
    among = order_verdict({name: table.get(name, hopeless) for name in names}, **options)
    told = by_pair(order_verdict(table, **options))
    assert {key: p for key, p in by_pair(among).items() if "hopeless" not in key} == told
    if place == 3 and not any(np.isnan(column).any() for column in table.values()):
        # Behind all others it can weaken a claim only by being a neighbour, and it is far behind.
        assert among.p_supported == pytest.approx(max(order_verdict(table, **options).p_supported, among.pairs[-1].p))


@many
@given(tables(failures=True), st.floats(1e-3, 1e3), directions, margins)
def test_scaling_a_positive_metric_changes_nothing_on_the_log_scale(table, constant, better, margin):
    scaled = {name: column * constant for name, column in table.items()}
    same(order_verdict(table, better=better, margin=margin), order_verdict(scaled, better=better, margin=margin))


@many
@given(tables(failures=True), st.integers(-8, 8), directions, margins)
def test_another_unit_changes_nothing_on_the_identity_scale(table, exponent, better, margin):
    """Powers of two, which round nothing; a shift would move the level that a relative margin refers to."""
    options = {"better": better, "scale": "identity", "margin": margin}
    scaled = {name: column * 2.0**exponent for name, column in table.items()}
    assert ps(order_verdict(scaled, **options)) == ps(order_verdict(table, **options))


@many
@given(tables(failures=True), st.randoms(use_true_random=False), directions, scales, margins)
def test_the_order_of_blocks_changes_nothing(table, random, better, scale, margin):
    blocks = list(range(len(table["a"])))
    random.shuffle(blocks)
    options = {"better": better, "scale": scale, "margin": margin}
    same(order_verdict(table, **options), order_verdict({n: column[blocks] for n, column in table.items()}, **options))


def test_the_order_of_many_blocks_changes_no_random_draw():
    """Beyond 20 blocks intervals and beyond 32 tests are drawn: the draws must not meet other values in another order."""
    generator = np.random.default_rng(1)
    e = generator.standard_normal(40) + 0.2
    shuffled = generator.permutation(e)
    assert sign_flip(shuffled) == sign_flip(e)
    assert centre(shuffled) == centre(e)


@many
@given(tables(failures=True), st.integers(0, 1), st.integers(0, 2), directions, scales, margins)
def test_a_failure_of_a_side_claimed_better_never_supports(table, side, block, better, scale, margin):
    table[NAMES[side]][block] = np.nan
    verdict = order_verdict(table, better=better, scale=scale, margin=margin)
    assert verdict.verdict != "supported"
    assert verdict.p_supported == 1


@many
@given(tables(failures=True), directions)
def test_the_other_direction_and_the_other_sign_are_the_same_on_the_identity_scale(table, better):
    mirrored = order_verdict({n: -column for n, column in table.items()}, better=FLIPPED[better], scale="identity")
    assert ps(mirrored) == ps(order_verdict(table, better=better, scale="identity"))


@many
@given(tables(failures=True), directions, margins)
def test_the_other_direction_and_the_reciprocal_are_the_same_on_the_log_scale(table, better, margin):
    mirrored = order_verdict({n: 1 / column for n, column in table.items()}, better=FLIPPED[better], margin=margin)
    same(mirrored, order_verdict(table, better=better, margin=margin))


@many
@given(tables(), directions, scales, margins)
def test_turning_a_pair_around_swaps_the_verdicts(table, better, scale, margin):
    """Without failures only: one of the side claimed better bars `supported`, one of the other side bars nothing."""
    options = {"better": better, "scale": scale, "margin": margin}
    forward = order_verdict({name: table[name] for name in "ab"}, **options)
    backward = order_verdict({name: table[name] for name in "ba"}, **options)
    assert backward.verdict == MIRROR[forward.verdict]
    assert ps(backward) == pytest.approx(ps(forward)[::-1])


@many
@given(tables(failures=True), directions, scales, margins)
def test_no_claim_is_both_supported_and_contradicted_or_supported_and_equivalent(table, better, scale, margin):
    verdict = order_verdict(table, better=better, scale=scale, margin=margin)
    assert max(ps(verdict)) > 0.05
    if verdict.verdict == "supported":
        assert not verdict.equivalent
    if verdict.tie:
        assert margin


@many
@given(tables(failures=True), st.lists(st.floats(0, 2), min_size=2, max_size=4), directions, scales)
def test_a_larger_margin_is_harder_to_exceed(table, asked, better, scale):
    """p grows with the margin wherever it is small enough to matter; and on the log scale a tie stays one."""
    pairs = [compare("a", "b", table["a"], table["b"], better=better, scale=scale, margin=m) for m in sorted(asked)]
    for small, large in pairwise(pairs):
        assert min(large.p, 0.5) >= min(small.p, 0.5) - 1e-9
        assert min(large.p_reversed, 0.5) >= min(small.p_reversed, 0.5) - 1e-9
        assert scale == "identity" or not small.margin or large.p_equivalent <= small.p_equivalent + 1e-9


def test_who_leads_by_more_than_a_margin_leads():
    """Differences of half their block's level and a little more: without the margin they are too spread out to tell anything."""
    level = np.array([0.1, 1.0, 10.0])
    table = {"a": 1.5 * level + 0.1, "b": level}
    for margin in (0.0, 0.5):
        assert order_verdict(table, better="higher", scale="identity", margin=margin).verdict == "undetermined"


@many
@given(tables(), directions, st.floats(1.01, 3.0))
def test_a_better_value_never_weakens_a_claim_by_counting_failures(table, better, gain):
    """With failures the sign test decides, so that making the better side better in every block cannot cost a win."""
    table["b"][0] = np.nan
    improved = table["a"] / gain if better == "lower" else table["a"] * gain
    before = compare("a", "b", table["a"], table["b"], better=better)
    after = compare("a", "b", improved, table["b"], better=better)
    assert after.wins >= before.wins
    assert after.p <= before.p


# The same of a report, on built records.

WORLD = {
    "dcgan": planned("dcgan", samplers={"default": Way(6.0, 90_000.0)}),
    "vae": planned("vae", samplers={"mean": Way(14.0, 30_000.0)}),
    "ddpm": planned("ddpm", samplers={"ddim-50": Way(2.5, 3000.0, 50)}),
    "pixelcnn": planned("pixelcnn", samplers={"default": Way(5.0, 100.0, 64)}),
}
TOLD = ("g1", "g3")


@pytest.fixture(scope="module")
def world():
    return make_run(contenders=WORLD, seeds=5, failures=[], noise=0.3)


def answers(records, manifest):
    """What a report says of the claims on speed and quality."""
    return {
        v.claim.id: (v.verdict, v.p, v.p_adjusted, v.p_holm, v.effect, v.measured)
        for v in verdicts(records, manifest) if v.claim.id in TOLD
    }  # fmt: skip


def told_alike(one, other):
    assert set(one) == set(other) == set(TOLD)
    for claim in TOLD:
        assert one[claim][0] == other[claim][0]
        assert one[claim][1:-1] == pytest.approx(other[claim][1:-1])


def renamed(record, names):
    """The record under another contender's name, with that contender's one sampler."""
    name = names.get(record.cell.contender)
    if name is None:
        return record
    old, new = record.samplers[0], next(iter(WORLD[name].samplers))
    measured = tuple(m.model_copy(update={"sampler": new}) if m.sampler == old else m for m in record.measurements)
    cell = record.cell.model_copy(update={"contender": name})
    return record.model_copy(update={"cell": cell, "samplers": (new,), "measurements": measured})


def test_reports_judge_the_same_in_whatever_order_records_and_seeds_come(world):
    manifest, records = world
    shuffled = [records[i] for i in np.random.default_rng(2).permutation(len(records))]
    told_alike(answers(shuffled, manifest), answers(records, manifest))
    turned = [r.model_copy(update={"cell": r.cell.model_copy(update={"seed": 4 - r.cell.seed})}) for r in records]
    told_alike(answers(turned, manifest), answers(records, manifest))


def test_reports_judge_the_same_in_another_unit(world):
    manifest, records = world
    scaled = []
    for record in records:
        fids = {(m.metric, m.sampler): m.value * 1000 for m in record.measurements if m.metric.partition("@")[0].endswith("fid")}
        scaled.append(with_values(record, fids))
    told_alike(answers(scaled, manifest), answers(records, manifest))


def test_swapping_two_families_swaps_them_in_the_order_that_is_measured(world):
    manifest, records = world
    names = {"dcgan": "ddpm", "ddpm": "dcgan"}
    before = answers(records, manifest)
    after = answers([renamed(record, names) for record in records], manifest)
    assert before["g3"][0] == "supported"
    assert after["g3"][0] == "contradicted"
    swapped = before["g3"][-1].replace("GAN", "?").replace("diffusion", "GAN").replace("?", "diffusion")
    assert after["g3"][-1] == swapped


@pytest.mark.parametrize("fid", [900.0, 0.01])
def test_another_contender_changes_no_verdict_between_families(world, fid):
    """Hopeless, or the best of all, and failing now and then: it belongs to no family of the document."""
    manifest, records = world
    other = {"my-gan": planned("dcgan", samplers={"default": Way(fid, 1.0)})}
    _, more = make_run(contenders=other, seeds=5, failures=[("my-gan", 1)])
    beside = records + [r for r in more if r.cell.contender not in REFERENCES]
    assert answers(beside, manifest) == answers(records, manifest)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_failure_of_the_family_claimed_best_never_supports_in_a_report(world, seed):
    manifest, _ = world
    _, records = make_run(contenders=WORLD, seeds=5, failures=[("ddpm", seed)], noise=0.01)
    assert answers(records, manifest)["g3"][0] != "supported"
