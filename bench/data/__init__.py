"""Datasets with fixed splits: the embedded ones by name, a user's own by path."""

from pathlib import Path

from paragone.bench.data.dataset import LABELLED, Dataset, ImageDataset
from paragone.bench.data.errors import DataError
from paragone.bench.data.mixture import MIXTURES
from paragone.bench.errors import unknown

IMAGES = ("digits", "mnist")
EMBEDDED = (*IMAGES, *(name + LABELLED for name in IMAGES), *MIXTURES)


def embedded(name: str) -> Dataset:
    """An embedded dataset by its name; nothing is downloaded.

    Raises:
        KeyError: the name is not one of `EMBEDDED`.
    """
    if name in MIXTURES:
        from paragone.bench.data.points import points

        return points(name)
    images = embedded_images(name.removesuffix(LABELLED))
    return images.with_labels() if name.endswith(LABELLED) else images


def embedded_images(name: str) -> ImageDataset:
    """Embedded images by their name.

    Raises:
        KeyError: the name is not one of `IMAGES`.
    """
    if name == "digits":
        from paragone.bench.data.digits import digits

        return digits()
    if name == "mnist":
        from paragone.bench.data.mnist import mnist

        return mnist()
    raise KeyError(name)


def load(name_or_path: str) -> Dataset:
    """An embedded dataset by its name, or a user's folder of images or npz file by its path.

    A folder that is called like an embedded dataset is reached as `./digits`.

    Raises:
        DataError: there is no such dataset, or the user's data cannot be used.
    """
    if name_or_path in EMBEDDED:
        return embedded(name_or_path)
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        from paragone.bench.data.folder import load_folder

        return load_folder(path)
    if path.is_file() and path.suffix.lower() == ".npz":
        from paragone.bench.data.archive import load_archive

        return load_archive(path)
    if path.exists():
        raise DataError(f"data {path} is neither a folder nor an npz file; give a folder of PNG or JPEG images, or an npz")
    remedy = f"There is no such folder or npz file either; embedded ones: {', '.join(EMBEDDED)}"
    raise DataError(str(unknown("dataset", name_or_path, EMBEDDED, remedy)))
