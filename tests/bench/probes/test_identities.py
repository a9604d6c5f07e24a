"""Probes of what must hold exactly: inverses, forward processes, objectives, total probability; planted right and planted wrong."""

import numpy as np
import pytest
import torch

from paragone.bench.probes.forward_process import FORWARD_PROCESS
from paragone.bench.probes.inversion import INVERSION
from paragone.bench.probes.objective import OBJECTIVE
from paragone.bench.probes.tiny_space import TINY_SPACE, excess_distance, ising, pictures
from tests.bench.probes.planted import Linear, Noising, Silent, Table, found, subject


def rotation(seed=0, size=64):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


def test_an_exact_inverse_errs_by_rounding_and_a_broken_one_by_what_was_broken(digits):
    axes = rotation()
    exact = found(INVERSION, subject(Linear(digits.spec, axes, np.zeros(64)), digits))["inversion_error"]
    assert 0 <= exact.value < 1e-6
    broken = Linear(digits.spec, axes, np.zeros(64))
    broken.decode = lambda z: Linear.decode(broken, z) + 0.25
    assert found(INVERSION, subject(broken, digits))["inversion_error"].value == pytest.approx(0.25, abs=1e-6)


def test_a_code_of_fewer_numbers_promises_no_inverse(digits):
    short = Linear(digits.spec, rotation()[:12], np.zeros(64))
    measured = found(INVERSION, subject(short, digits))["inversion_error"]
    assert measured.value is None
    assert "12 real numbers, the data 64" in measured.source


def noising(digits, **made):
    contender = Noising(digits.spec, 1)
    for name, value in made.items():
        setattr(contender, name, value)
    return found(FORWARD_PROCESS, subject(contender, digits))


def test_a_forward_process_that_ends_in_noise_and_keeps_its_variance_has_no_gap(digits):
    measured = noising(digits)
    assert measured["forward_end_gap"].value == 0
    assert measured["forward_variance_gap"].value == 0
    assert len(measured["forward_variance_gap"].repeats) == 9
    assert measured["forward_variance_gap"].repeats == pytest.approx([1.0] * 9, abs=0.01)


def test_a_process_that_gains_variance_shows_how_much(digits):
    measured = noising(digits, gain=1.1)
    assert measured["forward_variance_gap"].value == pytest.approx(0.21, abs=0.015)
    assert measured["forward_end_gap"].value == pytest.approx(0.1, abs=0.01)
    assert "deviation" in measured["forward_end_gap"].source


def test_a_process_that_ends_early_still_knows_the_data(digits):
    measured = noising(digits, end=0.8)
    a, s = np.cos(0.8 * np.pi / 2), np.sin(0.8 * np.pi / 2)
    x = digits.train.items.reshape(len(digits.train), -1) / 8.0 - 1.0
    within = x.var(0).mean()  # of a pixel about its own mean
    correlation = a * np.sqrt(within) / np.sqrt(a**2 * within + s**2)
    assert measured["forward_variance_gap"].value == 0
    assert measured["forward_end_gap"].value == pytest.approx(max(correlation, a * abs(x.mean())), abs=0.015)


class Logging(Linear):
    """Logs a loss that is `gap` above its parts."""

    gap = 0.0

    def update(self, batch, progress):
        self.weight.data += 1  # what the probe does must happen to a copy
        return {"loss": torch.tensor(5.0 + self.gap), "reconstruction": 3.0, "kl": torch.tensor(2.0)}


def test_a_loss_that_is_not_its_parts_shows_the_gap_and_the_contender_is_left_alone(digits):
    contender = Logging(digits.spec, rotation(), np.zeros(64))
    assert found(OBJECTIVE, subject(contender, digits))["objective_gap"].value == 0
    contender.gap = 0.5
    assert found(OBJECTIVE, subject(contender, digits))["objective_gap"].value == pytest.approx(0.5 / 5.5)
    assert contender.weight.item() == 0


def test_a_loss_without_parts_claims_nothing(digits):
    measured = found(OBJECTIVE, subject(Silent(digits.spec, 1), digits))["objective_gap"]
    assert measured.value is None
    assert measured.source == "an update logs no reconstruction, kl"


def test_every_picture_stands_at_its_own_number_and_the_known_distribution_is_one():
    space = pictures()
    assert space.shape == (65536, 1, 4, 4)
    assert len(torch.unique(space.flatten(1), dim=0)) == 65536
    assert torch.equal(space[5].flatten()[-4:], torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    known = ising(space)
    assert known.sum() == pytest.approx(1)
    assert known[-1] == known.max()  # all up, with the field
    # By hand for one pixel turned against its two neighbours in the corner: two bonds of 24 and the pixel's field change sign.
    assert known[0b0111111111111111] / known[-1] == pytest.approx(np.exp(-2 * 2 * 0.6 - 2 * 0.1))


def test_a_table_sums_to_one_and_its_samples_follow_it(digits):
    measured = found(TINY_SPACE, subject(Table(digits.spec, 1), digits))
    assert measured["tiny_space_total"].value == pytest.approx(1, abs=1e-9)
    assert measured["tiny_space_distance"].value < 0.005


def test_mass_that_leaks_and_samples_that_lie_are_seen(digits):
    leaking = type("Leaking", (Table,), {"leak": 0.03})
    assert found(TINY_SPACE, subject(leaking(digits.spec, 1), digits))["tiny_space_total"].value == pytest.approx(0.97)
    lying = type("Lying", (Table,), {"biased": True})
    measured = found(TINY_SPACE, subject(lying(digits.spec, 1), digits))
    assert measured["tiny_space_total"].value == pytest.approx(1)
    assert measured["tiny_space_distance"].value > 0.1


def test_a_bound_promises_no_sum(digits):
    bound = type("Bound", (Table,), {"exact": False})
    measured = found(TINY_SPACE, subject(bound(digits.spec, 1), digits))
    assert all(m.value is None and "bound" in m.source for m in measured.values())


def test_the_distance_that_sampling_noise_gives_is_its_mean_over_many_draws():
    draws = np.random.default_rng(0)
    p = draws.dirichlet(np.full(300, 0.2))
    excess = [excess_distance(draws.multinomial(500, p) / 500, p, 500)[0] for _ in range(2000)]
    assert abs(np.mean(excess)) < 4 * np.std(excess) / np.sqrt(len(excess))
    certain, noise = excess_distance(np.array([1.0, 0.0]), np.array([1.0, 0.0]), 500)
    assert certain == noise == 0
