"""The one long table: every measurement of every cell, a row each. From here on all is a pure function of records."""

from collections.abc import Sequence

import pandas as pd

from paragone.bench.records import Record

COLUMNS = (
    "run", "track", "dataset", "contender", "family", "sampler", "seed", "variant", "status", "metric", "value", "unit", "source",
)  # fmt: skip


def entry_name(contender: str, sampler: str, samplers: Sequence[str]) -> str:
    """`ddpm/ddim-50`, or `vae` where there is one sampler; a training metric (empty sampler) belongs to the contender."""
    return f"{contender}/{sampler}" if sampler and len(samplers) > 1 else contender


def long_table(run: str, records: Sequence[Record]) -> pd.DataFrame:
    """Measurements of all records, `COLUMNS` in order; `value` is float with NaN where not measured."""
    rows = [
        (run, r.cell.track, r.dataset, r.cell.contender, r.family, m.sampler, r.cell.seed, r.cell.variant, r.status, m.metric,
         m.value, m.unit, m.source)
        for r in records
        for m in r.measurements
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"seed": "int64", "value": "float64"})
