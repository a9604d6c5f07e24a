"""Counted flops of one update or one call of `sample`, and the share of the time that the counted operators take.

Every operator that runs is counted by its shapes with the formulas of torch's FlopCounterMode, completed by flop_formulas.py. What
has no formula counts nothing: optimisers, norms, activations, losses and draws touch each value a few times and are limited by
memory, not by arithmetic. How much of the time they take is measured beside it: with a small `time_share`, flops say little of
what an update costs.

So that work shows as operators that have a formula, while counting
    attention runs as matrix products (the MATH back end): torch has no formula for the fused kernel of CPUs, and counts 0;
    transformer layers do not take torch's fused inference path, which counts 0 as well;
    compiled functions run eagerly.
All other results are those of an uncounted run, to the last bit; attention's differ by rounding.

FlopCounterMode itself would change what it counts. It runs operators by their decomposition where they have kernels of their own,
such as the gradient of SiLU, with other rounding; and its tracker of modules hangs hooks on their inputs, with which
`torch.autograd.grad` by an input that is a leaf fails, as in every gradient penalty.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch._C import DispatchKey
from torch._ops import OpOverload
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from paragone.bench.compilation import uncompiled
from paragone.bench.profile.clock import now_s
from paragone.bench.profile.flop_formulas import FORMULAS

_COMPOSITE = DispatchKey.CompositeImplicitAutograd


class FlopCount:
    """Context that counts what runs inside it, forward and backward; for one use, complete once that has ended.

    Counts may be nested; an inner one is part of the outer one.

    Attributes:
        flops: of the operators that have a formula; a multiplication with addition is two.
        seconds: by operator (`aten.mm`), of all operators, each as it ran, with the device waited for.
        time_share: seconds in operators that have a formula over seconds in all, in [0, 1]; None where none ran. Calling an
            operator from here takes some microseconds, so that the share is too low where operators are tiny: by less than
            a tenth in updates of a few milliseconds, against torch's profiler.
    """

    def __init__(self, device: torch.device) -> None:
        self.flops = 0
        self.seconds: dict[str, float] = {}
        self.time_share: float | None = None
        self._mode = _Counter(device)
        self._contexts = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as entering:
            entering.enter_context(uncompiled())
            entering.enter_context(sdpa_kernel(SDPBackend.MATH))
            entering.enter_context(_no_fused_transformers())
            entering.enter_context(self._mode)
            self._contexts = entering.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._contexts.__exit__(kind, error, trace)
        spent = self._mode.seconds
        self.flops, self.seconds = self._mode.flops, {str(operator): seconds for operator, seconds in spent.items()}
        if spent:
            self.time_share = sum(spent[operator] for operator in spent.keys() & self._mode.formulas.keys()) / sum(spent.values())


class _Counter(TorchDispatchMode):
    """Counts and times each operator below autograd, forward and backward."""

    supports_higher_order_operators = True

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device, self.formulas = device, _formulas()
        self._now_s = time.perf_counter if device.type == "cpu" else partial(now_s, device)
        self.flops = 0
        self.seconds: dict[Any, float] = defaultdict(float)

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        operator = getattr(func, "overloadpacket", func)  # tables of formulas know no overloads
        formula = self.formulas.get(operator)
        if formula is None and _is_composite(func, self._device.type):
            with self:
                return func._op_dk(_COMPOSITE, *args, **kwargs)
        began_s = self._now_s()
        result = func(*args, **kwargs)
        self.seconds[operator] += self._now_s() - began_s
        if formula is not None:
            self.flops += formula(result, args, kwargs)
        return result


@cache
def _formulas() -> dict[Any, Callable[[Any, Any, Any], int]]:
    """Operator to its flops from result, arguments and keywords, by torch's formulas and ours, ours where both have one.

    Most formulas take shapes in place of tensors. torch wraps them in a walk through nested containers that takes longer than most
    operators do, so they are taken bare; those that it does not wrap want the tensors themselves.
    """
    torchs = {operator: getattr(formula, "__wrapped__", None) for operator, formula in flop_registry.items()}
    raw = {operator: partial(_of_tensors, flop_registry[operator]) for operator, bare in torchs.items() if bare is None}
    shaped = {operator: partial(_of_shapes, bare) for operator, bare in {**torchs, **FORMULAS}.items() if bare is not None}
    return {**raw, **shaped}


def _of_tensors(formula: Any, result: Any, args: Any, kwargs: Any) -> int:
    return int(formula(*args, **kwargs, out_val=result))


def _of_shapes(formula: Any, result: Any, args: Any, kwargs: Any) -> int:
    return int(formula(*map(_shape, args), **{name: _shape(value) for name, value in kwargs.items()}, out_shape=_shape(result)))


def _shape(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.shape
    return type(value)(map(_shape, value)) if type(value) in (list, tuple) else value


@cache
def _is_composite(func: Any, device: str) -> bool:
    """Whether an operator is only made of others. Such a one comes here whole in inference mode alone: autograd takes it apart."""
    if not isinstance(func, OpOverload):
        return False
    has_kernel, own = torch._C._dispatch_has_kernel_for_dispatch_key, torch._C._dispatch_key_for_device(device)
    return has_kernel(func.name(), _COMPOSITE) and not has_kernel(func.name(), own)


@contextmanager
def _no_fused_transformers() -> Iterator[None]:
    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was)
