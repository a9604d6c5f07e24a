"""A budget in flops ends every contender: of constant work within one update of the truth, others within sixteen."""

import pytest
import torch

from paragone.bench.budget import PERIOD, Budget, Meter
from paragone.bench.profile.flops import FlopCount
from paragone.bench.train import batches, train
from paragone.models import DataSpec, registered
from tests.watchers import Nobody

CPU = torch.device("cpu")
SPEC = DataSpec("image", (1, 8, 8), levels=17)
BATCH = 16
UPDATES = 60


@pytest.mark.parametrize("name", [name for name, cls in registered().items() if "image" in cls.modalities])
def test_every_contender_ends_at_its_budget(name, monkeypatch):
    torch.manual_seed(0)
    cls = registered()[name]
    monkeypatch.setattr(cls, "batch_size", BATCH)
    contender = cls(SPEC, 8)
    truth, stages, update = [], [], contender.update

    def noted(batch, progress):
        with FlopCount(CPU) as counted:
            logs = update(batch, progress)
        truth.append(counted.flops)
        stages.append(contender.stage_at(progress)[0])
        return logs

    contender.update = noted
    stream = batches(torch.rand(64, 1, 8, 8) * 2 - 1, BATCH, torch.Generator().manual_seed(0))
    noted(next(stream), 0.0)
    meter = Meter(Budget("flops", UPDATES * truth.pop()))
    stages.clear()
    train(contender, stream, meter, (0.5,), Nobody(), CPU)
    constant = all(len({f for f, s in zip(truth, stages, strict=True) if s == stage}) == 1 for stage in stages)
    assert abs(sum(truth) - meter.counting.flops) <= (0 if constant else PERIOD * max(truth)), name
    assert meter.spent >= meter.budget.amount
    assert meter.overrun <= meter.last_update <= max(truth)
    assert set(stages) == {stage for stage, _ in contender.stages}
