"""What a metric raises when it has no value on these items."""


class NotMeasurable(ValueError):
    """The metric is undefined here (too few items, no variance ...); the message is the reason, in one line."""


def need(count: int, least: int, what: str) -> None:
    """Raise `NotMeasurable` where there are fewer than `least` items of `what`."""
    if count < least:
        raise NotMeasurable(f"too few {what}: {count}, needs {least}")
