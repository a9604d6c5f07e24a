"""Readings and where they come from: the one small interface of every profiling back end.

A source is asked at the two ends of a window of time (`begin`, `end`), may be looked at in between by a sampling thread (`tick`),
and answers with readings. What it cannot read is a reading without value whose status says why, never 0 and never an exception:
profiling must not cost a cell.

A phase (train, sample, evaluate) may have several windows, because training stops while it is looked at: `combined` puts
their readings together.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from paragone.bench.records import Measurement

OK = "ok"
UNREAD_SHARE = 0.01
"""Share of a phase's seconds that a sum may miss, in windows too short for their counter, and still stand."""


@dataclass(frozen=True)
class Reading:
    """One quantity read over a window, without the phase in its name: `peak_rss_bytes`, `cpu_s`, `joules`.

    `value` is None where it could not be read; `status` then says why (`unsupported`, `no permission`, `too short` ...), in the
    words of alerts and tables, and `source` adds what there is to add. `over_windows` is how windows of one phase combine.
    """

    name: str
    value: float | None
    unit: str
    source: str
    status: str = OK
    over_windows: Literal["max", "sum", "mean"] = "max"

    def measurement(self, phase: str, sampler: str = "") -> Measurement:
        """As a row of the record: `train_joules`; without a value its source is the status and then the words."""
        source = self.source if self.status == OK else f"{self.status}: {self.source}" if self.source else self.status
        return Measurement(metric=f"{phase}_{self.name}", value=self.value, unit=self.unit, source=source, sampler=sampler)


@dataclass(frozen=True)
class Doubt:
    """Why the times of a cell may not be compared (`fatal`), or what to know when they are."""

    words: str
    fatal: bool = True


class Source(ABC):
    """A back end of profiling. None of its methods raises."""

    ticks = False
    """True where `tick` wants to be called by the sampling thread."""

    @abstractmethod
    def begin(self) -> None:
        """A window begins."""

    @abstractmethod
    def end(self) -> list[Reading]:
        """The window that began last ends: what was read in it. Together with `begin` within a fraction of a millisecond."""

    def tick(self) -> None:  # noqa: B027 - most sources have nothing to do here
        """Look, once or twice a second, from the sampling thread."""

    def after(self) -> list[Reading]:
        """The phase whose window ended last is over: what is read once and takes longer, such as a list of processes."""
        return []

    def doubts(self) -> list[Doubt]:
        """Why the times of everything since this source was made cannot be trusted."""
        return []


def combined(windows: Sequence[tuple[float, Sequence[Reading]]]) -> list[Reading]:
    """Readings of one phase from those of its windows, each (seconds, readings): maximum, sum or mean weighted by seconds.

    Windows in which a quantity could not be read are left out of a maximum and a mean; a sum stands only where they hold at most
    `UNREAD_SHARE` of the seconds. A quantity that was read nowhere keeps its first status.
    """
    names = dict.fromkeys(reading.name for _, readings in windows for reading in readings)
    return [_combined([(s, r) for s, readings in windows for r in readings if r.name == name]) for name in names]


def _combined(parts: Sequence[tuple[float, Reading]]) -> Reading:
    known = [(seconds, r.value) for seconds, r in parts if r.value is not None]
    unread = [(seconds, r) for seconds, r in parts if r.value is None]
    rule = parts[0][1].over_windows
    unread_s, total_s = sum(s for s, _ in unread), sum(s for s, _ in parts)
    if not known or (rule == "sum" and unread and unread_s > UNREAD_SHARE * total_s):
        return unread[0][1]
    template = next(r for _, r in parts if r.value is not None)
    if rule == "max":
        return replace(template, value=max(value for _, value in known))
    if rule == "sum":
        return replace(template, value=sum(value for _, value in known))
    weight = sum(seconds for seconds, _ in known)
    return replace(template, value=sum(s * v for s, v in known) / weight if weight else known[-1][1])
