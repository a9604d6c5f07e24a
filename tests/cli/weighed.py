"""Contenders of known weight and pace: what the profile must find is written into them."""

import time

import torch
from torch import nn

from paragone.models import Contender, DataSpec, register

MIB = 1 << 20


class Known(Contender):
    """Does what a test asks for, and nothing else."""

    batch_size = 64

    def __init__(self, spec: DataSpec, width: int):
        super().__init__()
        self.shape = spec.shape
        self.net = nn.Linear(4, 8)
        self.optimiser = torch.optim.SGD(self.parameters(), 0.1)

    def update(self, batch, progress):
        loss = self.net(batch.x.flatten(1)[:, :4]).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss": loss.detach()}

    def sample(self, n, generator, condition=None, sampler=None):
        return torch.rand(n, *self.shape, generator=generator) * 2 - 1


@register("holds-memory", family="gan", modalities=("image",))
class HoldsMemory(Known):
    """512 MiB in an update, 1 GiB in a call of sample, both given back."""

    def update(self, batch, progress):
        held = torch.ones(512 * MIB // 4)
        logs = super().update(batch, progress)
        del held
        return logs

    def sample(self, n, generator, condition=None, sampler=None):
        held = torch.ones(1024 * MIB // 4)
        x = super().sample(n, generator)
        del held
        return x


@register("sleeps", family="gan", modalities=("image",))
class Sleeps(Known):
    """10 ms an update, 50 ms an item sampled."""

    def update(self, batch, progress):
        ends = time.perf_counter() + 0.010
        logs = super().update(batch, progress)
        time.sleep(max(0.0, ends - time.perf_counter()))
        return logs

    def sample(self, n, generator, condition=None, sampler=None):
        ends = time.perf_counter() + 0.050 * n
        x = super().sample(n, generator)
        time.sleep(max(0.0, ends - time.perf_counter()))
        return x
