"""Contenders of known make, whose probes have known answers, and the subject that holds one."""

import time

import numpy as np
import torch

from paragone.bench.probes.probe import Subject
from paragone.models import Contender, Likelihood, NotTrained


class Silent(Contender):
    """Black pictures; learns nothing."""

    batch_size = 8
    pace_s = 0.0  # for each pixel of a sample

    def __init__(self, spec, width):
        super().__init__()
        self.spec = spec
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def update(self, batch, progress):
        return {"loss": 0.0}

    def sample(self, n, generator, condition=None, sampler=None):
        ends = time.perf_counter() + self.pace_s * self.spec.shape[1] * self.spec.shape[2]
        while time.perf_counter() < ends:
            pass
        return -torch.ones(n, *self.spec.shape)


class Paced(Silent):
    """A fixed time a pixel."""

    pace_s = 2e-5


class Steady(Silent):
    """The same time whatever the size."""

    def sample(self, n, generator, condition=None, sampler=None):
        time.sleep(2e-3)
        return -torch.ones(n, *self.spec.shape)


class Staged(Silent):
    """Samples once both stages have had an update and `prepare` was called."""

    stages = (("first", 0.3), ("second", 0.7))

    def __init__(self, spec, width):
        super().__init__(spec, width)
        self.seen = []

    def update(self, batch, progress):
        assert torch.is_grad_enabled()
        assert batch.x.shape[1:] == self.spec.shape
        self.seen.append(self.stage_at(progress)[0])
        return {}

    def prepare(self, batches):
        self.seen.append(f"prepared with {sum(len(b.x) for b in batches)}")

    def sample(self, n, generator, condition=None, sampler=None):
        if self.seen[:2] != ["first", "second"] or len(self.seen) != 3:
            raise NotTrained("both stages, please")
        return super().sample(n, generator)


class Linear(Silent):
    """A linear autoencoder with the axes (k, D) and the mean (D,) that it is given."""

    def __init__(self, spec, axes, mean):
        super().__init__(spec, 1)
        self.axes, self.mean = (torch.as_tensor(a, dtype=torch.float64) for a in (axes, mean))

    def encode(self, x):
        return (x.double().flatten(1) - self.mean) @ self.axes.T

    def decode(self, z):
        return (z @ self.axes + self.mean).float().clamp(-1, 1).view(-1, *self.spec.shape)


class Table(Silent):
    """Each of the 2^16 pictures of 4 x 4 pixels has a counted frequency; `leak` of the mass gets lost, `biased` samples lie."""

    batch_size = 512
    leak, biased, exact = 0.0, False, True

    def __init__(self, spec, width):
        super().__init__(spec, width)
        self.counts = torch.full((1 << 16,), 1e-3, dtype=torch.float64)

    def index(self, x):
        bits = (x.flatten(1)[:, :16] > 0).long()
        return (bits << torch.arange(bits.shape[1] - 1, -1, -1)).sum(1)

    def update(self, batch, progress):
        self.counts += torch.bincount(self.index(batch.x), minlength=1 << 16)
        return {}

    def log_prob(self, x):
        mass = (1 - self.leak) * self.counts / self.counts.sum()
        return Likelihood(mass[self.index(x)].log(), exact=self.exact)

    def sample(self, n, generator, condition=None, sampler=None):
        law = self.counts.sqrt() if self.biased else self.counts
        chosen = torch.multinomial(law, n, replacement=True, generator=generator)
        bits = (chosen[:, None] >> torch.arange(15, -1, -1)) & 1
        return (2.0 * bits - 1.0).float().view(n, *self.spec.shape)


class ClassGAN(Silent):
    """A bank of pictures, one a class; z has one coordinate a picture, and the largest decides."""

    def __init__(self, spec, bank, shuffled=False):
        super().__init__(spec, 1)
        self.bank, self.shuffled = torch.as_tensor(bank), shuffled

    def draw_latents(self, n, generator):
        return torch.randn(n, len(self.bank), generator=generator)

    def decode(self, z):
        chosen = z.argmax(1)
        if self.shuffled:  # far digits of all coordinates: no plane follows them
            chosen = (1e4 * z.sum(1)).floor().long() % len(self.bank)
        return self.bank[chosen]


class Noising(Silent):
    """A forward process with a_t = cos, s_t = sin of the way to `end` of a quarter turn, times `gain`."""

    end, gain = 1.0, 1.0

    def corrupt(self, x, progress, generator):
        angle = torch.tensor(progress * self.end * np.pi / 2)
        return self.gain * (angle.cos() * x + angle.sin() * torch.randn(x.shape, generator=generator))


def subject(contender, dataset, panel=None, seed=0):
    return Subject(dataset, torch.device("cpu"), seed, contender, 1, panel)


def found(probe, asked):
    """Measurements of a probe by metric."""
    with torch.no_grad():
        return {m.metric: m for m in probe.run(asked)}
