"""The loop: budgets held, looks at their shares, garbage refused, and evaluation that changes nothing in training."""

import math
import random
import time

import numpy as np
import pytest
import torch
from torch import nn

from paragone.bench.budget import Budget, EnergyLost, Meter
from paragone.bench.sampling import draw, evaluation, time_sampling
from paragone.bench.train import Diverged, InvalidOutput, batches, train
from paragone.models import Contender, DataSpec
from tests.watchers import Nobody

SPEC = DataSpec("image", (1, 4, 4), levels=17)
CPU = torch.device("cpu")
DATA = torch.linspace(-1, 1, 50 * 16).reshape(50, 1, 4, 4)


class Mean(Contender):
    """Learns the mean image; `say` and `give` let a test misbehave."""

    batch_size = 8

    def __init__(self, say=None, give=None, wait_s=0.0):
        super().__init__()
        self.net = nn.Linear(3, 16)
        self.optimiser = torch.optim.SGD(self.parameters(), 0.1)
        self.say, self.give, self.wait_s = say, give, wait_s
        self.progresses = []

    def update(self, batch, progress):
        self.progresses.append(progress)
        if self.wait_s:
            time.sleep(self.wait_s)
        z = torch.randn(len(batch.x), 3, generator=self.generator)
        loss = (self.net(z) - batch.x.flatten(1)).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss": loss.detach()} if self.say is None else self.say

    def sample(self, n, generator, condition=None, sampler=None):
        if self.give is not None:
            return self.give(n)
        return self.net(torch.randn(n, 3, generator=generator)).view(n, 1, 4, 4)


class Looking(Nobody):
    """A watcher that calls `look` at each share."""

    def __init__(self, look):
        self.at_share = look


def run(contender, budget, shares=(), at_share=lambda share: None, energy=None):
    meter = Meter(budget, energy=energy)
    stream = batches(DATA, contender.batch_size, torch.Generator().manual_seed(0))
    train(contender, stream, meter, shares, Looking(at_share), CPU)
    return meter


def test_steps_are_exact_and_shares_are_met_in_order():
    contender, seen = Mean(), []
    meter = run(
        contender, Budget("steps", 64), (1 / 16, 1 / 4, 1 / 2), lambda share: seen.append((share, len(contender.progresses)))
    )
    assert (meter.steps, meter.samples, meter.overrun) == (64, 512, 0)
    assert seen == [(1 / 16, 4), (1 / 4, 16), (1 / 2, 32), (1.0, 64)]
    assert contender.progresses == [k / 64 for k in range(64)]


def test_seconds_are_held_and_looking_is_free():
    contender = Mean(wait_s=0.002)
    meter = run(contender, Budget("seconds", 0.1), (0.25, 0.5), lambda share: time.sleep(0.2))
    assert 0.1 <= meter.seconds <= 0.1 + meter.last_update
    assert meter.steps <= 50


def test_an_update_that_waits_is_charged_what_it_waits_counted_or_not():
    meter = run(Mean(wait_s=0.01), Budget("steps", 64))
    assert meter.plain_steps < 64
    assert meter.seconds / 64 == pytest.approx(0.01, rel=0.3)  # a busy machine sleeps longer; 5 % on an idle one
    assert meter.seconds / 64 == pytest.approx(meter.plain_s / meter.plain_steps, rel=0.2)


FLOPS = 2 * (3 * 16 * 8) * 2
"""Of one update of `Mean`: forward, and backward to the weights; its noise needs no gradient."""


@pytest.mark.parametrize("updates", [1, 5, 16, 17, 40, 100])
def test_a_budget_in_flops_ends_within_one_update_of_constant_work(updates):
    meter = run(Mean(), Budget("flops", updates * FLOPS - 5))
    assert meter.steps == updates
    assert meter.spent == updates * FLOPS
    assert 0 <= meter.overrun < FLOPS == meter.last_update


@pytest.mark.parametrize("budget", [Budget("steps", 100), Budget("samples", 800), Budget("seconds", 0.3)])
def test_flops_are_counted_on_every_axis(budget):
    meter = run(Mean(), budget)
    assert meter.counting.flops == meter.steps * FLOPS
    assert 0 < meter.counting.time_share <= 1


@pytest.mark.parametrize("updates", [2, 5, 30])
def test_few_long_updates_are_counted_too(updates):
    meter = run(Mean(wait_s=0.3 / updates), Budget("seconds", 0.3 * (1 - 0.5 / updates)))
    assert meter.steps <= updates
    assert meter.counting.flops == meter.steps * FLOPS


class Lazy(Mean):
    """A term in every fourth update costs nine times as much as the rest."""

    def update(self, batch, progress):
        for _ in range(9 if len(self.progresses) % 4 == 0 else 0):
            super().update(batch, progress)
            self.progresses.pop()
        return super().update(batch, progress)


def test_a_term_in_every_fourth_update_is_charged_in_whole_periods():
    meter = run(Lazy(), Budget("flops", 650 * FLOPS))
    assert abs(meter.steps - 650 / 3.25) <= 16
    assert meter.counting.flops == pytest.approx(meter.steps * 3.25 * FLOPS, abs=16 * 3.25 * FLOPS)


class Growing(Mean):
    """Two stages: the second does three times the work of the first."""

    stages = (("small", 0.4), ("large", 0.6))

    def update(self, batch, progress):
        for _ in range(2 if self.stage_at(progress)[0] == "large" else 0):
            super().update(batch, progress)
        return super().update(batch, progress)


def test_each_stage_is_counted_anew():
    meter = run(Growing(), Budget("steps", 200))
    assert meter.counting.flops == (80 + 3 * 120) * FLOPS
    meter = run(Growing(), Budget("flops", 1000 * FLOPS))
    assert meter.counting.flops == pytest.approx(1000 * FLOPS, abs=3 * FLOPS)


def test_counting_changes_no_weight():
    weights = []
    for budget in (Budget("steps", 30), Budget("seconds", 1e9)):  # the second begins with sixteen plain updates
        contender = Mean()
        torch.manual_seed(0)
        contender.net.reset_parameters()
        contender.generator.manual_seed(1)
        meter, stream = Meter(budget), batches(DATA, 8, torch.Generator().manual_seed(0))
        stop = lambda share: None  # noqa: E731
        if budget.axis == "steps":
            train(contender, stream, meter, (), Looking(stop), CPU)
        else:
            for _ in range(30):
                contender.update(next(stream), 0.0)
        weights.append(contender.net.weight.detach().clone())
    assert torch.equal(*weights)


class Battery:
    """An energy counter of 50 W by the clock, that steps every 5 ms; it fails after `dies_s` seconds."""

    source, tick_s = "test", 0.005

    def __init__(self, dies_s=math.inf):
        self.began_s, self.dies_s = time.perf_counter(), dies_s

    def joules(self):
        elapsed_s = time.perf_counter() - self.began_s
        return None if elapsed_s > self.dies_s else 50 * (elapsed_s // self.tick_s) * self.tick_s


def test_a_budget_in_joules_ends_within_an_update_or_a_tick():
    with pytest.raises(ValueError, match="needs a counter"):
        Meter(Budget("joules", 10))
    meter = run(Mean(wait_s=0.002), Budget("joules", 10), energy=Battery())
    assert meter.overrun <= meter.last_update
    assert 50 * meter.seconds == pytest.approx(meter.joules, rel=0.15)


def test_looks_cost_no_energy():
    meter = run(Mean(wait_s=0.002), Budget("joules", 10), (0.5,), lambda share: time.sleep(0.3), energy=Battery())
    assert 10 <= meter.joules < 12


def test_a_counter_that_dies_ends_a_budget_in_joules_and_no_other():
    with pytest.raises(EnergyLost, match="test cannot be read any more"):
        run(Mean(wait_s=0.002), Budget("joules", 100), energy=Battery(dies_s=0.1))
    meter = run(Mean(wait_s=0.002), Budget("steps", 100), (0.5,), energy=Battery(dies_s=0.1))
    assert meter.joules is None


def test_several_shares_in_one_step_are_all_met():
    seen = []
    run(Mean(), Budget("steps", 1), (0.25, 0.5), seen.append)
    assert seen == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("say", "error"), [({"loss": math.nan}, Diverged), (None, None), (3.0, InvalidOutput), ({"loss": "x"}, InvalidOutput)]
)
def test_what_update_says_is_checked(say, error):
    if error is None:
        run(Mean(say), Budget("steps", 2))
        return
    with pytest.raises(error):
        run(Mean(say), Budget("steps", 2))


def test_a_parameter_that_is_not_finite_is_divergence():
    contender = Mean()
    with torch.no_grad():
        contender.net.bias[2] = math.inf
    with pytest.raises(Diverged):
        run(contender, Budget("steps", 3))


def test_an_epoch_sees_each_item_once():
    stream = batches(torch.arange(50.0), 10, torch.Generator().manual_seed(1))
    first = torch.cat([next(stream).x for _ in range(5)])
    second = torch.cat([next(stream).x for _ in range(5)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(50))
    assert first.tolist() != second.tolist()


def test_batches_larger_than_the_data_are_the_data():
    assert len(next(batches(torch.arange(5.0), 10, torch.Generator())).x) == 5


def test_looking_changes_nothing():
    """Two trainings, one of which is sampled, timed and disturbed on the way, end with the same weights."""

    def disturb(contender):
        draw(contender, SPEC, 20, 7, "default", CPU)
        time_sampling(contender, "default", CPU, limit_s=0.01)
        with evaluation(contender):
            torch.rand(5), random.random(), np.random.rand(3)  # noqa: NPY002
            torch.randn(4, generator=contender.generator)
            assert not contender.training
        assert contender.training

    weights = []
    for looks in (False, True):
        torch.manual_seed(0)
        contender = Mean()
        contender.generator = torch.Generator().manual_seed(5)
        run(contender, Budget("steps", 20), (0.25, 0.5), lambda share, c=contender, looks=looks: disturb(c) if looks else None)
        weights.append((contender.net.weight.detach().clone(), torch.rand(1), contender.generator.get_state()))
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize(
    ("give", "error", "words"),
    [
        (lambda n: torch.zeros(n, 4, 4), InvalidOutput, "shape"),
        (lambda n: torch.zeros(n + 1, 1, 4, 4), InvalidOutput, "shape"),
        (lambda n: torch.zeros(n, 1, 4, 4, dtype=torch.float64), InvalidOutput, "float64"),
        (lambda n: [0] * n, InvalidOutput, "list"),
        (lambda n: torch.full((n, 1, 4, 4), math.nan), Diverged, "not finite"),
        (lambda n: torch.full((n, 1, 4, 4), math.inf), Diverged, "not finite"),
    ],
)
def test_samples_are_checked(give, error, words):
    with pytest.raises(error, match=words):
        draw(Mean(give=give), SPEC, 10, 0, "default", CPU)


def test_drawing_depends_on_the_seed_alone():
    contender = Mean()
    torch.manual_seed(1)
    one = draw(contender, SPEC, 30, 5, "default", CPU)
    torch.manual_seed(2)
    again = draw(contender, SPEC, 30, 5, "default", CPU)
    other = draw(contender, SPEC, 30, 6, "default", CPU)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_timing_counts_the_network_and_what_it_touches():
    found = {m.metric: m for m in time_sampling(Mean(), "default", CPU, limit_s=0.02)}
    assert found["network_evaluations"].value == 1
    assert found["sampling_parameters"].value == 3 * 16 + 16
    latency, throughput = found["sample_latency_s"], found["sample_throughput_per_s"]
    assert latency.value > 0
    assert throughput.value * latency.value > 0.5  # many at a time is no slower than one at a time
    assert len(throughput.repeats) >= 2
