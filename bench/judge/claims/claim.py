"""A statement of the document in testable form: a value that names who, on what, and how it is decided.

    order      chains of sides from best to worst; every neighbour must be ahead of the next by more than `margin`
    parity     (A, B): A is no worse than B by more than `margin`
    factor     the value of a side, or of the first side over the second, lies inside `within`
    trend      a slope lies inside `within`, with one open end: (0, None) rises, (None, 0) falls
    property   in every seed the value lies inside `within`; deterministic, hence without p

A *side* is a family of the document (`GAN`, see bench/judge/families.py), a contender (`my-vae`), an entry (`vae/mean`) or a
reference (`train copies`). Several chains, and several metrics, must all hold: a claim is as strong as its weakest part.
Claims are data: those of a suite's `[[claims]]` and of a user's Python file are kept in the run's manifest, so that its report
can be written again without them.
"""

import math
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from paragone.bench.metrics.table import METRICS
from paragone.bench.records import Frozen

Kind = Literal["order", "parity", "factor", "trend", "property"]
Bounds = tuple[float | None, float | None]

_LENGTHS: dict[str, tuple[int, int]] = {
    "order": (2, 12), "parity": (2, 2), "factor": (1, 2), "trend": (1, 1), "property": (1, 1),
}  # fmt: skip


class Claim(Frozen):
    """One statement.

    Attributes:
        id: as in tables and reports: `g1`; a part of a statement that is tested apart has a suffix: `b7-anomalies`.
        topic: one to three words for a table.
        section: the document's heading under which it stands.
        statement: the statement in our own words.
        modality: of the tracks on which it is tested.
        kind, sides, metrics, margin, within: see above; `margin` is relative (.05 = 5 %), `within` in the metric's unit.
        guard: metrics on which the claim must not be contradicted, though it need not be supported.
        under: (metric, limit): only entries that keep the limit may stand for a side: a choice under a constraint.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    statement: str = Field(min_length=1)
    sides: tuple[tuple[str, ...], ...] = Field(min_length=1)
    metrics: tuple[str, ...] = Field(min_length=1)
    kind: Kind = "order"
    topic: str = ""
    section: str = "Your own"
    modality: str = "image"
    guard: tuple[str, ...] = ()
    margin: float = Field(default=0.0, ge=0.0)
    within: Bounds | None = None
    under: tuple[str, float] | None = None

    @property
    def label(self) -> str:
        """The topic, else the id."""
        return self.topic or self.id

    @property
    def members(self) -> tuple[str, ...]:
        """Every side, each once, in order of appearance."""
        return tuple(dict.fromkeys(side for chain in self.sides for side in chain))

    @field_validator("within", mode="before")
    @classmethod
    def _open_ends(cls, within: Any) -> Any:
        """TOML has no null: `[0, inf]` is open above."""
        if isinstance(within, list | tuple):
            return tuple(None if isinstance(bound, float) and math.isinf(bound) else bound for bound in within)
        return within

    @model_validator(mode="after")
    def _says_how_it_is_decided(self) -> "Claim":
        low, high = _LENGTHS[self.kind]
        for chain in self.sides:
            if not low <= len(chain) <= high or len(set(chain)) < len(chain):
                many = f"{low}" if low == high else f"{low} to {high}"
                raise ValueError(
                    f"claim {self.id!r} of kind {self.kind} needs chains of {many} different sides, found {list(chain)}"
                )
        for name in (*self.metrics, *self.guard, *([self.under[0]] if self.under else [])):
            if name not in METRICS:
                raise ValueError(f"claim {self.id!r} names the unknown metric {name!r}; see `list metrics`")
        if self.kind in ("order", "parity") and (lost := [m for m in self.metrics if METRICS[m].direction == "none"]):
            raise ValueError(f"claim {self.id!r} orders by {lost[0]!r}, which has no better direction; use the kind factor")
        self._check_bounds()
        return self

    def _check_bounds(self) -> None:
        needs = self.kind in ("factor", "trend", "property")
        if needs != (self.within is not None):
            raise ValueError(f"claim {self.id!r} of kind {self.kind} {'needs' if needs else 'takes no'} bounds `within`")
        if self.within is None:
            return
        low, high = self.within
        if (low is None and high is None) or (low is not None and high is not None and low >= high):
            raise ValueError(f"claim {self.id!r}: `within` is {[low, high]}; give a lower and an upper bound, or one of them")
        if self.kind == "trend" and (low is None) == (high is None):
            raise ValueError(f"claim {self.id!r}: a trend has one bound, [0, inf] for rising or [-inf, 0] for falling")


def inside(value: float, within: Bounds) -> bool:
    """Whether a value lies inside bounds, ends included."""
    low, high = within
    return (low is None or value >= low) and (high is None or value <= high)


def bounds_in_words(within: Bounds) -> str:
    """`between 10 and 100`, `at most 0.9`, `at least 0`."""
    low, high = within
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"


def star(first: str, *others: str) -> tuple[tuple[str, ...], ...]:
    """Chains that say: `first` is ahead of each of the others, whose own order is left open."""
    return tuple((first, other) for other in others)


def star_last(last: str, *others: str) -> tuple[tuple[str, ...], ...]:
    """Chains that say: `last` is behind each of the others."""
    return tuple((other, last) for other in others)


def from_suite(suite: dict[str, Any]) -> tuple[Claim, ...]:
    """The claims that a manifest's suite holds beside the document's own."""
    return tuple(Claim.model_validate(claim) for claim in suite.get("claims", ()))
