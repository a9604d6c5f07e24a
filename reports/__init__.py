"""Tables, plots and reports from the records of a run: pure functions of a run folder, without torch and without training."""

from paragone.reports.write import Report, write_report

__all__ = ["Report", "write_report"]
