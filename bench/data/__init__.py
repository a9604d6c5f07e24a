"""Datasets with fixed splits: the embedded ones by name."""

from paragone.bench.data.dataset import Dataset

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
