"""Compiling a contender's networks with torch.compile, whose time is training time.

Compiled are the outermost modules that can be called: a child that defines `forward`, else (a list of blocks, a weight average)
its own children. It is done in place by `Module.compile`: names, parameters and hooks stay, and deep copies are not compiled.
Compilation itself waits for the first call, in the first update, so that it is paid from the budget. What a contender
computes by other methods than calling a module (a flow's inverse, sampling with a cache) stays as it is.

Shapes: a size is compiled for itself the first time; when it changes, once more for any size (`dynamic=None`, torch's
default). An update always sees the same size, for which code made for that size is the fastest; sampling sees many.
Measured on a CPU with `vae`, samplings of 500, 1, 32, 128 and 360: compiled twice this way, five times with `dynamic=False`.

Never silently uncompiled: each module is one graph (`fullgraph`), which makes torch raise where it would else run Python between
graphs, or give up after too many shapes.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import nn

from paragone.bench.errors import UsageError
from paragone.models import Contender

RECOMPILATIONS = 64
"""Most variants of all modules together: sizes, with and without gradients, in float32 and in bfloat16. torch's own limit is 8."""
REMEDY = "Set compile = false in the suite's [training]"


def compile_parts(contender: Contender, device: torch.device) -> tuple[str, ...]:
    """Have the contender's networks compiled at their first call; their names, as in `named_modules`.

    Raises:
        UsageError: this machine lacks what compiling for the device needs.
    """
    _check_tools(device)
    torch._dynamo.config.recompile_limit = RECOMPILATIONS
    parts = dict(outermost(contender))
    for module in parts.values():
        module.compile(fullgraph=True, dynamic=None)
    return tuple(parts)


def outermost(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Names and modules below `module` that can be called and lie in none that can."""
    for name, child in module.named_children():
        if type(child).forward is nn.Module.forward:
            yield from outermost(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def is_compiled(contender: Contender) -> bool:
    """Whether any of its networks is to be compiled at its calls, or has been."""
    return any(module._compiled_call_impl is not None for module in contender.modules())


@contextmanager
def clear_failures(name: str) -> Iterator[None]:
    """Around updates and sampling of a compiled contender `name`: torch's errors become one line with the remedy.

    Raises:
        UsageError: a module cannot be compiled.
    """
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    try:
        yield
    except FailOnRecompileLimitHit as error:
        raise UsageError(f"{name} cannot be compiled: a module needs more than {RECOMPILATIONS} variants. {REMEDY}") from error
    except TorchDynamoException as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UsageError(f"{name} cannot be compiled: {first.rstrip('.')}. {REMEDY}") from error


def uncompiled() -> AbstractContextManager[object]:
    """A context in which compiled modules run as if they were not: for counting calls, parameters and flops.

    Compiled code runs no hooks that came after it, and torch refuses to compile under the modes that count.
    """
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance


def _check_tools(device: torch.device) -> None:
    """Code for a CPU is compiled by a C++ compiler, code for a GPU by triton."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise UsageError(f"compiling for a GPU needs the package triton, which is missing. Install it. Or: {REMEDY.lower()}")
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise UsageError(
            f"compiling for a CPU needs a C++ compiler, and there is none. Install g++, or name one in CXX. Or: {REMEDY.lower()}"
        ) from None
