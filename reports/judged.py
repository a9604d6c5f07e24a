"""The answer of `judge`: on the terminal, as judged.csv, as judged.md, and a contact sheet of each set.

In this order: the ranking (sets best first, then references), every metric (a line each, an entry a column), the memorisation
gate's answer on each set, how each file was read, and what the intervals cover.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from paragone.bench.errors import UsageError
from paragone.bench.files import write_atomically
from paragone.bench.judge.blocks import definition
from paragone.bench.listing import print_rows
from paragone.bench.outside.judgement import Judged, Judgement
from paragone.bench.store import contact_sheet
from paragone.reports.markup import table, text
from paragone.reports.tables import as_csv

COLUMNS = ("set", "metric", "value", "ci_low", "ci_high", "n", "unit", "source")
NOTHING = "-"


def check_out(folder: Path | None) -> None:
    """Raise `UsageError` where the answer cannot go into this folder: before the work, not after it."""
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file, not a folder; name another")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"--out {folder} exists and is not empty; name another folder")
    try:
        write_atomically(folder / ".writable", b"")
        (folder / ".writable").unlink()
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be written: {error.strerror}; name another folder") from None


def print_judged(judged: Judgement) -> None:
    """Tables and sentences on standard output."""
    print_rows(*ranking(judged))
    print()
    print_rows(*metrics(judged))
    print()
    for line in sentences(judged):
        print(line)


def write_judged(judged: Judgement, folder: Path) -> list[Path]:
    """Write judged.csv, judged.md and `<set>.png` of each set; their paths."""
    content: dict[str, str | bytes] = {"judged.csv": as_csv(long(judged)), "judged.md": markdown(judged)}
    for stem, row in zip(_stems(judged.sets), judged.sets, strict=True):
        content[f"{stem}.png"] = _sheet(row, judged.level_count)
    for name, written in content.items():
        write_atomically(folder / name, written)
    return [folder / name for name in content]


def ranking(judged: Judgement) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Head and rows of the ranking by FID."""
    head = ("rank", "rank interval", "entry", "FID", "95 % interval", "N", "status")
    return head, [_ranked(row) for row in judged.rows]


def metrics(judged: Judgement) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Head and rows of all metrics: a row each, a column for each entry."""
    head = ("metric", "better", *(row.name for row in judged.rows))
    return head, [
        (metric, definition(metric).direction, *(_value(row, metric) for row in judged.rows)) for metric in judged.metrics
    ]


def sentences(judged: Judgement) -> list[str]:
    """The gate's answer on each set, how it was read, and the notes."""
    gates = [f"{row.name}: {'memorised' if row.gate.memorised else 'not memorised'}: {row.gate.reason}" for row in judged.sets]
    read = [f"{row.name}: read from {row.path}: {row.how}" for row in judged.sets]
    return [*gates, *read, *judged.notes]


def long(judged: Judgement) -> pd.DataFrame:
    """`COLUMNS` in order: a line for each set or reference and metric; what was not measured is empty, with its reason."""
    rows = [
        (row.name, m.metric, m.value, *row.limits.get(m.metric, (np.nan, np.nan)), m.n, m.unit, m.source)
        for row in judged.rows
        for m in row.record.measurements
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": "float64", "n": "Int64"})


def markdown(judged: Judgement) -> str:
    """The same tables and sentences as GitHub-flavoured Markdown, with the contact sheets."""
    pictures = [
        f"![{text(row.name)}]({stem}.png)\n\n{text(row.name)}"
        for stem, row in zip(_stems(judged.sets), judged.sets, strict=True)
    ]  # fmt: skip
    parts = [
        f"# Samples judged against {text(judged.dataset)}",
        _table(*ranking(judged)),
        "## Metrics",
        _table(*metrics(judged)),
        "## Memorisation, reading, intervals",
        "\n".join(f"- {text(line)}" for line in sentences(judged)),
        "## Samples",
        *pictures,
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return table([text(cell) for cell in head], [[text(cell) for cell in row] for row in rows])


def _ranked(row: Judged) -> tuple[str, ...]:
    found = row.measurement("fid")
    low, high = row.limits.get("fid", (np.nan, np.nan))
    rank, within = (str(row.rank[0]), f"{row.rank[1]} to {row.rank[2]}") if row.rank else (NOTHING, NOTHING)
    interval = NOTHING if np.isnan(low) else f"{low:.3g} to {high:.3g}"
    status = "reference" if row.reference else row.status
    return rank, within, row.name, _value(row, "fid"), interval, str(found.n) if found else NOTHING, status


def _value(row: Judged, metric: str) -> str:
    found = row.measurement(metric)
    return NOTHING if found is None or found.value is None else f"{found.value:.4g}"


def _sheet(row: Judged, level_count: int) -> bytes:
    archive = io.BytesIO()
    np.savez(archive, x=row.levels)
    return contact_sheet(archive.getvalue(), level_count)


def _stems(rows: Sequence[Judged]) -> list[str]:
    """File names of the sets, safe and different from each other whatever the sets are called."""
    made: list[str] = []
    for row in rows:
        plain = re.sub(r"[^A-Za-z0-9_+-]+", "-", row.name).strip("-") or "samples"
        number, stem = 2, plain
        while stem in made:
            number, stem = number + 1, f"{plain}-{number}"
        made.append(stem)
    return made
