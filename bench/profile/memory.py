"""Peak memory of this process on the host: the highest resident set of a window.

VmHWM of /proc/self/status is the highest resident set since the mark was last reset, by writing 5 to /proc/self/clear_refs
(Linux, proc(5)). Where the mark cannot be reset the resident set is polled at 100 Hz, and the source says so: a peak shorter than
10 ms can then be missed.
"""

import ctypes
import os
import re
import threading
from pathlib import Path

import psutil

from paragone.bench.profile.answers import ABSENT, NO_PERMISSION, Answer
from paragone.bench.profile.readings import OK, Reading, Source

POLL_S = 0.01
_STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
_STATM = Path("/proc/self/statm")


def peak_mark(clear: Path = CLEAR) -> Answer[str]:
    """Reset the mark of peak memory (proc(5)), or say why it cannot be: the resident set is then polled."""
    try:
        clear.write_text("5")
    except FileNotFoundError:
        return None, ABSENT
    except OSError:
        return None, NO_PERMISSION
    return "reset at each phase", OK


class PeakMark:
    """The highest resident set in bytes since `reset`, by the kernel's mark or, where it cannot be reset, by polling."""

    def __init__(self, clear: Path = CLEAR) -> None:
        self._clear = clear
        self._poller = None if peak_mark(clear)[1] == OK else _Poller()

    @property
    def source(self) -> str:
        """How the peak is found."""
        return "VmHWM of the cell's process" if self._poller is None else "resident set polled at 100 Hz: the mark cannot be reset"

    def reset(self) -> None:
        """Forget what was before."""
        if self._poller is None:
            peak_mark(self._clear)
        else:
            self._poller.reset()

    def peak_bytes(self) -> int | None:
        """The highest resident set since the reset; None where the system tells nothing."""
        if self._poller is not None:
            return self._poller.peak_bytes()
        match = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
        return int(match.group(1)) * 1024 if match else None


class ResidentSet(Source):
    """`peak_rss_bytes` of each window."""

    def __init__(self, mark: PeakMark | None = None) -> None:
        self._mark = mark or PeakMark()

    def begin(self) -> None:
        """Reset the mark."""
        self._mark.reset()

    def end(self) -> list[Reading]:
        """Read the mark."""
        peak = self._mark.peak_bytes()
        status = "ok" if peak is not None else "unsupported"
        return [Reading("peak_rss_bytes", peak, "bytes", self._mark.source, status)]


def resting_rss_bytes() -> int:
    """Resident set of this process now, in bytes."""
    return int(psutil.Process().memory_info().rss)


def release_freed() -> None:
    """Give freed memory back to the system (glibc's malloc_trim), so that it is in nobody's peak; elsewhere nothing.

    It takes milliseconds, so it stands between phases and not at every boundary.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _Poller:
    """Looks at the resident set 100 times a second, from a thread."""

    def __init__(self) -> None:
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._peak_bytes = self._now_bytes()
        threading.Thread(target=self._run, name="paragone-memory", daemon=True).start()

    def reset(self) -> None:
        self._peak_bytes = self._now_bytes()

    def peak_bytes(self) -> int:
        return max(self._peak_bytes, self._now_bytes())

    def _now_bytes(self) -> int:
        if _STATM.exists():
            return int(_STATM.read_text().split()[1]) * self._page_bytes
        return resting_rss_bytes()

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(POLL_S):
            self._peak_bytes = max(self._peak_bytes, self._now_bytes())
