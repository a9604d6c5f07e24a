"""Words of the history: a key names a series, a point is one night of it, a night is all points of one run.

compared value    x = +-log(raw), or +-raw on the identity scale, signed so that larger is worse; times and energies are divided by
                  the control workload's time of their own cell first. A difference d of two compared values is a change by exp(d).
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Kind = Literal["time", "memory", "energy", "quality", "exact"]
PointStatus = Literal["ok", "invalid", "missing"]


@dataclass(frozen=True, order=True)
class Key:
    """Entry x metric x hard fingerprint x protocol version: what must be equal for two numbers to be compared.

    `entry` is `digits/vae` or `digits/ddpm/ddim-50` (track first), or a benchmark's full name; `machine` and `protocol` are hashes.
    """

    entry: str
    metric: str
    machine: str
    protocol: str

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that stand for the series everywhere."""
        return digest(self.entry, self.metric, self.machine, self.protocol)

    @property
    def name(self) -> str:
        """`digits/vae train_step_s`."""
        return f"{self.entry} {self.metric}"


@dataclass(frozen=True)
class Point:
    """One series on one night.

    Attributes:
        run: the run folder's name; `started` is its start, ISO 8601 in UTC, by which nights are ordered.
        commit: what was run; ends in `+` where the work tree differed from it, empty where it is not known.
        value: compared value (None unless status is ok); `raw` the same in the metric's own unit, not divided by anything.
        replicates: compared values of the single repeats, in the order of their seeds; not those of rounds within one repeat.
        exact: what is compared to the letter, for series of that kind.
        reason: why it is not ok, in words.
    """

    run: str
    started: str
    commit: str
    status: PointStatus
    value: float | None = None
    raw: float | None = None
    replicates: tuple[float, ...] = ()
    exact: str = ""
    reason: str = ""

    @property
    def ok(self) -> bool:
        """True where it may be compared."""
        return self.status == "ok"


@dataclass(frozen=True)
class Night:
    """One run: where it ran and all its points.

    Attributes:
        machine, fingerprint: hash of the hard keys, and the keys; `soft` are shown where they changed (host, versions ...).
        control_s: the control workload's median time over the run's cells, None where there was none.
        problem: why nothing of it can be judged, empty where something can.
    """

    run: str
    started: str
    commit: str
    suite: str
    machine: str
    fingerprint: Mapping[str, str]
    soft: Mapping[str, str] = field(default_factory=dict)
    control_s: float | None = None
    points: Mapping[Key, Point] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Series:
    """The points of one key over earlier nights, oldest first."""

    key: Key
    points: Sequence[Point]

    @cached_property
    def eligible(self) -> tuple[Point, ...]:
        """The points that may be compared."""
        return tuple(point for point in self.points if point.ok)


def digest(*parts: str) -> str:
    """Twelve hexadecimal digits of a hash over parts."""
    return hashlib.sha256("\x1f".join(parts).encode(errors="surrogatepass")).hexdigest()[:12]


def hash_of(mapping: Mapping[str, str]) -> str:
    """Hash of a fingerprint, whatever the order of its keys."""
    return digest(*(f"{key}={mapping[key]}" for key in sorted(mapping)))


def ratio(difference: float) -> float:
    """The factor that a difference of two compared values on the log scale stands for."""
    return math.exp(difference)
