"""The profile of one cell: which phase it is in, and what its sources read meanwhile.

    start(phase)     the open window ends, one of this phase begins: training stops and goes on around every evaluation
    stop()           the open window ends
    measurements()   everything read in the windows of a phase, as rows of the record

A sampling thread looks at those sources that want it, at 2 Hz, and keeps account of its own time; where no source wants it there
is no thread. Nothing here synchronises the device: who times device work does that first (clock.py).
"""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from paragone.bench.profile.readings import Doubt, Reading, Source, combined
from paragone.bench.records import Measurement

INTERVAL_S = 0.5

Phase = tuple[str, str]
"""(phase, sampler); the sampler is empty but in sampling."""


class Profiler:
    """Readings of a cell by phase and sampler. Must be closed: it may hold a thread."""

    def __init__(self, sources: Sequence[Source], interval_s: float = INTERVAL_S) -> None:
        self._sources = tuple(sources)
        self._windows: dict[Phase, list[tuple[float, list[Reading]]]] = defaultdict(list)
        self._open: Phase | None = None
        self._since_s = self._made_s = time.perf_counter()
        self._boundaries_s: list[float] = []
        self._thread = _Ticker([s for s in sources if s.ticks], interval_s) if any(s.ticks for s in sources) else None

    def start(self, phase: str, sampler: str = "") -> None:
        """A window of this phase begins; the one that is open ends."""
        began = time.perf_counter()
        self._end_window(began)
        for source in self._sources:
            source.begin()
        self._open, self._since_s = (phase, sampler), time.perf_counter()
        self._boundaries_s.append(self._since_s - began)

    def stop(self) -> None:
        """The open window ends; nothing happens where none is open."""
        began = time.perf_counter()
        if self._end_window(began):
            self._boundaries_s.append(time.perf_counter() - began)

    def measurements(self, phase: str, sampler: str = "") -> list[Measurement]:
        """What was read in the windows of a phase that have ended, and what is read once when it is over."""
        windows = self._windows[phase, sampler]
        if not windows:
            return []
        once = [reading for source in self._sources for reading in source.after()]
        return [reading.measurement(phase, sampler) for reading in (*combined(windows), *once)]

    def seconds(self, phase: str, sampler: str = "") -> float:
        """Seconds of a phase's windows that have ended."""
        return sum(seconds for seconds, _ in self._windows[phase, sampler])

    def doubts(self) -> list[Doubt]:
        """Why times of this cell cannot be trusted, by all sources."""
        return [doubt for source in self._sources for doubt in source.doubts()]

    def overhead(self) -> list[Measurement]:
        """What profiling cost: the sampling thread's share of the time since the start, and a phase boundary."""
        thread_s = self._thread.spent_s if self._thread else 0.0
        words = f"the sampling thread's own time at {1 / INTERVAL_S:g} Hz" if self._thread else "no source here needs a thread"
        share = thread_s / (time.perf_counter() - self._made_s)
        took = self._boundaries_s or [0.0]
        return [
            Measurement(metric="profile_thread_share", value=share, unit="share", source=words),
            Measurement(
                metric="profile_boundary_s", value=median(took), unit="s",
                source=f"median of {len(took)} phase boundaries, synchronisation apart; the longest took {1e3 * max(took):.2g} ms",
            ),
        ]  # fmt: skip

    def close(self) -> None:
        """End the open window and the thread."""
        self.stop()
        if self._thread:
            self._thread.close()

    def _end_window(self, now_s: float) -> bool:
        if self._open is None:
            return False
        readings = [reading for source in self._sources for reading in source.end()]
        self._windows[self._open].append((now_s - self._since_s, readings))
        self._open = None
        return True


class _Ticker:
    """The sampling thread."""

    def __init__(self, sources: Sequence[Source], interval_s: float) -> None:
        self._sources, self._interval_s = sources, interval_s
        self.spent_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="paragone-profile", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._over.wait(self._interval_s):
            began = time.perf_counter()
            for source in self._sources:
                source.tick()
            self.spent_s += time.perf_counter() - began
