"""Variants of a cell: the same contender and seed with every learning rate multiplied by a factor.

A variant's name is `lr` and the factor: lr0.25, lr0.5, lr1, lr2, lr4. The empty name and lr1 are the base: the contender with
its own rates, to which every ranking and order belongs.

The keys of a suite's `[stability]` say which factors there are and what counts as reached; they stand in the run's manifest
before its first cell is trained, so that no target can follow from what was found.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from paragone.bench.errors import UsageError
from paragone.bench.records import Frozen

_PREFIX = "lr"


def learning_rate_variant(factor: float) -> str:
    """The name of the variant that multiplies every learning rate by `factor` > 0."""
    return f"{_PREFIX}{factor:g}"


def learning_rate_factor(variant: str) -> float:
    """The factor of a variant, 1.0 for the empty name.

    Raises:
        UsageError: the name is not `lr` and a positive number.
    """
    if not variant:
        return 1.0
    try:
        factor = float(variant.removeprefix(_PREFIX))
    except ValueError:
        factor = 0.0
    if not variant.startswith(_PREFIX) or not 0 < factor < float("inf"):
        raise UsageError(f"unknown variant {variant!r}: write lr and the factor of the learning rates, such as lr0.5")
    return factor


def _grid(factors: tuple[float, ...]) -> tuple[float, ...]:
    """A usable grid of factors, as it is."""
    if len(factors) < 3 or factors[0] <= 0 or list(factors) != sorted(set(factors)):
        raise ValueError("factors must be at least 3, positive and ascending")
    if 1 not in factors:
        raise ValueError("1 must be among the factors: the contender with its own learning rates is what rankings look at")
    return factors


Grid = Annotated[tuple[float, ...], AfterValidator(_grid)]


class StabilityKeys(Frozen):
    """`[stability]`: every cell of a contender exists once a learning-rate factor, and these are the targets.

    `common` is the share of the way from held-out real's FID to that of independent pixels within which quality counts as reached
    by anybody; `own` the factor within which a contender must come of its own median. `shifted` gives another grid, of as many
    factors, to a contender whose best factor lies at the end of the common one.
    """

    factors: Grid = (0.25, 0.5, 1.0, 2.0, 4.0)
    common: float = Field(default=0.1, gt=0, lt=1)
    own: float = Field(default=2.0, gt=1)
    shifted: dict[str, Grid] = Field(default={})

    @model_validator(mode="after")
    def _as_many(self) -> "StabilityKeys":
        for name, grid in self.shifted.items():
            if len(grid) != len(self.factors):
                raise ValueError(f"{name} has {len(grid)} shifted factors where the others have {len(self.factors)}")
        return self

    def grid(self, contender: str) -> tuple[float, ...]:
        """The contender's factors, ascending."""
        return self.shifted.get(contender, self.factors)
