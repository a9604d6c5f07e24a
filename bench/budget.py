"""Budget: what a contender may spend on one axis. Meter: what it did spend, on every axis.

The clock of a meter runs during updates (the batch that they need included) and stands still in evaluation. The budget is looked
at after each update, so it can be overrun by at most one; in joules by one update or one tick of the counter, whichever is longer.

Flops are counted in some updates only, see `Counting`: an update that is counted is slowed by it, so the clock charges the median
of the plain updates before it instead.
"""

import math
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from paragone.bench.errors import UsageError
from paragone.bench.records import Axis

if TYPE_CHECKING:
    from paragone.bench.profile.energy import EnergyCounter

PERIOD = 16
"""Consecutive updates that are counted together: whole periods of terms that are computed in every 2nd, 4th, 8th or 16th update."""
ENERGY_TRIES = 3
EVERY = 0.05
"""Share of the budget after which updates are counted anew."""

_UNITS: dict[str, tuple[Axis, float]] = {
    "s": ("seconds", 1.0), "sec": ("seconds", 1.0), "second": ("seconds", 1.0), "seconds": ("seconds", 1.0),
    "ms": ("seconds", 1e-3), "min": ("seconds", 60.0), "minute": ("seconds", 60.0), "minutes": ("seconds", 60.0),
    "h": ("seconds", 3600.0), "step": ("steps", 1.0), "steps": ("steps", 1.0),
    "sample": ("samples", 1.0), "samples": ("samples", 1.0), "flop": ("flops", 1.0), "flops": ("flops", 1.0),
    "J": ("joules", 1.0), "joule": ("joules", 1.0), "joules": ("joules", 1.0), "kJ": ("joules", 1e3),
}  # fmt: skip
_MULTIPLES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_FORM = re.compile(r"([-+]?[0-9.]+(?:[eE][-+]?\d+)?)([kMGTP]?)\s*([A-Za-z]*)")
_COUNTED: tuple[Axis, ...] = ("steps", "samples", "flops")


class EnergyLost(RuntimeError):
    """The counter of a budget in joules has ceased to answer."""


@dataclass(frozen=True)
class Budget:
    """`amount` of `axis` (seconds, steps, samples, flops or joules) to train with."""

    axis: Axis
    amount: float

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Read "20 s", "2000 steps", "512k samples", "3e12 flops" or "200 J".

        Raises:
            UsageError: no number, an unknown unit, or an amount that is not above 0.
        """
        match = _FORM.fullmatch(text.strip())
        advice = 'Write seconds, steps, samples, flops or joules, for example "20 s", "2000 steps", "3e12 flops" or "200 J".'
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
        if not (math.isfinite(amount) and amount > 0) or (axis in _COUNTED and amount < 1):
            raise UsageError(f'budget "{text}" must be more than 0. {advice}')
        return cls(axis, amount)


@dataclass(frozen=True)
class Counted:
    """What counting found in one update: flops, and the share of operators' seconds in operators that have a formula."""

    flops: int
    time_share: float | None = None


class Counting:
    """Which updates are counted, and what an update is charged that is not.

    `PERIOD` consecutive updates are counted in each stage and again each `EVERY` of progress, but never more than every other
    update; updates in between are charged the mean of the last ones counted, which is exact for a contender of constant work. A
    stage begins with `PERIOD` plain updates, or with those of its first `EVERY` of progress where that is fewer: they say what
    time a counted one is charged. On the axis of flops it begins with the counted ones, so that the budget is exact from its first
    update; those first ones are charged the time that they took.

    Attributes:
        stage: the stage of the last update that was asked about.
    """

    def __init__(self, plain_first: bool) -> None:
        self._plain_first = plain_first
        self._total = 0.0
        self.stage: str | None = None
        self._block: list[int] = []
        self._mean: float | None = None
        self._since_block = 0
        self._next = 0.0
        self._missed: tuple[str, int] | None = None
        self._time_shares: list[float] = []

    def due(self, stage: str, progress: float) -> bool:
        """Whether the next update, in this stage and at this progress, is to be counted."""
        if stage != self.stage:
            self._enter(stage, progress)
        if self._block:
            return True
        if self._mean is None:
            enough = self._since_block >= PERIOD or (self._since_block > 0 and progress >= self._next)
            return enough or not self._plain_first
        return progress >= self._next and self._since_block >= PERIOD

    def counted(self, counted: Counted, progress: float) -> None:
        """An update has been counted, which began at this progress."""
        if not self._block:
            self._next = (math.floor(progress / EVERY + 1e-9) + 1) * EVERY
        self._block.append(counted.flops)
        self._total += counted.flops
        if counted.time_share is not None:
            self._time_shares.append(counted.time_share)
        if len(self._block) == PERIOD:
            self._close_block()

    def plain(self) -> None:
        """An update has not been counted."""
        self._since_block += 1
        self._total += self._mean or 0.0

    @property
    def flops(self) -> float | None:
        """Flops of all updates so far; None where a stage had too few updates for any to be counted."""
        if self._missed is not None:
            return None
        if self._waiting == 0:
            return self._total
        return self._total + self._waiting * fmean(self._block) if self._block else None

    @property
    def status(self) -> str:
        """Why there are no flops."""
        stage, updates = self._missed or (self.stage, self._waiting)
        return f"too short: the {updates} updates of stage {stage!r} ended before any was counted"

    @property
    def time_share(self) -> float | None:
        """Mean share of operators' seconds that is spent in counted operators; None where nothing told it."""
        return fmean(self._time_shares) if self._time_shares else None

    @property
    def _waiting(self) -> int:
        """Plain updates of this stage that are charged once its first ones have been counted."""
        return self._since_block if self._mean is None else 0

    def _enter(self, stage: str, progress: float) -> None:
        self._close_block()
        if self._waiting and self.stage is not None:
            self._missed = self._missed or (self.stage, self._waiting)
        self.stage, self._mean, self._since_block, self._next = stage, None, 0, progress + EVERY

    def _close_block(self) -> None:
        if self._block:
            mean = fmean(self._block)
            self._total += self._waiting * mean
            self._mean, self._block, self._since_block = mean, [], 0


class Meter:
    """Counts seconds, steps, samples, flops and joules of one training; `clock` is a monotonic clock in seconds.

    Attributes:
        counting: which updates are counted for flops, and their sum.
        last_update: the largest growth of the spending between the last two looks at it, in the unit of the budget's axis.
        plain_s, plain_steps: seconds and number of the updates that were not counted.
    """

    def __init__(
        self, budget: Budget, clock: Callable[[], float] = time.perf_counter, energy: "EnergyCounter | None" = None
    ) -> None:
        if budget.axis == "joules" and energy is None:
            raise ValueError("a budget in joules needs a counter of energy")
        self.budget, self.energy = budget, energy
        self.counting = Counting(plain_first=budget.axis != "flops")
        self.steps = self.samples = 0
        self.seconds = self.last_update = 0.0
        self.plain_s, self.plain_steps = 0.0, 0
        self._clock = clock
        self._running_since: float | None = None
        self._recent_s: deque[float] = deque(maxlen=PERIOD)
        self._joules: float | None = None if energy is None else 0.0
        self._joules_before: float | None = None
        self._window_s = self._window_charged_s = 0.0

    def due(self, stage: str) -> bool:
        """Whether the next update, in this stage, is to be counted."""
        if stage != self.counting.stage:
            self._recent_s.clear()
        return self.counting.due(stage, self.progress)

    def resume(self) -> None:
        """Let the clock run."""
        if self.energy is not None:
            self._joules_before = _read(self.energy)
            self._window_s = self._window_charged_s = 0.0
        self._running_since = self._clock()

    def pause(self) -> None:
        """Stop the clock; the time since the last count belongs to nobody's update."""
        if self._running_since is not None and self._window_s > 0:
            self._read_energy()
        self._running_since = None

    def count(self, samples: int, counted: Counted | None = None) -> None:
        """One update on `samples` items has ended; `counted` is what counting found in it, if it was counted."""
        if self._running_since is None:
            raise RuntimeError("an update was counted while the clock stood still; call resume() first")
        began, before = self.progress, self.spent
        now = self._clock()
        elapsed_s, self._running_since = now - self._running_since, now
        charged_s = elapsed_s if counted is None or not self._recent_s else median(self._recent_s)
        self.seconds += charged_s
        self._window_s += elapsed_s
        self._window_charged_s += charged_s
        self.steps += 1
        self.samples += samples
        if counted is None:
            self._recent_s.append(elapsed_s)
            self.plain_s += elapsed_s
            self.plain_steps += 1
            self.counting.plain()
        else:
            self.counting.counted(counted, began)
        if self.budget.axis != "joules":
            self.last_update = self.spent - before
        elif self.energy is not None and self._window_s >= self.energy.tick_s:
            self._read_energy()
            self.last_update = self.spent - before

    @property
    def joules(self) -> float | None:
        """Energy of all updates so far; None where it cannot be read."""
        return self._joules

    @property
    def spent(self) -> float:
        """Spent so far, in the unit of the budget's axis."""
        axis = self.budget.axis
        if axis == "flops":
            return self.counting.flops or 0.0
        if axis == "joules":
            return self._joules or 0.0
        return float({"seconds": self.seconds, "steps": self.steps, "samples": self.samples}[axis])

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

    def _read_energy(self) -> None:
        """Add what was used since the last reading, less the part that counting took."""
        if self.energy is None:
            return
        now = _read(self.energy)
        if now is None or self._joules_before is None or self._joules is None:
            self._joules = None
            if self.budget.axis == "joules":
                raise EnergyLost(f"{self.energy.source} cannot be read any more, and the budget is in joules")
        else:
            self._joules += (now - self._joules_before) * self._window_charged_s / self._window_s
        self._joules_before = now
        self._window_s = self._window_charged_s = 0.0


def _read(energy: "EnergyCounter") -> float | None:
    """The counter's joules; a single question that it does not answer is asked again."""
    for _ in range(ENERGY_TRIES):
        joules = energy.joules()
        if joules is not None:
            return joules
    return None
