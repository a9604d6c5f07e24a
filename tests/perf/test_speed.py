"""Speed, measured by pytest-benchmark: one training step and one sampling call of every contender, and the harness's own work.

Times are never asserted; the harness's share is a ratio within one run.
"""

import time

import pytest
import torch

from paragone.bench.budget import Budget, Meter
from paragone.bench.data import embedded
from paragone.bench.sizing import solve_width
from paragone.bench.train import batches, train
from paragone.models import Batch, Contender, registered
from tests.specimens import CONTENDERS
from tests.watchers import Nobody

CPU = torch.device("cpu")


DATASETS = {"image": "digits", "points": "grid25"}


@pytest.fixture(scope="module")
def data_of():
    """Specification and training items, as contenders get them, of each modality."""
    sets = {modality: embedded(name) for modality, name in DATASETS.items()}
    return {modality: (data.spec, torch.from_numpy(data.to_unit(data.train.items))) for modality, data in sets.items()}


def build(name, spec):
    torch.manual_seed(0)
    cls = registered()[name]
    return cls(spec, solve_width(cls, spec, 200_000)[0])


@pytest.mark.parametrize("name", CONTENDERS)
def test_training_step(benchmark, data_of, name):
    spec, x = data_of[registered()[name].modalities[0]]
    contender = build(name, spec)
    batch = Batch(x[: contender.batch_size])
    benchmark.pedantic(contender.update, args=(batch, 0.3), rounds=5, warmup_rounds=2)


@pytest.mark.parametrize("name", CONTENDERS)
def test_sampling_100(benchmark, data_of, name):
    spec, x = data_of[registered()[name].modalities[0]]
    contender = build(name, spec)
    for progress in (0.1, 0.4, 0.99):  # a visit to the stages without which nothing can be sampled
        contender.update(Batch(x[: contender.batch_size]), progress)
    contender.eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        if "prepare" in contender.abilities():
            contender.prepare([Batch(part) for part in x.split(128)])
        sampler = contender.samplers[0]
        benchmark.pedantic(contender.sample, args=(100, generator), kwargs={"sampler": sampler}, rounds=3, warmup_rounds=1)


class TwoMilliseconds(Contender):
    """An update that takes two milliseconds of this process's time, and notes how long it was inside."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.inside_s = 0.0
        self._loss = torch.zeros(())

    def update(self, batch, progress):
        start = time.perf_counter()
        while time.perf_counter() - start < 0.002:
            pass
        self.inside_s += time.perf_counter() - start
        return {"loss": self._loss}

    def sample(self, n, generator, condition=None, sampler=None):
        raise NotImplementedError


def own_share(x):
    """Share of the counted time that was spent neither in updates nor in making their batches."""
    contender, meter = TwoMilliseconds(), Meter(Budget("seconds", 0.5))
    waited = 0.0

    def stream():
        nonlocal waited
        source = batches(x, 128, torch.Generator())
        while True:
            start = time.perf_counter()
            batch = next(source)
            waited += time.perf_counter() - start
            yield batch

    train(contender, stream(), meter, (0.25, 0.5), Nobody(), CPU)
    return 1 - (contender.inside_s + waited) / meter.seconds


def test_harness_costs_at_most_two_percent_of_counted_time(data_of):
    """The smallest of several runs: another process's turn on the core is not the harness's work."""
    assert min(own_share(data_of["image"][1]) for _ in range(5)) <= 0.02
