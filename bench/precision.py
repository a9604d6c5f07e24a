"""The number format that a contender computes in: float32, or bfloat16 where it allows that.

bfloat16 is float32 with 8 instead of 24 bits of significand and the same exponents, so that losses need no scaling (Kalamkar et
al. 2019, arXiv:1905.12322). Under torch's autocast matrix products and convolutions compute in it; weights, gradients and
optimiser states stay float32. It reaches `update` and `sample` alone. Likelihoods, latents, `prepare`, the encoders and all
judging are float32 in every run: they measure the model, and a measurement keeps its format. Samples come out float32.

Autocast keeps the converted weights until its context ends; an update of two steps (a discriminator's, then a generator's that
goes through it) would then use weights from before its own first step. So nothing is kept here, at the price of converting
a weight anew each time it is used.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor

from paragone.bench.errors import UsageError, unknown

Name = Literal["float32", "bfloat16"]
NAMES: tuple[Name, ...] = ("float32", "bfloat16")
T = TypeVar("T")


@dataclass(frozen=True)
class Precision:
    """What a contender computes in.

    Attributes:
        used: the format of its matrix products and convolutions.
        stated: the same for record and report, with the reason where it is not what was asked for.
        device_type: `cpu` or `cuda`.
    """

    used: Name
    stated: str
    device_type: str

    def scope(self) -> AbstractContextManager[object]:
        """A new context for one `update` or one `sample`."""
        if self.used == "float32":
            return nullcontext()
        return torch.autocast(self.device_type, torch.bfloat16, cache_enabled=False)

    def restore(self, x: T) -> T | Tensor:
        """Samples drawn in `scope`, in float32 if they came in bfloat16; all else as it is, for the checks to judge."""
        if self.used == "bfloat16" and isinstance(x, Tensor) and x.dtype == torch.bfloat16:
            return x.float()
        return x


FLOAT32 = Precision("float32", "float32", "cpu")
"""What is used where nothing else is asked for; its scope does nothing on any device."""


def precision(asked: str, device: torch.device, allowed: bool) -> Precision:
    """What is used where a suite asks for `asked` and the contender allows autocast or does not (`Contender.autocast`).

    Raises:
        UsageError: there is no such format, or the device does not compute in bfloat16.
    """
    if asked not in NAMES:
        raise unknown("precision", asked, NAMES, f"One of: {', '.join(NAMES)}")
    if asked == "float32":
        return Precision("float32", "float32", device.type)
    if not allowed:
        return Precision("float32", "float32: the contender does not allow bfloat16", device.type)
    _check_bfloat16(device)
    return Precision("bfloat16", "bfloat16", device.type)


def _check_bfloat16(device: torch.device) -> None:
    """A CPU computes in bfloat16 always, if need be slowly; a GPU from compute capability 8.0 on."""
    if device.type == "cpu":
        return
    with torch.cuda.device(device):
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    if not native:
        raise UsageError(
            f"{torch.cuda.get_device_name(device)} does not compute in bfloat16, which needs compute capability 8.0 or more. "
            'Set precision = "float32" in the suite\'s [training]'
        )
