"""Datasets with fixed splits: the embedded ones by name."""

from paragone.bench.data.dataset import Dataset
from paragone.bench.data.errors import DataError

EMBEDDED = ("digits", "mnist")


def embedded(name: str) -> Dataset:
    """An embedded dataset by its name; nothing is downloaded.

    Raises:
        KeyError: the name is not one of `EMBEDDED`.
    """
    if name == "digits":
        from paragone.bench.data.digits import digits

        return digits()
    if name == "mnist":
        from paragone.bench.data.mnist import mnist

        return mnist()
    raise KeyError(name)


def load(name_or_path: str) -> Dataset:
    """An embedded dataset by its name.

    Raises:
        DataError: there is no such dataset.
    """
    if name_or_path in EMBEDDED:
        return embedded(name_or_path)
    raise DataError(f"no dataset {name_or_path!r}; embedded ones: {', '.join(EMBEDDED)}")
