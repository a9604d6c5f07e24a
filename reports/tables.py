"""The tables of a run: measurements, rankings, rankings by axis and verdicts, as CSV with the columns that others read.

Numbers are written in the shortest form that reads back as the same number; what was not measured is empty.
"""

from pathlib import Path

import pandas as pd

from paragone.bench.files import write_atomically
from paragone.bench.judge.verdicts import verdict_table
from paragone.reports.run import Run

MEASUREMENTS, RANKING, VERDICTS = "tables/measurements.csv", "tables/ranking.csv", "tables/verdicts.csv"
BY_AXIS = "tables/by_axis.csv"


def write_tables(run: Run) -> list[Path]:
    """Write the tables into the run folder; their paths."""
    tables = {
        MEASUREMENTS: run.measurements, RANKING: run.ranking, BY_AXIS: run.by_axis, VERDICTS: verdict_table(run.verdicts),
    }  # fmt: skip
    for name, table in tables.items():
        write_atomically(run.folder / name, as_csv(table))
    return [run.folder / name for name in tables]


def as_csv(table: pd.DataFrame) -> str:
    """A table as CSV with Unix line ends; None and NaN are empty."""
    return str(table.to_csv(index=False, lineterminator="\n"))
