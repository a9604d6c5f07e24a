"""The processor: time of this process, and what others took of its cores.

Linux counts, for each core, hundredths of a second busy and stolen (/proc/stat, proc(5)): stolen is what a hypervisor gave to other
machines. Busy time of the process's own cores that is not its own time was taken by other processes.
"""

import os
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from paragone.bench.profile.readings import Doubt, Reading, Source

STEAL_BOUND = 0.05
FOREIGN_BOUND = 0.10
"""Shares of the time of a cell's cores above which its times may not be compared."""
_STAT = Path("/proc/stat")


class ProcessorTime(Source):
    """`cpu_s` of each window: user and system time of all threads of this process."""

    def begin(self) -> None:
        """Read the process's clock."""
        self._since_s = time.process_time()

    def end(self) -> list[Reading]:
        """Read it again."""
        spent_s = time.process_time() - self._since_s
        return [Reading("cpu_s", spent_s, "s", "user and system time of the process", over_windows="sum")]


@dataclass(frozen=True)
class Load:
    """Shares of the time of this process's cores: stolen by the hypervisor, and used by other processes. None: not told here."""

    steal_share: float | None
    foreign_share: float | None

    def doubts(self) -> list[Doubt]:
        """Why times taken under this load may not be compared."""
        found = []
        if self.steal_share is not None and self.steal_share > STEAL_BOUND:
            found.append(Doubt(f"the hypervisor took {self.steal_share:.0%} of the cores' time (bound {STEAL_BOUND:.0%})"))
        if self.foreign_share is not None and self.foreign_share > FOREIGN_BOUND:
            found.append(Doubt(f"other processes took {self.foreign_share:.0%} of the cores' time (bound {FOREIGN_BOUND:.0%})"))
        return found


class LoadWatch:
    """The load on this process's cores since the watch was made."""

    def __init__(self, stat: Path = _STAT) -> None:
        self._stat = stat
        self._cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        self._before, self._own_before_s = _ticks(stat, self._cores), time.process_time()

    def load(self) -> Load:
        """The load from the watch's beginning until now."""
        now, own_s = _ticks(self._stat, self._cores), time.process_time() - self._own_before_s
        if self._before is None or now is None:
            return Load(None, None)
        total, busy, stolen = (a - b for a, b in zip(now, self._before, strict=True))
        if total <= 0:
            return Load(None, None)
        own = own_s * os.sysconf("SC_CLK_TCK")
        return Load(stolen / total, max(0.0, busy - own) / total)


def _ticks(stat: Path, cores: Collection[int] | None) -> tuple[int, int, int] | None:
    """(all, busy, stolen) ticks of the cores so far; None where the system does not tell them."""
    try:
        lines = re.findall(r"^cpu(\d+) (.+)$", stat.read_text(), re.MULTILINE)
    except OSError:
        return None
    rows = [[int(word) for word in words.split()] for core, words in lines if cores is None or int(core) in cores]
    if not rows or len(rows[0]) < 8:
        return None
    # user nice system idle iowait irq softirq steal; guest time is in user already
    user, nice, system, idle, waiting, irq, soft, stolen = (sum(column) for column in list(zip(*rows, strict=True))[:8])
    busy = user + nice + system + irq + soft
    return busy + idle + waiting + stolen, busy, stolen
