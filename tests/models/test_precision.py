"""Every contender at the sizes of the suite for GPUs, and those that allow bfloat16 under it: trained, sampled, not broken."""

import pytest
import torch

from paragone.bench.precision import precision
from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec, registered
from tests.specimens import DIGITS, build, items, prepared, quick_samplers, sample, serving

CONTENDERS = serving("image")
LARGE = {"mnist": DataSpec("image", (1, 28, 28), levels=256), "colour": DataSpec("image", (3, 32, 32), levels=256)}
PARAMETERS = 2_000_000
ALLOWED = [name for name in CONTENDERS if registered()[name].autocast]
CPU = torch.device("cpu")
FLOAT32, BFLOAT16 = precision("float32", CPU, True), precision("bfloat16", CPU, True)


def updated(contender, spec, steps=2, batch=4, numbers=FLOAT32):
    """Updates spread over the budget, each in a scope of its own; the last logs."""
    logs = {}
    for k in range(steps):
        with numbers.scope():
            logs = contender.train().update(Batch(items(spec, batch, seed=k)), (k + 0.5) / steps)
    return logs


def check_large(name, spec):
    """Build at the parameter budget, update in every stage, sample one item, all in what the contender allows."""
    width, count = solve_width(registered()[name], spec, PARAMETERS)
    assert not outside_budget(count, PARAMETERS), f"{name}: {count}"
    contender = build(name, spec, width)
    numbers = precision("bfloat16", CPU, contender.autocast)
    logs = updated(contender, spec, batch=2, numbers=numbers)
    assert all(torch.as_tensor(value).isfinite() for value in logs.values()), f"{name}: {logs}"
    prepared(contender, spec)
    with numbers.scope():
        x = numbers.restore(sample(contender, 1, sampler=quick_samplers(contender)[-1]))
    assert (x.shape, x.dtype) == ((1, *spec.shape), torch.float32), name
    assert x.isfinite().all(), name


@pytest.mark.parametrize("name", CONTENDERS)
def test_two_million_parameters_on_mnist(name):
    check_large(name, LARGE["mnist"])


@pytest.mark.long
@pytest.mark.parametrize("name", CONTENDERS)
def test_two_million_parameters_in_colour(name):
    check_large(name, LARGE["colour"])


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_kept_stays_float32(name):
    """Weights, averages, codebooks, gradients and optimiser states: bfloat16 is for products alone."""
    contender = build(name, DIGITS)
    updated(contender, DIGITS, numbers=BFLOAT16)
    kept = dict(contender.state_dict())
    gradients = [p.grad for p in contender.parameters() if p.grad is not None]
    assert gradients
    assert not [key for key, value in kept.items() if value.dtype == torch.bfloat16], name
    assert not [g for g in gradients if g.dtype != torch.float32], name


@pytest.mark.parametrize("name", ALLOWED)
def test_an_update_in_bfloat16_is_one_in_float32_but_for_rounding(name):
    """Where the first step goes: the directions that the two take in all weights together are nearly the same."""
    plain, rounded, start = (build(name, DIGITS, width=16) for _ in range(3))
    updated(plain, DIGITS, steps=1, batch=32)
    updated(rounded, DIGITS, steps=1, batch=32, numbers=BFLOAT16)
    gradients = [
        torch.cat([p.grad.flatten() for p in contender.parameters() if p.grad is not None]).double()
        for contender in (plain, rounded)
    ]
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99, name
    assert not torch.equal(*gradients), f"{name}: nothing ran in bfloat16"
    assert not all(torch.equal(a, b) for a, b in zip(plain.parameters(), start.parameters(), strict=True)), name


@pytest.mark.parametrize("name", ALLOWED)
def test_samples_in_bfloat16_are_those_in_float32_but_for_rounding(name):
    contender = build(name, DIGITS, width=16)
    updated(contender, DIGITS, steps=8, batch=32)
    prepared(contender, DIGITS)
    sampler = quick_samplers(contender)[0]
    plain = sample(contender, 32, sampler=sampler)
    with BFLOAT16.scope():
        rounded = BFLOAT16.restore(sample(contender, 32, sampler=sampler))
    distance = (plain - rounded).abs().mean()
    assert distance < 0.1 * (plain - plain.flip(0)).abs().mean() + 0.02, f"{name}: {distance}"
