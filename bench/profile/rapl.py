"""RAPL: energy of the processor's packages, from Linux's powercap tree (kernel documentation, power/powercap).

/sys/class/powercap/intel-rapl:<n> (AMD's too) holds `name`, `energy_uj` in uJ, and `max_energy_range_uj`, at which the counter
starts again from 0, after minutes to an hour. Only whole packages are counted: sub-zones (core, dram) are parts of them, and
`psys` is the platform around them. They count every process of the machine. Since CVE-2020-8694 only root may read them.
"""

import re
from functools import partial
from pathlib import Path

from paragone.bench.profile.answers import ABSENT, NO_PERMISSION, UNREADABLE, Answer
from paragone.bench.profile.counter import Counter, EnergyMeter
from paragone.bench.profile.readings import OK, Reading, Source

POWERCAP = Path("/sys/class/powercap")
TICK_S = 0.001


class Rapl(Source):
    """`joules` of each window, all packages together. Where there are any it ticks, so that no wrap in a long window is missed."""

    def __init__(self, root: Path = POWERCAP) -> None:
        self._energy = rapl_meter(root)
        self.ticks = bool(packages(root))

    def begin(self) -> None:
        """Count from here."""
        self._energy.restart()

    def tick(self) -> None:
        """Look at the counters, so that no two wraps fall between looks."""
        self._energy.total()

    def end(self) -> list[Reading]:
        """What was counted."""
        return [self._energy.reading()]


def rapl_meter(root: Path = POWERCAP) -> EnergyMeter:
    """All packages' counters, counting from now; where there are none it says `absent`."""
    counters = [Counter(partial(_joules, zone / "energy_uj"), wraps_at=_range(zone)) for zone in packages(root)]
    return EnergyMeter(counters or [Counter(_nothing)], TICK_S, "RAPL, whole packages, all processes")


def packages(root: Path = POWERCAP) -> list[Path]:
    """The zones that are a whole package: top level, named `package-...`."""
    zones = [zone for zone in root.glob("intel-rapl:*") if re.fullmatch(r"intel-rapl:\d+", zone.name)]
    return sorted(zone for zone in zones if (_text(zone / "name")[0] or "").startswith("package"))


def _nothing() -> Answer[float]:
    return None, ABSENT


def _joules(path: Path) -> Answer[float]:
    text, status = _text(path)
    if text is None:
        return None, status
    return (int(text) / 1e6, OK) if text.isdigit() else (None, UNREADABLE)


def _range(zone: Path) -> float | None:
    return _joules(zone / "max_energy_range_uj")[0]


def _text(path: Path) -> Answer[str]:
    try:
        return path.read_text().strip(), OK
    except PermissionError:
        return None, NO_PERMISSION
    except FileNotFoundError:
        return None, ABSENT
    except (OSError, ValueError):
        return None, UNREADABLE
