"""pytest-benchmark's JSON: what ran where, and a point for each benchmark.

value        log of the median over its rounds, seconds; the rounds stay in the file
series       `fullname`; a protocol is timer, garbage collection and warm-up, by which pytest-benchmark itself groups
machine      system, architecture, processor, number of cores, Python implementation and minor version break a series
commit       `commit_info.id`, with `+` where the work tree was dirty; empty outside of a repository

Source: pytest-benchmark 5, `BenchmarkSession.save` and `Metadata.as_dict`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from paragone.bench.errors import UsageError
from paragone.bench.history.instants import utc
from paragone.bench.history.series import Key, Point, digest
from paragone.bench.history.watched import BENCHMARK, WATCHED

SUITE = "pytest-benchmark"
"""Name of the suite of an imported run."""
BENCHMARK_FILE = "benchmark.json"
"""The original file in the run's folder, byte for byte."""
Content = Mapping[str, Any]


def parse(data: bytes, path: Path) -> Content:
    """The content of such a file; `path` is for the words.

    Raises:
        UsageError: not JSON, or not a file of pytest-benchmark.
    """
    advice = "Name a file that `pytest --benchmark-json=FILE` wrote"
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON ({error}). {advice}") from None
    for key, kind in (("benchmarks", list), ("machine_info", dict), ("datetime", str)):
        value = content.get(key) if isinstance(content, dict) else None
        if not isinstance(value, kind):
            found = "no such entry" if value is None else f"{type(value).__name__}"
            raise UsageError(f"{path} is not pytest-benchmark's JSON: {key!r} should be a {kind.__name__}, found {found}. {advice}")
    try:
        utc(content["datetime"])
    except ValueError as error:
        raise UsageError(f"{path}: 'datetime': {error}. {advice}") from None
    return dict(content)


def fingerprint_of(content: Content) -> dict[str, str]:
    """Hard keys: two files are compared only where all are equal."""
    machine, cpu = content["machine_info"], _part(content["machine_info"], "cpu")
    return {
        "system": _text(machine, "system"),
        "architecture": _text(machine, "machine"),
        "cpu": _text(cpu, "brand_raw") or _text(machine, "processor") or "unknown",
        "cores": _text(cpu, "count"),
        "python": f"{_text(machine, 'python_implementation')} {'.'.join(_text(machine, 'python_version').split('.')[:2])}",
    }


def soft_of(content: Content) -> dict[str, str]:
    """What is told where it changed."""
    machine, cpu = content["machine_info"], _part(content["machine_info"], "cpu")
    found = {
        "node": _text(machine, "node"), "release": _text(machine, "release"), "python": _text(machine, "python_version"),
        "frequency": _text(cpu, "hz_advertised_friendly"), "pytest-benchmark": _text(content, "version"),
    }  # fmt: skip
    return {key: value for key, value in found.items() if value}


def commit_of(content: Content) -> str:
    """The commit, `+` behind it where the work tree differed; empty where it is not known."""
    info = _part(content, "commit_info")
    name = _text(info, "id")
    if name in ("", "unversioned", "unknown"):
        return ""
    return f"{name}+" if info.get("dirty") else name


def points_of(content: Content, machine: str, stamp: Point) -> tuple[dict[Key, Point], list[str]]:
    """A point for each benchmark, and words on those without a name; `stamp` carries run, start and commit."""
    found: dict[Key, Point] = {}
    nameless: list[str] = []
    for position, benchmark in enumerate(content["benchmarks"]):
        name = benchmark.get("fullname") if isinstance(benchmark, dict) else None
        if not isinstance(name, str) or not name:
            nameless.append(f"benchmark {position} has no fullname")
            continue
        key = Key(clean(name), BENCHMARK, machine, _protocol(benchmark))
        point = _point(benchmark, stamp)
        found[key] = replace(stamp, status="missing", reason="it is in the file more than once") if key in found else point
    return found, nameless


def _protocol(benchmark: Content) -> str:
    options = _part(benchmark, "options")
    return digest(SUITE, *(repr(options.get(key)) for key in ("timer", "disable_gc", "warmup")))


def _point(benchmark: Content, stamp: Point) -> Point:
    median_s = _part(benchmark, "stats").get("median")
    if isinstance(median_s, bool) or not isinstance(median_s, int | float):
        return replace(stamp, status="missing", reason=f"no median: {str(median_s)[:40]}")
    try:
        raw = float(median_s)
    except OverflowError:
        raw = math.inf
    if not (math.isfinite(raw) and raw > 0):
        return replace(stamp, status="missing", reason=f"the median is {raw:g} s: not a time")
    return replace(stamp, value=WATCHED[BENCHMARK].compared(raw), raw=raw)


def _part(content: Content, key: str) -> Content:
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _text(content: Content, key: str) -> str:
    value = content.get(key)
    return "" if value is None else clean(str(value))


def clean(text: str) -> str:
    """Text that UTF-8 can hold: JSON may carry halves of characters."""
    return text.encode(errors="replace").decode()
