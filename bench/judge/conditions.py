"""What stands between two runs: differences of machine and protocol, what each of them forbids to compare, and what else differs.

machine     a hard key of the fingerprint: no verdict on times, memory and energy; quality too, where the budget is in seconds or
            joules, which buy other training there
protocol    budget, training, evaluation, data, number format: no verdict on what depends on it
yardstick   held-out real, which nobody trains, got another FID: the evaluation itself changed, so no quality is compared
control     the fixed workload ran at speeds more than `CONTROL_BOUND` apart: no verdict on times and energies
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from paragone.bench.budget import Budget
from paragone.bench.errors import UsageError
from paragone.bench.history.series import Kind
from paragone.bench.judge.blocks import definition
from paragone.bench.judge.sides import Key, Side
from paragone.bench.judge.timings import CONTROL_BOUND
from paragone.bench.records import REFERENCE

Scope = Literal["everything", "machine", "clock", "training", "quality", "judged", "stability", "nothing"]
FORBIDDEN: Mapping[Scope, str] = {
    "everything": "nothing of it has a verdict",
    "machine": "times, memory and energy have no verdict",
    "clock": "times and energy have no verdict",
    "training": "what training made or spent has no verdict",
    "quality": "quality has no verdict",
    "judged": "what was measured on samples has no verdict",
    "stability": "stability has no verdict",
    "nothing": "nothing that both have depends on it",
}
SET_UP = frozenset({"python", "torch", "cuda", "driver", "tf32"})
"""Hard keys that are the software's; all others are the machine's."""
YARDSTICK = "held-out real"
YARDSTICK_SHARE = 0.005
"""Relative difference of the yardstick's FID that rounding does not explain."""
_LEARNT = frozenset({"quality", "likelihood", "stability", "probe", "task"})


@dataclass(frozen=True)
class Obstacle:
    """A difference that forbids verdicts: what differs in words, and on what; an empty track or contender means all."""

    what: str
    scope: Scope
    track: str = ""
    contender: str = ""

    def forbids(self, key: Key, kind: Kind) -> bool:
        """Whether a metric has no verdict because of it."""
        return self.track in ("", key.track) and self.contender in ("", key.contender) and _within(self.scope, key.metric, kind)


@dataclass(frozen=True)
class Differs:
    """Something of the environment that is not the same: its name, and its value in A and in B."""

    what: str
    a: str
    b: str


def obstacles(a: Side, b: Side) -> tuple[Obstacle, ...]:
    """What forbids verdicts, the machine first."""
    return (*_machine(a, b), *_protocol(a, b), *_formats(a, b), *_yardstick(a, b))


def environment(a: Side, b: Side) -> tuple[Differs, ...]:
    """What else differs: commit, source of each contender, hard keys, versions, suite."""
    pairs: list[tuple[str, object, object]] = [
        ("suite", a.manifest.suite.get("name"), b.manifest.suite.get("name")),
        ("commit", a.manifest.commit or "not under git", b.manifest.commit or "not under git"),
    ]
    sources = _sources(a), _sources(b)
    pairs += [(f"source of {name}", sources[0][name], sources[1][name]) for name in sources[0] if name in sources[1]]
    for label, ours, theirs in (
        ("machine", a.manifest.fingerprint, b.manifest.fingerprint),
        ("version", a.manifest.versions, b.manifest.versions),
    ):
        pairs += [(f"{label}: {key}", ours.get(key), theirs.get(key)) for key in sorted({*ours, *theirs})]
    return tuple(Differs(what, _text(x), _text(y)) for what, x, y in pairs if x != y)


def control_ratio(a: Side, b: Side) -> float | None:
    """Time of the control workload in B over that in A, None where one has none."""
    return b.control_s / a.control_s if a.control_s is not None and b.control_s is not None else None


def same_machine(a: Side, b: Side) -> bool:
    """Whether every hard key is the same."""
    return a.manifest.fingerprint == b.manifest.fingerprint


def _within(scope: Scope, metric: str, kind: Kind) -> bool:
    group = definition(metric).group
    match scope:
        case "everything":
            return True
        case "machine":
            return kind in ("time", "memory", "energy")
        case "clock":
            return kind in ("time", "energy")
        case "training":
            return group in _LEARNT or metric.startswith("train_")
        case "quality":
            return group in _LEARNT
        case "judged":
            return group in _LEARNT - {"likelihood"} or (metric.startswith("sample_") and kind != "exact")
        case "stability":
            return group == "stability"
    return False


def _machine(a: Side, b: Side) -> Iterator[Obstacle]:
    ours, theirs = a.manifest.fingerprint, b.manifest.fingerprint
    differ = [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]
    hard, soft = [key for key in differ if key not in SET_UP], [key for key in differ if key in SET_UP]
    for name, keys in (("another machine", hard), ("another set-up", soft)):
        if keys:
            told = "; ".join(f"{key} is {_text(ours.get(key))} in A and {_text(theirs.get(key))} in B" for key in keys)
            yield Obstacle(f"{name} ({told})", "machine")
    spent = sorted({side.axis or "" for side in (a, b)} & {"seconds", "joules"})
    if hard and spent:
        yield Obstacle(f"another machine, and a budget in {spent[0]}, which buy other training there", "training")
    ratio = control_ratio(a, b)
    if not differ and ratio is not None and max(ratio, 1 / ratio) > CONTROL_BOUND:
        slower, factor = ("B" if ratio > 1 else "A"), max(ratio, 1 / ratio)
        words = f"the machine was slower in {slower} by a factor {factor:.2f} of the control workload, bound {CONTROL_BOUND:g}"
        yield Obstacle(words, "clock")
        if "seconds" in spent:
            yield Obstacle(f"{words}, and the budget is in seconds", "training")


def _protocol(a: Side, b: Side) -> Iterator[Obstacle]:
    ours, theirs = a.manifest.suite, b.manifest.suite
    for section, key, label, scope in _RULES:
        x, y = _part(ours, section, key), _part(theirs, section, key)
        if x != y and not (key == "train" and _same_budget(x, y)):
            yield Obstacle(f"another {label} ({_text(x)} in A, {_text(y)} in B)", scope)
    if ours.get("stability") != theirs.get("stability"):
        yield Obstacle("other learning-rate variants", "stability")
    samplers = _table(ours, "samplers"), _table(theirs, "samplers")
    for name in sorted({*samplers[0], *samplers[1]}):
        x, y = ({**_table(side, name)}.get("curve") for side in samplers)
        if x != y:
            yield Obstacle(f"another sampler along the budget for {name} ({_text(x)} in A, {_text(y)} in B)", "stability", "", name)
    hashes = _data(a), _data(b)
    for track in hashes[0]:
        if track in hashes[1] and hashes[0][track] != hashes[1][track]:
            x, y = _text(hashes[0][track])[:12], _text(hashes[1][track])[:12]
            yield Obstacle(f"other data on {track} (hash {x} in A, {y} in B)", "everything", track)


_RULES: tuple[tuple[str, str, str, Scope], ...] = (
    ("budget", "train", "budget", "training"),
    ("budget", "parameters", "budget of parameters", "everything"),
    ("training", "precision", "number format asked for", "everything"),
    ("training", "compile", "setting of compilation", "everything"),
    ("evaluation", "samples", "number of judged samples", "judged"),
    ("evaluation", "shares", "set of looks along the budget", "stability"),
    ("evaluation", "curve_samples", "number of samples along the budget", "stability"),
)
"""Section and key of a suite, its name, and what depends on it."""


def _formats(a: Side, b: Side) -> Iterator[Obstacle]:
    """Contenders that computed in another number format."""
    ours, theirs = ({(r.cell.track, r.cell.contender): r.precision for r in side.records if r.status == "ok"} for side in (a, b))
    for (track, contender), own in ours.items():
        other = theirs.get((track, contender), own)
        if own != other:
            words = f"{contender} computed in another number format ({own} in A, {other} in B)"
            yield Obstacle(words, "everything", track, contender)


def _yardstick(a: Side, b: Side) -> Iterator[Obstacle]:
    for name in a.tracks:
        ours, theirs = _floor(a, name), _floor(b, name)
        moved = [seed for seed in ours if seed in theirs and not math.isclose(ours[seed], theirs[seed], rel_tol=YARDSTICK_SHARE)]
        if moved and _data(a).get(name) == _data(b).get(name):
            x, y = ours[moved[0]], theirs[moved[0]]
            yield Obstacle(
                f"the yardstick moved on {name}: FID of {YARDSTICK} is {x:.4g} in A and {y:.4g} in B, so the evaluation itself "
                "changed", "quality", name,
            )  # fmt: skip


def _floor(side: Side, track: str) -> dict[int, float]:
    """FID of held-out real by seed."""
    if track not in side.tracks:
        return {}
    found = side.tracks[track].measured.items()
    return {seed: m.value for (name, seed, _, metric), m in found if (name, metric) == (YARDSTICK, "fid") and m.value is not None}


def _sources(side: Side) -> dict[str, str]:
    """Hash of each contender's source."""
    return {r.cell.contender: r.hashes.get("source", "")[:12] for r in side.records if r.family != REFERENCE}


def _data(side: Side) -> dict[str, str]:
    """Hash of each track's data."""
    return {record.cell.track: record.hashes.get("data", "") for record in side.records}


def _table(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = content.get(key)
    return found if isinstance(found, dict) else {}


def _part(suite: Mapping[str, Any], section: str, key: str) -> object:
    return _table(suite, section).get(key)


def _same_budget(x: object, y: object) -> bool:
    """Whether two texts are the same budget, as `150 steps` and `0.15k steps`."""
    try:
        return Budget.parse(str(x)) == Budget.parse(str(y))
    except UsageError:
        return False


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "none"
    return "none" if value is None else str(value)


def of(found: Sequence[Obstacle], key: Key, kind: Kind) -> Obstacle | None:
    """The first obstacle that forbids a verdict on this metric."""
    return next((obstacle for obstacle in found if obstacle.forbids(key, kind)), None)
