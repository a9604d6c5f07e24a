"""Instants as text that sorts by time: UTC, ISO 8601, milliseconds, always of the same width."""

from datetime import UTC, datetime


def utc(text: str) -> str:
    """An ISO 8601 time as `2026-01-05T10:00:00.000+00:00`; one without an offset is taken as UTC.

    Raises:
        ValueError: it is not a time, or none that UTC can express.
    """
    try:
        found = datetime.fromisoformat(text)
        aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not an ISO 8601 time") from None
    return aware.isoformat(timespec="milliseconds")
