"""Budget: what a contender may spend on one axis. Meter: what it did spend, on every axis.

The clock of a meter runs during updates (the batch that they need included) and stands still in evaluation. The budget is looked
at after each update, so it can be overrun by at most one.
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from paragone.bench.errors import UsageError

Axis = Literal["seconds", "steps", "samples"]

_UNITS: dict[str, tuple[Axis, float]] = {
    "s": ("seconds", 1.0), "sec": ("seconds", 1.0), "second": ("seconds", 1.0), "seconds": ("seconds", 1.0),
    "ms": ("seconds", 1e-3), "min": ("seconds", 60.0), "minute": ("seconds", 60.0), "minutes": ("seconds", 60.0),
    "h": ("seconds", 3600.0), "step": ("steps", 1.0), "steps": ("steps", 1.0),
    "sample": ("samples", 1.0), "samples": ("samples", 1.0),
}  # fmt: skip
_MULTIPLES = {"": 1.0, "k": 1e3, "M": 1e6}
_FORM = re.compile(r"([-+]?[0-9.]+(?:[eE][-+]?\d+)?)([kM]?)\s*([A-Za-z]*)")


@dataclass(frozen=True)
class Budget:
    """`amount` of `axis` (seconds, steps or samples) to train with."""

    axis: Axis
    amount: float

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Read "20 s", "2000 steps" or "512k samples".

        Raises:
            UsageError: no number, an unknown unit, or an amount that is not above 0.
        """
        match = _FORM.fullmatch(text.strip())
        advice = 'Write seconds, steps or samples, for example "20 s", "2000 steps" or "512k samples".'
        if not match:
            raise UsageError(f'budget "{text}" is not a number with a unit. {advice}')
        number, multiple, unit = match.groups()
        if unit not in _UNITS:
            raise UsageError(f'budget "{text}" has no known unit {unit!r}. {advice}')
        axis, scale = _UNITS[unit]
        try:
            amount = float(number) * _MULTIPLES[multiple] * scale
        except ValueError:
            raise UsageError(f'budget "{text}" is not a number with a unit. {advice}') from None
        if not (math.isfinite(amount) and amount > 0) or (axis != "seconds" and amount < 1):
            raise UsageError(f'budget "{text}" must be more than 0. {advice}')
        return cls(axis, amount)


class Meter:
    """Counts seconds, steps and samples of one training; `clock` is a monotonic clock in seconds."""

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.perf_counter) -> None:
        self.budget = budget
        self.steps = 0
        self.samples = 0
        self.seconds = 0.0
        self.last_update = 0.0
        """What the last update spent, in the unit of the budget's axis."""
        self._clock = clock
        self._running_since: float | None = None

    def resume(self) -> None:
        """Let the clock run."""
        self._running_since = self._clock()

    def pause(self) -> None:
        """Stop the clock; the time since the last count belongs to nobody's update."""
        self._running_since = None

    def count(self, samples: int) -> None:
        """One update on `samples` items has ended."""
        if self._running_since is None:
            raise RuntimeError("an update was counted while the clock stood still; call resume() first")
        now = self._clock()
        elapsed = now - self._running_since
        self._running_since = now
        self.seconds += elapsed
        self.steps += 1
        self.samples += samples
        self.last_update = {"seconds": elapsed, "steps": 1.0, "samples": float(samples)}[self.budget.axis]

    @property
    def spent(self) -> float:
        """Spent so far, in the unit of the budget's axis."""
        return float({"seconds": self.seconds, "steps": self.steps, "samples": self.samples}[self.budget.axis])

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        return min(1.0, self.spent / self.budget.amount)

    @property
    def exhausted(self) -> bool:
        """True once the budget is spent."""
        return self.spent >= self.budget.amount

    @property
    def overrun(self) -> float:
        """Spent beyond the budget, in the unit of its axis."""
        return max(0.0, self.spent - self.budget.amount)
