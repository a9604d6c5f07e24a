"""The storm guard: many series that move the same way on one night tell of the machine, not of one regression.

series    at least 3 and at least half of those screened moved the same way, of all kinds together or of one kind
control   the control workload moved beyond its own interval, by more than a tenth: times and energies are in doubt
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from paragone.bench.history.screen import WINDOW, baseline
from paragone.bench.history.series import Key, Kind, Point, ratio
from paragone.bench.history.watched import KINDS, WATCHED, Watch

FEWEST = 3
SHARE = 0.5
CONTROL = Watch("control_s", "control workload", "s", "time", "log", 1, math.log(1.1))
_IN_DOUBT: tuple[Kind, ...] = ("time", "energy")


@dataclass(frozen=True)
class Movement:
    """Where one screened series went tonight: 1 worse, -1 better, 0 neither, each beyond its interval."""

    key: Key
    direction: int

    @property
    def kind(self) -> Kind:
        """The kind of its metric."""
        return WATCHED[self.key.metric].kind


@dataclass(frozen=True)
class Storm:
    """A changed environment: the series that are in doubt, and what is said of it."""

    keys: frozenset[Key]
    words: str


def find_storm(movements: Sequence[Movement], controls: Sequence[Point], control_s: float | None) -> Storm | None:
    """The storm of a night, if there is one; `controls` are earlier nights' log seconds of the control workload."""
    storms = [_control_moved(movements, controls, control_s)]
    groups = [("", movements)] + [(f"{kind} ", [m for m in movements if m.kind == kind]) for kind in KINDS]
    storms += [_together(name, group, direction) for name, group in groups for direction in (1, -1)]
    found = [storm for storm in storms if storm is not None]
    if not found:
        return None
    words = "; ".join(dict.fromkeys(storm.words for storm in found[:1]))
    return Storm(frozenset().union(*(storm.keys for storm in found)), words)


def _together(name: str, group: Sequence[Movement], direction: int) -> Storm | None:
    moved = [m for m in group if m.direction == direction]
    if len(moved) < FEWEST or len(moved) < SHARE * len(group):
        return None
    way = "worse" if direction > 0 else "better"
    words = f"environment changed: {len(moved)} of {len(group)} {name}series got {way} on the same night"
    return Storm(frozenset(m.key for m in moved), words)


def _control_moved(movements: Sequence[Movement], controls: Sequence[Point], control_s: float | None) -> Storm | None:
    if control_s is None:
        return None
    known = baseline(controls[-WINDOW:], CONTROL)
    value = math.log(control_s)
    if known is None or not (known.worse(value, CONTROL.smallest) or known.better(value, CONTROL.smallest)):
        return None
    factor = ratio(abs(value - known.level))
    way = "slower" if value > known.level else "faster"
    words = f"environment changed: the control workload ran {factor:.2f} times {way} than on the nights before"
    return Storm(frozenset(m.key for m in movements if m.kind in _IN_DOUBT), words)
