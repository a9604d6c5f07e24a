"""Contenders whose place is known beforehand, added with --add: the contest must find what was planted.

Each draws real digits that no contender has trained on (the validation split), or training digits, and spoils them in a known
way. A vector of parameters near the budget is fitted to the mean digit by plain gradient descent, so that each is built, sized,
trained and audited as any contender; samples do not depend on it. Every name draws from its own stream: cells hand the same seed
to all contenders, and twins that draw the same digits would differ in nothing at all.
"""

import time
import zlib
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from paragone.bench.data import Dataset, load
from paragone.bench.data.dataset import to_unit
from paragone.models import Contender, DataSpec, register

IMAGE = {"family": "gan", "modalities": ("image",)}
NOISE_SHARES = {"planted-real": 0.0, "planted-noise-25": 0.25, "planted-noise-50": 0.50, "planted-noise-75": 0.75}
"""Name -> share of noise images, best first; with 200 images the steps between them are 2 to 4 sd of one seed's log FID."""
DROPPED = (3, 5, 8)
CALL_S, ITEM_S = 0.010, 0.0005
"""Planted cost of one call of `sample` and of each item in it; far above what drawing costs."""


@cache
def digits() -> Dataset:
    return load("digits")


class Planted(Contender):
    """Draws digits of one split; subclasses say which and spoil them."""

    noise_share: ClassVar[float] = 0.0
    split: ClassVar[str] = "validation"
    repeats: ClassVar[int] = 1

    def __init__(self, spec: DataSpec, width: int):
        super().__init__()
        self.shape = spec.shape
        self.weight = nn.Parameter(torch.zeros(width, torch.Size(spec.shape).numel()))

    def update(self, batch, progress):
        loss = (self.weight - batch.x.flatten(1).mean(0)).square().sum(1).mean()
        (gradient,) = torch.autograd.grad(loss, self.weight)
        with torch.no_grad():
            self.weight -= 0.1 * len(self.weight) * self.learning_rate_factor * gradient
        return {"loss": loss.detach()}

    def sample(self, n, generator, condition=None, sampler=None):
        for _ in range(self.repeats):
            word = int(torch.randint(2**62, (), generator=generator))
            x = self.draw(n, np.random.default_rng([word, zlib.crc32(self.name.encode())]))
            time.sleep(CALL_S + ITEM_S * n)
        return torch.from_numpy(x.astype(np.float32))

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """n images (n, C, H, W) in [-1, 1]."""
        x = self.pool()[rng.integers(len(self.pool()), size=n)]
        noisy = rng.random(n) < self.noise_share
        return np.where(noisy[:, None, None, None], rng.uniform(-1, 1, x.shape), x)

    def pool(self) -> np.ndarray:
        return to_unit(getattr(digits(), self.split).items, digits().level_count)


@register("planted-real", **IMAGE)
class Real(Planted):
    pass


@register("planted-twin", **IMAGE)
class Twin(Planted):
    """`planted-real` under another name."""


@register("planted-noise-25", **IMAGE)
class Noise25(Planted):
    noise_share = NOISE_SHARES["planted-noise-25"]


@register("planted-noise-50", **IMAGE)
class Noise50(Planted):
    noise_share = NOISE_SHARES["planted-noise-50"]


@register("planted-noise-75", **IMAGE)
class Noise75(Planted):
    noise_share = NOISE_SHARES["planted-noise-75"]


@register("planted-copies", **IMAGE)
class Copies(Planted):
    split = "train"


@register("planted-noisy-copies", **IMAGE)
class NoisyCopies(Copies):
    def draw(self, n, rng):
        x = super().draw(n, rng)
        return x + 0.10 * rng.standard_normal(x.shape)


@register("planted-shifted-copies", **IMAGE)
class ShiftedCopies(Copies):
    """Every digit one pixel to the right, its left edge repeated."""

    def draw(self, n, rng):
        x = super().draw(n, rng)
        return np.concatenate([x[..., :1], x[..., :-1]], axis=-1)


@register("planted-seven-classes", **IMAGE)
class SevenClasses(Planted):
    def pool(self):
        return super().pool()[~np.isin(digits().validation.labels, DROPPED)]


@register("planted-slow", **IMAGE)
class Slow(Planted):
    """`planted-real` that does everything twice."""

    repeats = 2


@register("planted-coin", **IMAGE)
class Coin(Planted):
    """Diverges with probability one half, decided in its first update by the cell's own generator."""

    def update(self, batch, progress):
        if progress == 0 and float(torch.rand((), generator=self.generator)) < 0.5:
            return super().update(batch, progress) | {"loss": torch.tensor(float("nan"))}
        return super().update(batch, progress)
