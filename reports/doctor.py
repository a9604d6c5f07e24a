"""The answer of `doctor` as text: what was found, part by part, and at the end what a run here can measure."""

import json
from collections.abc import Iterable, Sequence

from paragone.bench.doctor import Examination
from paragone.bench.profile.capability import Capability

HEAD = ("part", "what", "here", "value, or why not and what would change that")


def print_examination(found: Examination) -> None:
    """Two tables on standard output; without a terminal one unwrapped line a row."""
    from paragone.bench.listing import print_rows  # it knows all suites and claims, for which JSON need not wait

    print_rows(HEAD, rows(found))
    print("\nwhat a run here can measure")
    print_rows(HEAD[1:], [row[1:] for row in _rows("", found.measures)])


def as_json_text(found: Examination) -> str:
    """One JSON object, its schema's version first."""
    return json.dumps(found.as_json(), indent=1)


def rows(found: Examination) -> list[Sequence[str]]:
    """Everything that was found, a row each."""
    parts = [("host", found.host), ("torch", found.torch), ("NVML", found.nvml)]
    whole = [gpu.uuid for gpu in found.gpus if gpu.slice_of is None]
    for gpu in found.gpus:
        name = f"GPU {whole.index(gpu.slice_of or gpu.uuid)}"
        parts.append((name if gpu.slice_of is None else f"{name}, slice", gpu.capabilities))
    return [row for part, capabilities in parts for row in _rows(part, capabilities)]


def shown(capability: Capability) -> str:
    """A value as people read it: GiB, per cent, three digits."""
    value, unit = capability.value, capability.unit
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if unit == "bytes":
        return f"{value / 2**30:.1f} GiB"
    if unit == "share":
        return f"{value:.0%}"
    if unit == "s":
        return f"{value * 1e9:.0f} ns"
    return f"{value:,} {unit}".strip() if isinstance(value, int) else f"{value:.4g} {unit}".strip()


def _rows(part: str, capabilities: Iterable[Capability]) -> list[Sequence[str]]:
    """Rows of one part; the same advice is given only once."""
    found: list[Sequence[str]] = []
    given: set[str] = set()
    for capability in capabilities:
        words = shown(capability)
        if not capability.available:
            fresh = capability.advice if capability.advice not in given else ""
            words = "; ".join(filter(None, (capability.why, fresh)))
            given.add(capability.advice)
        found.append((part, capability.name.replace("_", " "), "yes" if capability.available else "no", words))
    return found
