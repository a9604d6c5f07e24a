"""A suite: tracks x contenders x seeds under budgets, read from TOML and checked in full, every error at once.

A commented example with every key lies in bench/suites/quick.toml.
"""

import hashlib
import json
import random
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from paragone.bench.budget import Budget
from paragone.bench.errors import UsageError, unknown
from paragone.bench.judge.claims import CLAIMS, Claim
from paragone.bench.metrics.modalities import MODALITIES, REFERENCES
from paragone.bench.records import Cell, Frozen
from paragone.bench.variants import StabilityKeys, learning_rate_variant

COMPILE_S = 600.0
"""Seconds more that a cell may take where its networks are compiled."""
EVALUATIONS = 16
"""Points that the curve of a run needs where its stability is measured."""
NO_MODALITIES: Mapping[str, str] = {}
FOLDER = Path(__file__).parent / "suites"
PROBES = (
    "sizes", "memory", "tiny_space", "latents", "codes", "inversion", "forward_process", "objective", "density", "guidance",
    "styles", "classifier",
)  # fmt: skip
"""What `[evaluation] probes` may name; bench/probes says what each asks."""


class BudgetKeys(Frozen):
    """`[budget]`: what each contender may spend."""

    train: str
    parameters: int = Field(gt=0)

    @field_validator("train")
    @classmethod
    def _parses(cls, text: str) -> str:
        Budget.parse(text)
        return text


class TrainingKeys(Frozen):
    """`[training]`: the number format of updates and sampling, and whether networks are compiled, paid from the budget.

    See bench/precision.py and bench/compilation.py.
    """

    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False


class EvaluationKeys(Frozen):
    """`[evaluation]`: how many items are judged, where along the budget, and which probes are put to a trained contender."""

    samples: int = Field(default=1000, ge=50)
    shares: tuple[float, ...] = ()
    curve_samples: int = Field(default=500, ge=50)

    probes: tuple[str, ...] = ()

    @field_validator("probes")
    @classmethod
    def _known(cls, probes: tuple[str, ...]) -> tuple[str, ...]:
        for name in probes:
            if name not in PROBES:
                raise unknown("probe", name, PROBES, f"Probes: {', '.join(PROBES)}")
        return tuple(dict.fromkeys(probes))

    @field_validator("shares")
    @classmethod
    def _inside(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in shares) or list(shares) != sorted(set(shares)):
            raise ValueError("shares must rise and lie between 0 and 1; the end of the budget is always measured")
        return shares


class SamplerKeys(Frozen):
    """`[samplers.NAME]`: which of a contender's samplers are judged, only timed, and used below the full budget.

    `seeds` names, for a slow sampler, the seeds on which it is judged whatever it costs; on others it is only timed.
    """

    judged: tuple[str, ...] = ()
    timed: tuple[str, ...] = ()
    curve: str | None = None
    seeds: dict[str, tuple[int, ...]] = Field(default={})

    def of(self, offered: tuple[str, ...]) -> tuple[str, ...]:
        """The samplers that are judged of those a contender offers: the ones named, else all that are not only timed."""
        return tuple(name for name in self.judged or offered if name in offered and (self.judged or name not in self.timed))

    @model_validator(mode="after")
    def _of_judged_samplers(self) -> "SamplerKeys":
        for name in self.seeds:
            if name not in self.judged:
                raise ValueError(
                    f"seeds names {name!r}, which is not among the judged samplers ({', '.join(self.judged) or 'none'})"
                )
        return self


class Track(Frozen):
    """`[[tracks]]`: a dataset with its contenders; `samples` and `samplers` replace the suite's own on this track."""

    name: str = Field(pattern=r"^[A-Za-z0-9_+-]+$")
    data: str
    contenders: tuple[str, ...]
    samples: int | None = Field(default=None, ge=50)
    samplers: dict[str, SamplerKeys] = Field(default={})


class Suite(Frozen):
    """A whole suite, checked."""

    name: str = Field(pattern=r"^[A-Za-z0-9_+-]+$")
    title: str = ""
    seeds: int = Field(default=3, ge=1, description="seeds 0 to N-1")
    cell_timeout_s: float | None = Field(default=None, gt=0)
    memory_limit_bytes: int | None = Field(default=None, gt=0)
    budget: BudgetKeys
    training: TrainingKeys = TrainingKeys()
    evaluation: EvaluationKeys = EvaluationKeys()
    samplers: dict[str, SamplerKeys] = Field(default={})
    stability: StabilityKeys | None = None
    tracks: tuple[Track, ...] = Field(min_length=1)
    claims: tuple[Claim, ...] = Field(default=(), description="claims of the user's own, tested beside the document's")

    @field_validator("claims")
    @classmethod
    def _claims_of_their_own(cls, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        taken = [claim.id for claim in CLAIMS]
        for claim in claims:
            if claim.id in taken:
                raise ValueError(f"claim id {claim.id!r} is taken; choose another")
            taken.append(claim.id)
        return claims

    @model_validator(mode="after")
    def _curves_can_be_compared(self) -> "Suite":
        """A drawdown needs a curve whose points, the end included, are measured alike."""
        if self.stability is None:
            return self
        looks = self.evaluation
        if len(looks.shares) + 1 < EVALUATIONS:
            raise ValueError(f"[stability] needs {EVALUATIONS - 1} or more evaluation.shares; there are {len(looks.shares)}")
        if looks.samples != looks.curve_samples:
            raise ValueError(f"[stability] needs evaluation.curve_samples = {looks.samples}, as evaluation.samples")
        for name, keys in self.samplers.items():
            if keys.curve is not None and keys.judged[:1] != (keys.curve,):
                raise ValueError(f"[stability] needs samplers.{name}.curve to be the first that is judged")
        return self

    @property
    def hash(self) -> str:
        """Hash of everything that decides what is run."""
        content = self.model_dump(mode="json", exclude={"title", "cell_timeout_s", "memory_limit_bytes", "claims"})
        if self.training == TrainingKeys():
            del content["training"]  # as before there was such a table
        for track in content["tracks"]:  # likewise
            for key in ("samples", "samplers"):
                if not track[key]:
                    del track[key]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def sampler_keys(self, track: Track, contender: str) -> SamplerKeys:
        """How a contender's samplers are used on a track: as the track says, else as the suite says, else each is judged."""
        return track.samplers.get(contender) or self.samplers.get(contender) or SamplerKeys()

    def evaluation_on(self, track: Track) -> EvaluationKeys:
        """How entries of a track are judged."""
        return self.evaluation if track.samples is None else self.evaluation.model_copy(update={"samples": track.samples})

    @property
    def timeout_s(self) -> float:
        """Seconds after which a cell is ended from outside."""
        budget = Budget.parse(self.budget.train)
        default = 120 + 3 * budget.amount if budget.axis == "seconds" else 600.0
        return self.cell_timeout_s or default + (COMPILE_S if self.training.compile else 0.0)

    def cells(self, modalities: Mapping[str, str] = NO_MODALITIES) -> list[Cell]:
        """Seeds in the outer loop; contenders, variants and references shuffled within each, by a generator of the seed.

        `modalities` gives each track's modality, whose references stand beside its entries; image where it is not named.
        """
        plan: list[Cell] = []
        for seed in range(self.seeds):
            block = [
                Cell(track=track.name, contender=name, seed=seed, variant=variant)
                for track in self.tracks
                for name in (*track.contenders, *MODALITIES[modalities.get(track.name, "image")].references)
                for variant in self._variants(name)
            ]
            random.Random(seed).shuffle(block)
            plan += block
        return plan

    def _variants(self, name: str) -> tuple[str, ...]:
        if self.stability is None or name in REFERENCES:
            return ("",)
        return tuple(learning_rate_variant(factor) for factor in self.stability.grid(name))


def shipped() -> list[str]:
    """Names of the suites that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_suite(name_or_path: str) -> Suite:
    """A shipped suite by name, or the user's own TOML file.

    Raises:
        UsageError: there is no such suite or file, or it breaks the schema (all errors in one message).
    """
    path = Path(name_or_path)
    if name_or_path in shipped():
        path = FOLDER / f"{name_or_path}.toml"
    elif path.suffix != ".toml":
        raise unknown("suite", name_or_path, shipped(), f"Suites: {', '.join(shipped())}, or the path of a TOML file.")
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"suite file {name_or_path!r} cannot be read: {error.strerror}. Check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"suite file {name_or_path!r} is not valid TOML: {error}") from None
    return check_suite(content, name_or_path)


def check_suite(content: dict[str, Any], origin: str) -> Suite:
    """A suite from its keys; raises UsageError that lists every error found."""
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'suite'}: {_words(e)}" for e in error.errors()]
        raise UsageError(f"suite {origin!r}: {'; '.join(lines)}. See bench/suites/quick.toml for every key") from None


def _words(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such key"
    if error["type"] == "missing":
        return "is missing"
    return f"{error['msg'].removeprefix('Value error, ')} (found {error['input']!r})"
