"""Energy counters that only grow: what was used since a moment, through wraps, resets and stand-stills.

A raw counter in J goes up in steps, each up to `tick_s` long. Where it can wrap (RAPL's 32 bits) and goes down, it has wrapped;
where it cannot (NVML's 64 bits) and goes down, it was reset and what was used is unknown. A window shorter than two steps
says next to nothing: "too short". A longer one in which the counter does not move: "stuck", for no device uses nothing.
"""

import threading
import time
from collections.abc import Callable, Sequence

from paragone.bench.profile.answers import RESET, STUCK, TOO_SHORT, Answer
from paragone.bench.profile.readings import OK, Reading

STUCK_AFTER_S = 2.0
"""Seconds without any growth after which a running total counts as stuck."""


class Counter:
    """Growth of one raw counter, in J, since `restart`; `wraps_at` is the J at which it starts again from 0, None for never."""

    def __init__(self, read: Callable[[], Answer[float]], wraps_at: float | None = None) -> None:
        self._read, self._wraps_at = read, wraps_at
        self.restart()

    def restart(self) -> None:
        """Count from here on."""
        self._last, self._status = self._read()
        self._grown = 0.0

    def grown(self) -> Answer[float]:
        """J since the restart. A failure to read now is not for ever: the next reading has it all; a reset is for ever."""
        if self._last is None or self._status != OK:
            return None, self._status
        now, status = self._read()
        if now is None:
            return None, status
        step, self._last = now - self._last, now
        if step < 0 and self._wraps_at is None:
            self._status = RESET
            return None, RESET
        self._grown += step if step >= 0 else step + (self._wraps_at or 0.0)
        return self._grown, OK


class EnergyMeter:
    """The sum of several counters since `restart`, in J. Several threads may look.

    `tick_s` is the longest time between two steps of a counter, `source` says what is counted.
    """

    def __init__(self, counters: Sequence[Counter], tick_s: float, source: str) -> None:
        self._counters, self.tick_s, self.source = tuple(counters), tick_s, source
        self._lock = threading.Lock()
        self._since_s = self._moved_s = time.perf_counter()
        self._highest = 0.0

    def restart(self) -> None:
        """Count from here on."""
        with self._lock:
            for counter in self._counters:
                counter.restart()
            self._since_s = self._moved_s = time.perf_counter()
            self._highest = 0.0

    def total(self) -> Answer[float]:
        """J since the restart, and `ok`; None and why where a counter cannot be read or has stood still for `STUCK_AFTER_S`."""
        with self._lock:
            answers = [counter.grown() for counter in self._counters]
            why = next((status for value, status in answers if value is None), OK)
            if why != OK:
                return None, why
            total, now_s = sum(value for value, _ in answers if value is not None), time.perf_counter()
            if total > self._highest:
                self._highest, self._moved_s = total, now_s
            return (None, STUCK) if now_s - self._moved_s > STUCK_AFTER_S else (total, OK)

    def joules(self) -> float | None:
        """J since the restart, never less than before; None where they cannot be read."""
        return self.total()[0]

    def reading(self) -> Reading:
        """`joules` of the window since the restart."""
        total, status = self.total()
        seconds = time.perf_counter() - self._since_s
        if total is not None and seconds < 2 * self.tick_s:
            total, status = None, TOO_SHORT
        elif total == 0:
            total, status = None, STUCK
        return Reading("joules", total, "J", self.source, status, over_windows="sum")
