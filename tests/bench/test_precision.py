"""Autocast reaches what it should and keeps nothing between two uses of a weight; what was used is said, and refused in words."""

import hashlib
import json

import pytest
import torch
from torch import nn

from paragone.bench.errors import UsageError
from paragone.bench.precision import Precision, precision
from paragone.bench.suite import check_suite

CPU = torch.device("cpu")
KEYS = {
    "name": "small",
    "budget": {"train": "5 steps", "parameters": 1000},
    "tracks": [{"name": "digits", "data": "digits", "contenders": ["vae"]}],
}


def product(scope):
    """dtype of a matrix product of float32 matrices."""
    with scope():
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(
    ("asked", "allowed", "used", "stated"),
    [
        ("float32", False, "float32", "float32"),
        ("float32", True, "float32", "float32"),
        ("bfloat16", True, "bfloat16", "bfloat16"),
        ("bfloat16", False, "float32", "float32: the contender does not allow bfloat16"),
    ],
)
def test_what_is_used_is_said_and_is_what_products_are_computed_in(asked, allowed, used, stated):
    found = precision(asked, CPU, allowed)
    assert (found.used, found.stated) == (used, stated)
    assert product(found.scope) == getattr(torch, used)
    assert product(found.scope) == getattr(torch, used)  # a new context each time
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_a_weight_stepped_within_an_update_is_used_as_it_is_then():
    """Autocast's cache would hand out the converted weight from before the step."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    with precision("bfloat16", CPU, True).scope():
        assert layer(torch.ones(1, 1)).item() == 1.0
        with torch.no_grad():
            layer.weight.fill_(3.0)
        assert layer(torch.ones(1, 1)).item() == 3.0


def test_samples_come_back_in_float32_and_nothing_else_is_mended():
    bfloat16, float32 = precision("bfloat16", CPU, True), precision("float32", CPU, True)
    x = torch.tensor([1.0, -0.5], dtype=torch.bfloat16)
    assert bfloat16.restore(x).dtype == torch.float32
    assert torch.equal(bfloat16.restore(x), torch.tensor([1.0, -0.5]))
    assert float32.restore(x) is x
    half = x.half()
    assert bfloat16.restore(half) is half
    assert bfloat16.restore("no tensor") == "no tensor"


def test_levels_survive_bfloat16():
    """Half the distance of 256 levels is 1/255, the largest rounding error in [-1, 1] half of that: no level is lost."""
    levels = torch.arange(256)
    x = (levels * (2 / 255) - 1).to(torch.bfloat16).float()
    assert torch.equal(torch.round((x + 1) * (255 / 2)).long(), levels)


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown precision 'bfloat'.*Did you mean 'bfloat16'"):
        precision("bfloat", CPU, True)


def test_a_gpu_that_lacks_bfloat16_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device", lambda device: precision("float32", CPU, True).scope())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Example T4")
    with pytest.raises(UsageError, match=r'Example T4.*capability 8\.0.*precision = "float32"'):
        precision("bfloat16", torch.device("cuda:0"), True)
    assert precision("bfloat16", torch.device("cuda:0"), False).used == "float32"  # it is not asked for
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert precision("bfloat16", torch.device("cuda:0"), True) == Precision("bfloat16", "bfloat16", "cuda")


def test_the_table_of_a_suite_decides_what_is_run():
    plain = check_suite(KEYS, "x")
    assert (plain.training.precision, plain.training.compile) == ("float32", False)
    spelt = check_suite({**KEYS, "training": {"precision": "float32", "compile": False}}, "x")
    assert spelt.hash == plain.hash
    others = [{"precision": "bfloat16"}, {"compile": True}, {"precision": "bfloat16", "compile": True}]
    assert len({plain.hash, *(check_suite({**KEYS, "training": keys}, "x").hash for keys in others)}) == 4


def test_a_suite_without_the_table_keeps_its_hash():
    """The hash of a run made before there were such tables: its suite is still the same."""
    plain = check_suite(KEYS, "x")
    before = plain.model_dump(mode="json", exclude={"training", "title", "cell_timeout_s", "memory_limit_bytes", "claims"})
    for track in before["tracks"]:
        del track["samples"], track["samplers"]
    assert plain.hash == hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()[:16]


def test_what_is_wrong_in_the_table_is_named():
    with pytest.raises(UsageError, match=r"training\.precision.*'float32' or 'bfloat16'.*found 'float16'"):
        check_suite({**KEYS, "training": {"precision": "float16"}}, "x")
    with pytest.raises(UsageError, match=r"training\.compiled: there is no such key"):
        check_suite({**KEYS, "training": {"compiled": True}}, "x")
