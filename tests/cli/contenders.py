"""Contenders for tests, added with --add: one that behaves, and one for each way to misbehave."""

import ctypes
import os
import subprocess
import time
from pathlib import Path

import torch
from torch import nn

from paragone.models import Contender, DataSpec, register


class Decoder(Contender):
    """Noise through two layers, fitted to the pixels: small, fast, learns a little."""

    batch_size = 64

    def __init__(self, spec: DataSpec, width: int):
        super().__init__()
        self.shape = spec.shape
        self.net = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, torch.Size(spec.shape).numel()))
        self.optimiser = torch.optim.Adam(self.parameters(), 1e-3)

    def update(self, batch, progress):
        z = torch.randn(len(batch.x), 8, generator=self.generator)
        loss = (self.net(z) - batch.x.flatten(1)).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss": loss.detach()}

    def sample(self, n, generator, condition=None, sampler=None):
        return self.net(torch.randn(n, 8, generator=generator)).view(n, *self.shape)


@register("good", family="autoencoder", modalities=("image",))
class Good(Decoder):
    pass


@register("good-twin", family="gan", modalities=("image",))
class GoodTwin(Decoder):
    pass


@register("raises", family="gan", modalities=("image",))
class Raises(Decoder):
    def update(self, batch, progress):
        if progress > 0.5:
            raise RuntimeError("the generator has\nlost its way")
        return super().update(batch, progress)


@register("raises-at-once", family="gan", modalities=("image",))
class RaisesAtOnce(Decoder):
    def __init__(self, spec, width):
        raise ValueError("cannot be built")


@register("nan-loss", family="gan", modalities=("image",))
class NanLoss(Decoder):
    def update(self, batch, progress):
        return {"loss": torch.tensor(float("nan"))}


@register("nan-samples", family="gan", modalities=("image",))
class NanSamples(Decoder):
    def sample(self, n, generator, condition=None, sampler=None):
        return super().sample(n, generator) * float("nan")


@register("wrong-shape", family="gan", modalities=("image",))
class WrongShape(Decoder):
    def sample(self, n, generator, condition=None, sampler=None):
        return super().sample(n, generator)[:, 0]


@register("wrong-dtype", family="gan", modalities=("image",))
class WrongDtype(Decoder):
    def sample(self, n, generator, condition=None, sampler=None):
        return super().sample(n, generator).double()


@register("never-ends", family="gan", modalities=("image",))
class NeverEnds(Decoder):
    def update(self, batch, progress):
        while True:
            time.sleep(1)


@register("exits", family="gan", modalities=("image",))
class Exits(Decoder):
    def update(self, batch, progress):
        os._exit(7)


@register("dumps-core", family="gan", modalities=("image",))
class DumpsCore(Decoder):
    def update(self, batch, progress):
        ctypes.string_at(0)


@register("eats-memory", family="gan", modalities=("image",))
class EatsMemory(Decoder):
    def update(self, batch, progress):
        self.held = [*getattr(self, "held", []), torch.ones(25_000_000)]
        time.sleep(0.05)
        return {}


@register("chatters", family="gan", modalities=("image",))
class Chatters(Decoder):
    def update(self, batch, progress):
        print("\x1b[2J" + "noise " * 1000)
        return super().update(batch, progress)


@register("writes-elsewhere", family="gan", modalities=("image",))
class WritesElsewhere(Decoder):
    """Overwrites the samples of others from Python; the folder is named by the test."""

    def sample(self, n, generator, condition=None, sampler=None):
        for path in Path(os.environ["PARAGONE_TEST_OUT"]).glob("samples/*/*.npz"):
            path.write_bytes(b"spoilt")
        return super().sample(n, generator)


@register("writes-through-a-shell", family="gan", modalities=("image",))
class WritesThroughAShell(Decoder):
    """The same from another program, which no hook of Python sees; it waits until there is something to spoil."""

    def sample(self, n, generator, condition=None, sampler=None):
        script = "for f in samples/*/*.npz; do echo spoilt > $f; done; rm -f cells/*good.s0.json; touch samples/mine"
        subprocess.run(["sh", "-c", script], cwd=os.environ["PARAGONE_TEST_OUT"], check=True)
        return super().sample(n, generator)
