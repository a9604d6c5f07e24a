"""What a contender promises, and nothing about who asks.

A contender is one generative model that competes: it trains by `update`, is sampled by `sample`, and may offer optional
abilities (`log_prob`, `encode`, `decode`, `decode_mixed`, `draw_latents`, `corrupt`, `prepare`) that are declared here and
asked for through `abilities` alone.
This package imports nothing of the harness: a contender can be trained by any loop that hands it batches.
"""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar, get_args

import torch
from torch import Tensor, nn

Family = Literal["autoregressive", "autoencoder", "gan", "diffusion", "flow", "hybrid"]
FAMILIES: tuple[str, ...] = get_args(Family)
MODALITIES: tuple[str, ...] = ("image", "points", "text", "audio", "text-to-image", "image-to-image", "video")
ABILITIES: tuple[str, ...] = ("log_prob", "encode", "decode", "decode_mixed", "draw_latents", "corrupt", "prepare")


class ContractError(TypeError):
    """A contender's class or its output breaks the contract; the message names it, the value found and the remedy."""


class NotTrained(RuntimeError):
    """Raised by `sample` or an ability that cannot work yet at this progress; the value stays empty (`too early`)."""


@dataclass(frozen=True)
class DataSpec:
    """What a contender may know of the data before it sees any.

    Attributes:
        modality: one of `MODALITIES`.
        shape: shape of one item, without the batch: (C, H, W) for images.
        levels: number of equally spaced values in [-1, 1] that discrete data takes; None for continuous data.
        classes: number of classes where labels are handed out in `Batch.condition`, else None.
        vocabulary: number of tokens for text, else None.
        length: sequence length for text and audio, else None.
    """

    modality: str
    shape: tuple[int, ...]
    levels: int | None = None
    classes: int | None = None
    vocabulary: int | None = None
    length: int | None = None


@dataclass(frozen=True)
class Batch:
    """One training batch: `x` (B, *shape) float32, in [-1, 1] for images; `condition` (B, ...) or None.

    Where `DataSpec.classes` is given, `condition` is the items' classes, (B,) int64.
    """

    x: Tensor
    condition: Tensor | None = None


@dataclass(frozen=True)
class Likelihood:
    """log P(x) of each item in nats, (n,), higher is better; `exact=False` says that it is a lower bound.

    For discrete data (`DataSpec.levels`) it is the log of a probability of the levels, never of a density on their values;
    for continuous data the log of a density.
    """

    log_prob: Tensor
    exact: bool


class Contender(nn.Module, ABC):
    """Base of every contender: an nn.Module that owns its optimisers.

    The harness sets `generator` (on the contender's device, for every draw made in `update`) and `learning_rate_factor`
    (by which every learning rate is multiplied) after construction; the defaults here let a contender be used alone.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    modalities: ClassVar[tuple[str, ...]]
    batch_size: ClassVar[int] = 128
    samplers: ClassVar[tuple[str, ...]] = ("default",)
    """Names of the ways to sample; the first is the default."""
    labelled_samplers: ClassVar[tuple[str, ...]] = ()
    """Those of `samplers` that need `DataSpec.classes`, such as guidance: without labels they are not offered."""
    stages: ClassVar[tuple[tuple[str, float], ...]] = (("train", 1.0),)
    """(name, share of the budget) of each training stage, in order; the shares sum to 1."""
    ablation: ClassVar[bool] = False
    """True for a contender that exists to isolate one ingredient and does not stand for its family."""
    autocast: ClassVar[bool] = False
    """True where `update` and `sample` may run under bfloat16 autocast: measured, not assumed; samples may be bfloat16 then."""
    learned_buffers: ClassVar[tuple[str, ...]] = ()
    """Names (as in `named_buffers`) of buffers that are learned, such as an EMA codebook; they count as parameters."""

    generator: torch.Generator
    learning_rate_factor: float

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator()
        self.learning_rate_factor = 1.0

    @abstractmethod
    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        """Make one optimisation step; `progress` in [0, 1] is the share of the budget spent.

        Returns scalars to log: detached, left on the device.
        """

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        """Draw n items, (n, *shape), from `generator` alone.

        `condition` (n, ...) is what is asked for, as in `Batch`; None leaves it to the contender.

        Raises:
            NotTrained: this sampler cannot work yet at this progress.
        """

    def log_prob(self, x: Tensor) -> Likelihood:
        """Optional: log-likelihood of x (n, *shape), or a lower bound of it."""
        raise self._lacks("log_prob")

    def encode(self, x: Tensor) -> Tensor:
        """Optional: latents of x (n, *shape)."""
        raise self._lacks("encode")

    def decode(self, z: Tensor) -> Tensor:
        """Optional: items (n, *shape) of latents."""
        raise self._lacks("decode")

    def decode_mixed(self, z: Tensor, other: Tensor, part: str) -> Tensor:
        """Optional: items of latents z (n, ...), but the `part` of the layers, "early" or "late", follows `other` (n, ...)."""
        raise self._lacks("decode_mixed")

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        """Optional: latents (n, ...) as the default sampler draws them, for `decode`, from `generator` alone.

        Raises:
            NotTrained: the default sampler cannot work yet at this progress.
        """
        raise self._lacks("draw_latents")

    def corrupt(self, x: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Optional: the forward process of a diffusion-like model, from `generator` alone.

        x (n, *shape) noised to the share `progress` in [0, 1] of its way: 0 is x itself, 1 the end, which sampling starts from.
        """
        raise self._lacks("corrupt")

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Optional: work before sampling, such as fitting a density to codes; `batches` is one pass over training data."""
        raise self._lacks("prepare")

    @classmethod
    def abilities(cls) -> frozenset[str]:
        """The optional abilities that this class offers: the one place where they are asked for."""
        return frozenset(name for name in ABILITIES if getattr(cls, name) is not getattr(Contender, name))

    @classmethod
    def offered_samplers(cls, spec: DataSpec) -> tuple[str, ...]:
        """The samplers that work on data of this spec; the first is the default."""
        return tuple(name for name in cls.samplers if spec.classes is not None or name not in cls.labelled_samplers)

    def choose_sampler(self, sampler: str | None) -> str:
        """The sampler asked for by name, or the default.

        Raises:
            ValueError: the contender has no sampler of this name.
        """
        if sampler is None:
            return self.samplers[0]
        if sampler not in self.samplers:
            raise ValueError(f"{self.name} has no sampler {sampler!r}; one of {', '.join(self.samplers)}")
        return sampler

    def stage_at(self, progress: float) -> tuple[str, float]:
        """Name of the stage at `progress` in [0, 1], and the share of that stage that is spent."""
        start = 0.0
        for name, share in self.stages[:-1]:
            if progress < start + share:
                return name, (progress - start) / share
            start += share
        name, share = self.stages[-1]
        return name, min(1.0, (progress - start) / share)

    def trained_parameter_count(self) -> int:
        """Parameters that an optimiser steps, plus learned buffers; weight averages (no gradient) do not count."""
        stepped = sum(p.numel() for p in self.parameters() if p.requires_grad)
        buffers = dict(self.named_buffers())
        return stepped + sum(buffers[name].numel() for name in self.learned_buffers)

    def _lacks(self, ability: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} does not offer {ability!r}; ask `abilities()` first")


C = TypeVar("C", bound=type[Contender])
_REGISTRY: dict[str, type[Contender]] = {}


def register(name: str, *, family: str, modalities: tuple[str, ...]) -> Callable[[C], C]:
    """Class decorator that enters a contender under `name` (lower case, digits and hyphens).

    Raises:
        ContractError: unknown family or modality, a name already taken by another class, a missing `update` or `sample`,
            stages whose shares do not sum to 1, or a public method whose name looks like a misspelt ability.
    """

    def enter(cls: C) -> C:
        _check_names(name, family, modalities)
        _check_class(name, cls)
        cls.name, cls.family, cls.modalities = name, family, tuple(modalities)
        _REGISTRY[name] = cls
        return cls

    return enter


def registered() -> dict[str, type[Contender]]:
    """All registered contenders by name, in alphabetical order."""
    return dict(sorted(_REGISTRY.items()))


def _check_names(name: str, family: str, modalities: tuple[str, ...]) -> None:
    if not name or not all(c.islower() or c.isdigit() or c == "-" for c in name):
        raise ContractError(f"contender name {name!r} must be lower case letters, digits and hyphens")
    if name in _REGISTRY:
        raise ContractError(f"contender name {name!r} is taken by {_REGISTRY[name].__qualname__}; choose another")
    if family not in FAMILIES:
        raise ContractError(f"contender {name!r}: unknown family {family!r}; one of {', '.join(FAMILIES)}")
    if isinstance(modalities, str) or not modalities:
        raise ContractError(f'contender {name!r}: modalities {modalities!r} must be a tuple such as ("image",)')
    for modality in modalities:
        if modality not in MODALITIES:
            raise ContractError(f"contender {name!r}: unknown modality {modality!r}; one of {', '.join(MODALITIES)}")


def _check_class(name: str, cls: type[Contender]) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Contender)):
        raise ContractError(f"contender {name!r}: {cls!r} must be a class that inherits Contender")
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        raise ContractError(f"contender {name!r}: {cls.__name__} lacks {', '.join(missing)}")
    if not cls.samplers or isinstance(cls.samplers, str):
        raise ContractError(f'contender {name!r}: samplers {cls.samplers!r} must be a tuple such as ("default",)')
    unknown = [sampler for sampler in cls.labelled_samplers if sampler not in cls.samplers]
    if unknown or cls.samplers[0] in cls.labelled_samplers:
        raise ContractError(
            f"contender {name!r}: labelled_samplers {cls.labelled_samplers!r} must be some of samplers {cls.samplers!r}, "
            "not the first"
        )
    total = sum(share for _, share in cls.stages)
    if abs(total - 1.0) > 1e-9 or any(share <= 0 for _, share in cls.stages):
        raise ContractError(f"contender {name!r}: the shares of stages {cls.stages!r} must be positive and sum to 1")
    for method, near in _misspelt(cls):
        raise ContractError(f"contender {name!r}: method {method!r} is no part of the contract. Did you mean {near!r}?")


def _misspelt(cls: type[Contender]) -> Iterator[tuple[str, str]]:
    """Public methods of the class and its own bases whose names are close to, but not, an ability's."""
    for base in cls.__mro__[: cls.__mro__.index(Contender)]:
        for method, value in vars(base).items():
            if method.startswith("_") or not callable(value) or hasattr(Contender, method):
                continue
            near = difflib.get_close_matches(method, ABILITIES, n=1, cutoff=0.8)
            if near:
                yield method, near[0]
