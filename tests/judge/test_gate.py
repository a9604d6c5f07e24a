"""The memorisation gate's three rules, on numbers and on real digits."""

import numpy as np
import pytest

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_levels, to_unit
from paragone.bench.judge.blocks import tracks
from paragone.bench.judge.gate import gate
from paragone.bench.metrics.memorisation import NearestImages, copied_share, near_copy_share, nearest_train_ratio
from paragone.bench.metrics.references import gaussian_mixture, real_blurred, train_copies
from tests.builders import make_run, with_values

METRICS = ("copied_share", "near_copy_share", "nearest_train_ratio")


def answer(values, floor=(0.0, 0.0, 0.9)):
    """The gate's answer on dcgan, all of whose seeds have these three values, where held-out real has `floor`."""
    made = {"dcgan": values, "held-out real": floor}
    _, records = make_run(failures=[])
    changed = [
        with_values(r, {(metric, "default"): value for metric, value in zip(METRICS, made[r.cell.contender], strict=True)})
        if r.cell.contender in made
        else r
        for r in records
    ]
    return gate(tracks(changed)[0])["dcgan"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((0.011, 0.0, 0.9), "1.1% are exact copies"),
        ((0.010, 0.0, 0.9), ""),
        ((0.0, 0.045, 0.9), "4.5% are near copies"),
        ((0.0, 0.030, 0.9), ""),
        ((0.0, 0.0, 0.71), "the nearest training item is 0.71 times as far as the nearest test item (median)"),
        ((0.0, 0.0, 0.73), ""),
        ((None, None, 0.1), "of held-out real 0.90 times: less than 0.8 of that"),
    ],
)
def test_each_rule_flags_beyond_its_margin_and_says_why(values, reason):
    found = answer(values)
    assert found.judged
    assert found.memorised == bool(reason)
    assert reason in found.reason
    assert not reason or "3 of 3 seeds memorised" in found.reason


def test_without_any_value_nothing_is_judged():
    found = answer((None, None, None))
    assert (found.judged, found.memorised) == (False, False)
    assert "no samples were compared" in found.reason


def test_the_ratio_is_held_against_held_out_reals_own_and_not_against_one():
    assert not answer((0.0, 0.0, 0.5), floor=(0.0, 0.0, 0.6)).memorised
    assert answer((0.0, 0.0, 0.5), floor=(0.0, 0.0, 0.7)).memorised


@pytest.fixture(scope="module")
def measured():
    """The three measures of a set of digits."""
    digits = embedded("digits")
    train, test = NearestImages(digits.train.items), NearestImages(digits.test.items)

    def measure(levels):
        to_train = train.distances(levels, 2)
        ratio = nearest_train_ratio(to_train, test.distances(levels, 1))
        return copied_share(levels, digits.train.items), near_copy_share(to_train), ratio

    return digits, measure


def altered(digits):
    """Sets of digits by name: disguised copies and honest ones."""
    rng, copies, held_out = np.random.default_rng(0), train_copies(digits, 360, 1), digits.validation.items
    noisy = to_levels(to_unit(copies, 17) + rng.normal(0, 0.1, copies.shape), 17)
    shifted = np.pad(copies, ((0, 0), (0, 0), (0, 0), (0, 1)), mode="edge")[..., 1:]
    blurred = np.where(np.arange(360)[:, None, None, None] % 2 == 0, held_out, real_blurred(digits, 360, 0))
    return {
        "noisy copies": (noisy, True), "shifted copies": (shifted, True), "half blurred": (blurred, False),
        "mixture": (gaussian_mixture(digits, 360, 0), False), "held-out real itself": (held_out, False),
    }  # fmt: skip


def test_disguised_copies_of_digits_are_flagged_and_honest_sets_are_not(measured):
    digits, measure = measured
    floor = measure(digits.validation.items)
    for name, (levels, memorised) in altered(digits).items():
        found = answer(measure(levels), floor)
        assert found.memorised == memorised, f"{name}: {found.reason}"


def test_noise_of_a_fifth_is_seen_by_the_third_rule_alone(measured):
    digits, measure = measured
    rng, copies = np.random.default_rng(0), train_copies(digits, 360, 1)
    values = measure(to_levels(to_unit(copies, 17) + rng.normal(0, 0.2, copies.shape), 17))
    floor = measure(digits.validation.items)
    assert "the nearest training item" in answer(values, floor).reason
    assert not answer((*values[:2], floor[2]), floor).memorised
