"""Every contender of the package, small, with made-up data of each of its modalities: what tests walk over."""

import pytest
import torch

from paragone.models import Batch, DataSpec, registered

# What tests of their own add to the registry is not ours to walk over.
CONTENDERS = [name for name, cls in registered().items() if cls.__module__.startswith("paragone.models.")]
DIGITS = DataSpec("image", (1, 8, 8), levels=17)
HOMES = {"image": DIGITS, "points": DataSpec("points", (2,))}
"""The data on which a contender of each modality is walked through everything."""
WIDTH = 8


def serving(modality):
    return [name for name in CONTENDERS if modality in registered()[name].modalities]


def home(name):
    """The data of a contender's first modality."""
    return HOMES[registered()[name].modalities[0]]


every_contender = pytest.mark.parametrize(
    ("name", "spec"),
    [pytest.param(name, HOMES[m], id=name if m == "image" else f"{name}-{m}") for m in HOMES for name in serving(m)],
)
every_image_contender = pytest.mark.parametrize("name", serving("image"))


def build(name, spec, width=WIDTH, seed=0):
    torch.manual_seed(seed)
    contender = registered()[name](spec, width)
    contender.generator = torch.Generator().manual_seed(seed)
    return contender


def items(spec, n, seed=0):
    """Images of uniform levels; points at one of four places, a little off."""
    draws = torch.Generator().manual_seed(seed)
    if spec.levels is None:
        places = torch.randint(2, (n, *spec.shape), generator=draws) * 2.0 - 1.0
        return places + 0.1 * torch.randn(n, *spec.shape, generator=draws)
    levels = torch.randint(spec.levels, (n, *spec.shape), generator=draws)
    return levels * (2.0 / (spec.levels - 1)) - 1.0


def train(contender, spec, steps=3, batch=16):
    """A few updates spread over the whole budget, so that every stage is visited."""
    contender.train()
    for k in range(steps):
        contender.update(Batch(items(spec, batch, seed=k)), k / steps)
    return contender


def prepared(contender, spec):
    contender.eval()
    condition = None if spec.classes is None else torch.arange(32) % spec.classes
    if "prepare" in contender.abilities():
        with torch.no_grad():
            contender.prepare([Batch(items(spec, 32, seed=s), condition) for s in range(4)])
    return contender


def sample(contender, n, seed=0, sampler=None):
    contender.eval()
    with torch.no_grad():
        return contender.sample(n, torch.Generator().manual_seed(seed), sampler=sampler)


def quick_samplers(contender):
    """All samplers but those of a thousand steps, which take too long here."""
    return [s for s in contender.samplers if "1000" not in s and s not in contender.labelled_samplers]
