"""Tables, plots and reports from the records of a run: pure functions of a run folder, without torch and without training."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paragone.reports.write import Report, write_report

__all__ = ["Report", "write_report"]


def __getattr__(name: str) -> Any:
    """`Report` and `write_report`, imported when asked for: they need matplotlib, which costs others in here a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from paragone.reports import write

    return getattr(write, name)
