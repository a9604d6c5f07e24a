"""What is wrong with data that a user gave."""

from paragone.bench.errors import UsageError


class DataError(UsageError):
    """The user's data cannot be used: one line with the thing, the value found, and what to do."""
