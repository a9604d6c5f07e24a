"""A compiled contender is the same contender: names, weights, updates and samples; what cannot be compiled is refused in words.

Most tests have dynamo trace the modules and run what it traced as it is: code is generated in a long test alone.
"""

import copy
from collections import Counter
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils.flop_counter import FlopCounterMode

from paragone.bench import compilation
from paragone.bench.compilation import clear_failures, compile_parts, outermost, uncompiled
from paragone.bench.errors import UsageError
from paragone.models import Batch, Contender
from tests.specimens import CONTENDERS, DIGITS, build, home, items, prepared, sample, train

# torch looks at each tensor's `grad` while it traces, and hides the warning that this gives.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def forgotten():
    """What a test compiles and sets is forgotten after it."""
    with torch._dynamo.config.patch(recompile_limit=torch._dynamo.config.recompile_limit):
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()


@pytest.fixture
def traced(monkeypatch):
    """Graphs are traced, and run as they are: no code is generated."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))


def made(name):
    return build(name, home(name))


def drawn(contender, n):
    spec = home(contender.name)
    sampler = next(s for s in reversed(contender.offered_samplers(spec)) if "1000" not in s)
    return sample(prepared(contender, spec), n, seed=1, sampler=sampler)


def check_same(name):
    """Compiled and not: the same names, counts, updates and samples of several sizes."""
    plain, compiled = made(name), made(name)
    names = compile_parts(compiled, CPU)
    assert names
    assert list(plain.state_dict()) == list(compiled.state_dict())
    assert plain.trained_parameter_count() == compiled.trained_parameter_count()
    train(plain, home(name)), train(compiled, home(name))
    for (key, one), two in zip(plain.named_parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4, msg=lambda words, key=key: f"{name} {key}: {words}")
    for n in (5, 1, 3):
        torch.testing.assert_close(drawn(plain, n), drawn(compiled, n), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["dcgan", "vae", "vqvae"])
@pytest.mark.usefixtures("traced")
def test_a_traced_contender_does_the_same(name):
    check_same(name)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in CONTENDERS if name not in ("dcgan", "vae", "vqvae")])
@pytest.mark.usefixtures("traced")
def test_every_traced_contender_does_the_same(name):
    check_same(name)


@pytest.mark.long
@pytest.mark.parametrize("name", ["vae", "ddpm"])
def test_a_contender_of_generated_code_does_the_same(name):
    check_same(name)


@pytest.mark.parametrize("name", CONTENDERS)
def test_parts_can_be_called_are_apart_and_hold_every_weight_of_a_network(name):
    contender = made(name)
    parts = dict(outermost(contender))
    assert all(contender.get_submodule(key) is part for key, part in parts.items())
    inside = Counter(id(module) for part in parts.values() for module in part.modules())
    assert max(inside.values()) == 1
    held = {id(p) for part in parts.values() for p in part.parameters()}
    outside = [key for key, p in contender.named_parameters() if id(p) not in held]
    assert outside == [key for key in contender._parameters if contender._parameters[key] is not None]


def test_an_average_is_compiled_as_well_as_what_it_follows():
    assert compile_parts(made("ddpm"), CPU) == ("network", "average.module")


def test_a_copy_is_not_compiled():
    contender = made("ddpm")
    compile_parts(contender, CPU)
    twin = copy.deepcopy(contender)
    assert contender.network._compiled_call_impl is not None
    assert all(module._compiled_call_impl is None for module in twin.modules())


@pytest.mark.usefixtures("traced")
def test_uncompiled_counts_see_every_call_and_flop():
    plain, compiled = made("vae"), made("vae")
    compile_parts(compiled, CPU)
    train(compiled, DIGITS)
    assert counted(compiled) == counted(plain)


def counted(contender):
    """Calls of each kind of module, and flops, of a sample."""
    calls = Counter()
    hook = register_module_forward_pre_hook(lambda module, _: calls.update([type(module).__name__]))
    try:
        with uncompiled(), FlopCounterMode(display=False) as flops:
            drawn(contender, 1)
    finally:
        hook.remove()
    assert flops.get_total_flops() > 0
    return calls, flops.get_total_flops()


class Broken(Contender):
    """A contender whose network cannot be one graph."""

    name = "broken"

    def __init__(self):
        super().__init__()
        self.network = Breaks()

    def update(self, batch, progress):
        return {"loss": self.network(batch.x).mean()}

    def sample(self, n, generator, condition=None, sampler=None):
        return torch.zeros(n, 1, 8, 8)


class Breaks(nn.Module):
    def forward(self, x):
        torch._dynamo.graph_break()
        return x * 2


@pytest.mark.usefixtures("traced")
def test_what_is_no_single_graph_is_refused_not_run_uncompiled():
    contender = Broken()
    compile_parts(contender, CPU)
    with pytest.raises(UsageError, match=r"broken cannot be compiled: .*compile = false"), clear_failures("broken"):
        contender.update(Batch(items(DIGITS, 2)), 0.0)


@pytest.mark.usefixtures("traced")
def test_too_many_variants_are_refused_not_run_uncompiled(monkeypatch):
    monkeypatch.setattr(compilation, "RECOMPILATIONS", 1)
    contender = made("vae")
    compile_parts(contender, CPU)
    contender.update(Batch(items(DIGITS, 4)), 0.0)
    with pytest.raises(UsageError, match=r"vae .*more than 1 variants.*compile = false"), clear_failures("vae"):
        contender.update(Batch(items(DIGITS, 5)), 0.0)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="planted"), clear_failures("vae"):
        raise RuntimeError("planted")


def test_without_a_compiler_it_is_said_before_training():
    from torch._inductor import config

    refused = pytest.raises(UsageError, match=r"C\+\+ compiler.*Install g\+\+.*compile = false")
    with config.patch({"cpp.cxx": ("no-such-compiler",)}), refused:
        compile_parts(made("vae"), CPU)


def test_without_triton_it_is_said_before_training(monkeypatch):
    monkeypatch.setattr("torch.utils._triton.has_triton", lambda: False)
    with pytest.raises(UsageError, match=r"triton.*Install it.*compile = false"):
        compile_parts(made("vae"), torch.device("cuda"))
