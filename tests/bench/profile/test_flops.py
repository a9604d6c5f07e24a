"""A count is a sum over what ran, whoever ran it; and a counted run is the run that it counts."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from paragone.bench.profile.flop_formulas import FORMULAS
from paragone.bench.profile.flops import FlopCount
from paragone.models import Batch, DataSpec
from tests.bench.profile.counting import CPU, counted
from tests.specimens import DIGITS, build, every_contender, items

B = 3


# What holds of any count


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from([0.0, 1.0, math.nan]))
def test_a_count_is_linear_in_the_batch_independent_of_values_and_additive(n, m, value):
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(2), nn.Linear(4, 5), nn.LSTM(5, 3, batch_first=True))

    def step(size, value=0.5):
        net(torch.full((size, 2, 4, 4), value))[0].sum().backward()

    one, _ = counted(lambda: step(1))
    assert counted(lambda: step(n, value))[0] == n * one
    assert counted(lambda: (step(n), step(m)))[0] == (n + m) * one


def test_a_count_within_a_count():
    with FlopCount(CPU) as outer:
        torch.ones(3, 4) @ torch.ones(4, 5)
        with FlopCount(CPU) as inner:
            torch.ones(2, 4) @ torch.ones(4, 5)
    assert (outer.flops, inner.flops) == (2 * 5 * 4 * 5, 2 * 2 * 4 * 5)


def test_compiled_functions_run_eagerly_and_compiled_again_afterwards():
    compiled = []

    def backend(graph, _):
        return lambda *x: (compiled.append(1), graph(*x))[1]

    layer = torch.compile(nn.Linear(4, 5), backend=backend)
    layer(torch.ones(B, 4))
    assert counted(lambda: layer(torch.ones(B, 4)))[0] == 2 * B * 4 * 5
    assert len(compiled) == 1
    layer(torch.ones(B, 4))
    assert len(compiled) == 2


def test_everything_is_restored_when_the_work_fails():
    before = torch.backends.cuda.flash_sdp_enabled(), torch.backends.mha.get_fastpath_enabled()
    count = FlopCount(CPU)
    with pytest.raises(RuntimeError, match="same dtype"), count:
        torch.ones(3, 4) @ torch.ones(4, 5) @ torch.ones(5, 6, dtype=torch.int64)
    assert count.flops == 2 * 3 * 4 * 5
    assert (torch.backends.cuda.flash_sdp_enabled(), torch.backends.mha.get_fastpath_enabled()) == before
    seconds = dict(count.seconds)
    torch.ones(3, 4) @ torch.ones(4, 5)
    assert (count.flops, count.seconds) == (2 * 3 * 4 * 5, seconds), "it still counts"


def test_the_share_of_time():
    assert FlopCount(CPU).time_share is None
    with FlopCount(CPU) as nothing:
        pass
    assert (nothing.flops, nothing.time_share) == (0, None)
    a, b = torch.ones(500, 500), torch.ones(2)
    with FlopCount(CPU) as product:
        a @ a
        b + b
    with FlopCount(CPU) as sums:
        b @ b
        torch.sin(a)
    assert product.time_share > 0.8 > 0.5 > sums.time_share > 0
    assert set(sums.seconds) == {"aten.dot", "aten.sin"}
    spent = product.seconds
    assert product.time_share == pytest.approx(spent["aten.mm"] / (spent["aten.mm"] + spent["aten.add"]))


def test_inference_takes_the_same_kernels():
    """Operators that are only made of others come whole in inference mode: what they are made of is what runs uncounted."""
    net = nn.Sequential(nn.Linear(5, 7), nn.SiLU(), nn.LSTM(7, 4))
    with torch.inference_mode():
        x = torch.randn(6, B, 5, generator=torch.Generator().manual_seed(0))
        plain, (_, again) = net(x), counted(lambda: net(x))
    assert torch.equal(plain[0], again[0])


def test_jacobians_by_functional_transformations():
    net, x = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 4)), torch.ones(B, 5)
    forward = 2 * B * (5 * 7 + 7 * 4)
    flops, _ = counted(lambda: torch.func.vmap(torch.func.jacrev(net))(x))
    assert flops == forward + 4 * forward  # a backward pass for each of four outputs


# Contenders


def batch(spec, seed=0, n=8):
    return Batch(items(spec, n, seed))


DRAWN_COSTS = {"consistency": 0.05}
"""How far counts vary where what is done depends on what is drawn: an item's time decides whether the teacher sees it."""


@every_contender
def test_every_contender_counts_the_same_again(name, spec):
    """In every stage, after a whole period of what is done at every second, fourth, eighth or sixteenth update alone.

    The first period holds what is done once, such as scales set by the first batch, and is not counted.
    """
    trained, start = build(name, spec), 0.0
    for stage, share in trained.stages:
        flops = {}
        for k in range(34):
            update = partial(trained.update, batch(spec, k), start + share * (0.5 + 0.01 * k))
            if k not in (16, 17, 32, 33):
                update()
                continue
            with FlopCount(CPU) as count:
                update()
            flops[k] = count.flops
            assert 0 < count.time_share <= 1, f"{name} {stage}"
        for k in (16, 17):
            assert 0 < flops[k] == pytest.approx(flops[k + 16], rel=DRAWN_COSTS.get(name, 0)), f"{name} {stage}"
        start += share


@every_contender
def test_torchs_counter_finds_the_same(name, spec):
    """A second implementation, with the formulas added; it cannot count gradient penalties, of which update 1 has none."""
    ours, torchs = build(name, spec), build(name, spec)
    ours.update(batch(spec), 0.3)
    torchs.update(batch(spec), 0.3)
    flops, _ = counted(lambda: ours.update(batch(spec), 0.3))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False, custom_mapping=FORMULAS) as count:
        torchs.update(batch(spec), 0.3)
    assert flops == count.get_total_flops(), name


@every_contender
def test_a_counted_update_is_the_update(name, spec):
    """To the last bit, the state of the generators too; attention, if any, runs as matrix products in both."""
    plain, watched = build(name, spec), build(name, spec)
    before = torch.get_rng_state()
    for k in range(3):
        with sdpa_kernel(SDPBackend.MATH):  # nothing to those without attention
            plain.update(batch(spec, k), k / 3)
        counted(lambda k=k: watched.update(batch(spec, k), k / 3))
    assert torch.equal(torch.get_rng_state(), before), f"{name} or its count draws from the global generator"
    assert torch.equal(plain.generator.get_state(), watched.generator.get_state()), name
    for (key, value), other in zip(plain.state_dict().items(), watched.state_dict().values(), strict=True):
        assert torch.equal(value, other), f"{name}: {key} differs"


@pytest.mark.parametrize("spec", [DIGITS, DataSpec("image", (3, 12, 20), levels=256)], ids=["dense", "tiles"])
def test_a_coupling_flow(spec):
    """RealNVP by hand: each coupling's network enters, has two inner layers, and leaves with s and t."""
    width, n = 8, 4
    # (couplings, values of a tile, tiles, filter of the inner layers) of each chain
    dense = [(6, 32, 1, 1), (4, 16, 1, 1)]  # 8x8: halves of 2x4x4 in colours and channels, then of 4x2x2, one tile each
    tiles = [(6, 24, 15, 9), (4, 12, 15, 9)]  # 12x20: 6x6x10 in tiles of 2x2, then 12x3x5 in tiles of one place
    chains = dense if spec is DIGITS else tiles
    forward = 2 * sum(
        many * places * (values * width + 2 * size * width**2 + width * 2 * values) for many, values, places, size in chains
    )
    first = 2 * chains[0][2] * chains[0][1] * width  # by data, of which nobody wants the gradient
    trained = build("realnvp", spec, width)
    assert counted(lambda: trained.update(batch(spec, n=n), 0.1))[0] == n * (3 * forward - first)
    with torch.no_grad():
        assert counted(lambda: trained.sample(1, torch.Generator().manual_seed(0)))[0] == forward
