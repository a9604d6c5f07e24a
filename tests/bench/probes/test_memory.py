"""Memory against batch size and updates, on contenders whose needs are planted to the byte."""

import numpy as np
import pytest
import torch

from paragone.bench.probes import memory
from paragone.bench.probes.copies import middles
from paragone.bench.probes.memory import COUNTS, MEMORY
from paragone.bench.probes.peaks import held
from paragone.bench.profile.memory import PeakMark, release_freed
from tests.bench.probes.planted import Silent, Staged, found, subject

CPU = torch.device("cpu")
KIB = 1 << 10
MIB = 1 << 20
PICTURE = 256
"""Bytes of a picture of 8 x 8 pixels."""


def needed(size):
    """A block of this many bytes, let go of unless it is kept."""
    return torch.empty(size, dtype=torch.uint8)


class Needy(Silent):
    """64 KiB for an item of a batch; a sampler that holds `states` pictures an item."""

    states = 20

    def update(self, batch, progress):
        needed(64 * KIB * len(batch.x))
        return {}

    def sample(self, n, generator, condition=None, sampler=None):
        return [torch.ones(n, *self.spec.shape) for _ in range(self.states)][-1]


class Lazy(Needy):
    """Needs three times as much in every 16th update, from the fifth on."""

    def __init__(self, spec, width):
        super().__init__(spec, width)
        self.updates = 0

    def update(self, batch, progress):
        self.updates += 1
        return super().update(batch, progress) if self.updates % 16 != 5 else needed(192 * KIB * len(batch.x))


class Hoarder(Silent):
    """Keeps `kept` bytes of each update, and needs `passing` bytes besides."""

    kept, passing = MIB, 0

    def __init__(self, spec, width):
        super().__init__(spec, width)
        self.hoard = []

    def update(self, batch, progress):
        self.hoard.append(needed(self.kept))
        needed(self.passing)
        return {}


class LateHoarder(Hoarder):
    """Hoards in its second stage alone, which needs 96 KiB an item."""

    stages = (("first", 0.3), ("second", 0.7))
    kept = 64 * KIB

    def update(self, batch, progress):
        late = self.stage_at(progress)[0] == "second"
        needed(32 * KIB * (3 if late else 1) * len(batch.x))
        return super().update(batch, progress) if late else {}


def answers(contender, digits):
    return found(MEMORY, subject(contender, digits))


def test_peak_and_rest_of_a_call_are_told_to_the_byte():
    kept = []

    def call():
        needed(8 * MIB)
        kept.append(needed(MIB))
        needed(2 * MIB)

    for _ in range(2):
        told = held(CPU, call)
        assert (told.peak_bytes, told.kept_bytes) == (8 * MIB, MIB)
    assert held(CPU, kept.clear).kept_bytes == -2 * MIB
    assert held(CPU, needed, 5).peak_bytes == 5


def test_forward_and_backward_are_counted():
    """x w, tanh(x w), their sum, and backwards the gradients of tanh(x w) and x w; what autograd saved is let go after use."""
    x, w = torch.ones(1000, 100), torch.ones(100, 50, requires_grad=True)

    def call():
        y = (x @ w).tanh()  # x w, 200,000 bytes, and tanh, which autograd keeps
        return y.square().sum().item()

    assert held(CPU, call).peak_bytes in range(400_000, 400_100)
    told = held(CPU, lambda: (x @ w).tanh().sum().backward())
    assert told.kept_bytes == w.grad.numel() * 4


def test_a_call_that_raises_leaves_no_profiler_behind():
    threads = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        held(CPU, lambda: 1 / 0)
    assert torch.get_num_threads() == threads
    assert held(CPU, needed, MIB).peak_bytes == MIB


def test_the_kernel_agrees_where_the_heap_adds_nothing():
    """Blocks of more than 32 MiB have pages of their own with glibc, so that the resident set is what is held."""
    mark = PeakMark()
    release_freed()
    mark.reset()
    before = mark.peak_bytes()
    told = held(CPU, torch.ones, 32 * MIB)
    assert told.peak_bytes == 128 * MIB
    assert mark.peak_bytes() - before == pytest.approx(told.peak_bytes, rel=0.05)


def test_bytes_an_item_are_those_planted(digits):
    found = answers(Needy(digits.spec, 1), digits)
    train, sample = (found[f"{phase}_memory_per_item_bytes"] for phase in ("train", "sample"))
    assert train.value == pytest.approx(64 * KIB, rel=1e-6)
    assert train.repeats == (4 * 64 * KIB, 8 * 64 * KIB, 16 * 64 * KIB)
    assert sample.value == pytest.approx(20 * PICTURE, rel=1e-6)
    assert "16, 32, 64, 128 items at once, R^2 = 1.0000" in sample.source
    assert found["train_memory_steps_exponent"].value == 0


def test_a_sampler_that_keeps_all_its_states_needs_more_for_each_item(digits):
    many = Needy(digits.spec, 1)
    many.states = 200
    assert answers(many, digits)["sample_memory_per_item_bytes"].value == pytest.approx(200 * PICTURE, rel=1e-6)


def test_terms_that_are_added_now_and_then_are_in_the_peak(digits):
    found = answers(Lazy(digits.spec, 1), digits)
    assert found["train_memory_per_item_bytes"].value == pytest.approx(192 * KIB, rel=1e-6)
    assert found["train_memory_steps_exponent"].value == 0


@pytest.mark.parametrize(("kept", "passing", "least"), [(MIB, 0, 0.99), (MIB, 64 * MIB, 0.3), (MIB, 256 * MIB, 0.1)])
def test_a_hoarder_has_the_exponent_of_the_closed_form(digits, kept, passing, least):
    contender = type("Planted", (Hoarder,), {"kept": kept, "passing": passing})(digits.spec, 1)
    measured = answers(contender, digits)["train_memory_steps_exponent"]
    peaks = kept * np.array(COUNTS) + passing
    assert measured.value == pytest.approx(np.polyfit(np.log(COUNTS), np.log(peaks), 1)[0], abs=1e-3)
    assert measured.value > least
    assert np.exp(measured.repeats) == pytest.approx(peaks, rel=1e-3)


def test_the_stage_that_needs_most_counts(digits):
    found = answers(LateHoarder(digits.spec, 1), digits)
    growth, an_item = found["train_memory_steps_exponent"], found["train_memory_per_item_bytes"]
    assert "stage second" in growth.source
    assert growth.value > 0.1
    assert an_item.value == pytest.approx(96 * KIB, rel=1e-6)
    assert an_item.repeats[0] == 15 * 64 * KIB + 4 * 96 * KIB  # with what the updates before kept


def test_a_batch_is_as_large_as_activations_need_to_stand_out(digits):
    class Large(Needy):
        def __init__(self, spec, width):
            super().__init__(spec, width)
            self.weight = torch.nn.Parameter(torch.zeros(MIB))  # 4 MiB, of which four make 256 items

    sizes = answers(Large(digits.spec, 1), digits)["train_memory_per_item_bytes"]
    assert "256, 512, 1024 items" in sizes.source


def test_nothing_an_item_is_no_value(digits):
    measured = answers(Silent(digits.spec, 1), digits)["train_memory_per_item_bytes"]
    assert measured.value is None
    assert "does not grow" in measured.source


def test_slow_contenders_get_fewer_points(digits, monkeypatch):
    monkeypatch.setattr(memory, "LIMIT_S", 0.0)
    found = answers(Needy(digits.spec, 1), digits)
    assert [found[metric].n for metric in MEMORY.metrics] == [3, 3, 2]


def test_contenders_too_slow_get_no_value(digits, monkeypatch):
    monkeypatch.setattr(memory, "TOO_LONG_S", 0.0)
    found = answers(Needy(digits.spec, 1), digits)
    for metric in ("train_memory_per_item_bytes", "train_memory_steps_exponent"):
        assert found[metric].value is None
        assert found[metric].source.startswith("too slow: ")


def test_a_copy_reaches_its_stage_by_one_update_in_each_before(digits):
    contender = Staged(digits.spec, 1)
    assert middles(contender) == pytest.approx((0.15, 0.65))
    assert [memory._at_stage(subject(contender, digits), k).seen for k in (0, 1)] == [[], ["first"]]
