"""Who runs where: cells share the cores of the CPU, or have a GPU each; what cannot be had is refused with words."""

import pytest

from paragone.bench.budget import Budget
from paragone.bench.errors import UsageError
from paragone.bench.execute import check_energy, choose_devices, one_gpu_each

FOUR = ["Example GPU"] * 4


@pytest.mark.parametrize(
    ("text", "jobs", "devices"),
    [
        ("auto", 1, ("cuda:0",)),
        ("cuda", 3, ("cuda:0", "cuda:1", "cuda:2")),
        ("cuda:2", 1, ("cuda:2",)),
        ("auto", 4, ("cuda:0", "cuda:1", "cuda:2", "cuda:3")),
    ],
)
def test_each_cell_has_a_gpu_of_its_own(text, jobs, devices):
    assert one_gpu_each(text, jobs, FOUR) == devices


@pytest.mark.parametrize(
    ("text", "jobs", "gpus", "words"),
    [
        ("cuda", 1, [], "torch sees 0 CUDA devices"),
        ("cuda:4", 1, FOUR, "torch sees 4 CUDA devices"),
        ("cuda", 5, FOUR, "torch sees 4 CUDA devices"),
        ("cuda:1", 2, FOUR, "needs one each"),
        ("cuda:x", 1, FOUR, "is not one of auto, cpu, cuda"),
        ("cuda:", 1, FOUR, "is not one of auto, cpu, cuda"),
        ("tpu", 1, FOUR, "is not one of auto, cpu, cuda"),
        ("cuda", 2, ["A", "B"], "the GPUs differ"),
    ],
)
def test_what_cannot_be_had_is_refused(text, jobs, gpus, words):
    with pytest.raises(UsageError, match=words):
        one_gpu_each(text, jobs, gpus)


def test_two_kinds_of_gpu_are_fine_where_one_is_named():
    assert one_gpu_each("cuda:1", 1, ["A", "B"]) == ("cuda:1",)


def test_cells_on_the_cpu_share_it():
    assert choose_devices("cpu", 1) == ("cpu",)
    with pytest.raises(UsageError, match="must lie between 1 and"):
        choose_devices("cpu", 0)


def test_only_a_budget_in_joules_needs_a_counter():
    for budget in ("20 s", "20 steps", "1e9 flops"):
        check_energy(Budget.parse(budget), ["cpu"])
