"""From a path that a user gives to levels of a dataset: a folder of PNG or JPEG, or an npz.

A dataset has L levels, 0..L-1. What a file holds is taken in one of two ways, and the answer says which:

    levels     an npz whose values are all below L: as they are
    pictures   8 bits, 0..255: k = round(v / 255 (L - 1)), ties to the even level

With L = 256 the two are one. Nothing else is guessed: floats, other sizes and other channels are refused with what to do.
"""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paragone.bench.data.archive import check_type, read_arrays
from paragone.bench.data.archive import resize_command as resize_archive
from paragone.bench.data.dataset import ImageDataset, Levels
from paragone.bench.data.errors import DataError
from paragone.bench.data.folder import find_pictures, one_size, read_pictures
from paragone.bench.data.folder import resize_command as resize_folder

LEAST = 50
"""Fewer samples than this are not judged: every measure would be noise."""
PICTURES = (".png", ".jpg", ".jpeg")
ARCHIVES = (".npz", ".npy")


@dataclass(frozen=True)
class SampleSet:
    """Samples as levels (N, C, H, W) uint8 of a dataset; `how` says in words how the file's values became levels."""

    name: str
    path: Path
    levels: Levels
    how: str

    def __len__(self) -> int:
        return len(self.levels)


def read_sets(paths: Sequence[Path], dataset: ImageDataset, taken: Sequence[str] = ()) -> list[SampleSet]:
    """The sample sets under these paths, each with a name of its own that is none of `taken`.

    Raises:
        DataError: the first thing that keeps a path from being at least 50 samples of this dataset's shape, in one line.
    """
    names = unique_names(paths, taken)
    return [SampleSet(name, path, *_read(path, dataset)) for name, path in zip(names, paths, strict=True)]


def unique_names(paths: Sequence[Path], taken: Sequence[str] = ()) -> list[str]:
    """The last part of each path; where these meet, as many more parts as tell them apart; at last a number.

    `a/samples b/samples` are called so, `x.npz x.npz` are `x.npz` and `x.npz (2)`.
    """
    whole = [path.expanduser().resolve() for path in paths]
    different = len(set(whole))
    depth = next(d for d in count(1) if len({path.parts[-d:] for path in whole}) == different)
    names = ["/".join(path.parts[-depth:]) for path in whole]
    made: list[str] = []
    for name in names:
        number, own = 2, name
        while own in made or own in taken:
            number, own = number + 1, f"{name} ({number})"
        made.append(own)
    return made


def to_dataset_levels(x: NDArray[np.uint8], level_count: int, pictures: bool) -> tuple[Levels, str]:
    """Values 0..255 of any shape as levels 0..L-1, and how; `pictures` says that they are no levels even where all are small."""
    top = level_count - 1
    if top == 255:
        return x, "0 to 255, the data's own levels"
    if not pictures and x.max() <= top:
        return x, f"all values are at most {top}: taken as the data's levels"
    small = f"; yet all values are at most {top}: levels belong into an npz" if x.max() <= top else ""
    levels: Levels = np.rint(x * (top / 255.0)).astype(np.uint8)
    return levels, f"0 to 255, rounded to the data's {level_count} levels{small}"


def _read(path: Path, dataset: ImageDataset) -> tuple[Levels, str]:
    """Levels and how they were read."""
    path = path.expanduser()
    if path.is_dir():
        return _read_folder(path, dataset)
    if not path.exists():
        raise DataError(f"samples {path}: there is no such file or folder; give a folder of PNG or JPEG images, or an npz")
    if path.suffix.lower() in ARCHIVES:
        return _read_archive(path, dataset)
    if path.suffix.lower() in PICTURES:
        raise DataError(f"samples {path} is a single picture; give the folder in which all of them lie")
    kind = "text, and" if _is_text(path) else "neither a folder nor an npz;"
    remedy = "Give a folder of PNG or JPEG images, or an npz; text data is not among the embedded datasets yet"
    raise DataError(f"samples {path} is {kind} {dataset.name} is image data. {remedy}")


def _read_folder(path: Path, dataset: ImageDataset) -> tuple[Levels, str]:
    files, _ = find_pictures(path)
    what = f"samples {path}"
    _check_count(what, len(files))
    channels, *size = dataset.train.items.shape[1:]
    wanted = (size[0], size[1])
    found = one_size(path, files, wanted)
    if found != wanted:
        raise _wrong_size(what, found, dataset, resize_folder(path, wanted))
    x, grey = _in_channels(what, read_pictures(files).transpose(0, 3, 1, 2), channels, dataset.name)
    levels, how = to_dataset_levels(x, dataset.level_count, pictures=True)
    return levels, f"{len(files)} pictures, {how}{grey}"


def _read_archive(path: Path, dataset: ImageDataset) -> tuple[Levels, str]:
    key, x, _ = read_arrays(path)
    what = f"samples {path}: array {key!r}"
    check_type(what, key, x)
    x = _channels_first(what, x, dataset)
    _check_count(what, len(x))
    channels, height, width = dataset.train.items.shape[1:]
    if x.shape[2:] != (height, width):
        raise _wrong_size(what, (x.shape[2], x.shape[3]), dataset, resize_archive(path, key, (height, width)))
    x, grey = _in_channels(what, x, channels, dataset.name)
    levels, how = to_dataset_levels(x, dataset.level_count, pictures=False)
    return levels, f"array {key!r}, {how}{grey}"


def _channels_first(what: str, x: NDArray[Any], dataset: ImageDataset) -> NDArray[np.uint8]:
    """(N, H, W), (N, H, W, C) or (N, C, H, W) as the last; the dataset's own shape decides where both could be meant."""
    own = dataset.train.items.shape[1:]
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and (x.shape[1:] == own or (x.shape[1] in (1, 3) and x.shape[3] not in (1, 3))):
        return x
    if x.ndim == 4 and x.shape[3] in (1, 3):
        return x.transpose(0, 3, 1, 2)
    raise DataError(f"{what} has shape {x.shape}; samples of {dataset.name} are {_shapes(own)}")


def _shapes(own: tuple[int, ...]) -> str:
    channels, height, width = own
    flat = f"(N, {height}, {width}), " if channels == 1 else ""
    return f"{flat}(N, {height}, {width}, {channels}) or (N, {channels}, {height}, {width})"


def _in_channels(what: str, x: NDArray[np.uint8], channels: int, data: str) -> tuple[NDArray[np.uint8], str]:
    """x (N, C, H, W) with the data's channels: RGB whose three channels are equal is grey, as many programs save it."""
    if x.shape[1] == channels:
        return np.ascontiguousarray(x), ""
    if channels == 1 and (x == x[:, :1]).all():
        return np.ascontiguousarray(x[:, :1]), ", three equal channels taken as one"
    remedy = "Convert them to grey: mogrify -colorspace Gray, or the mean over channels" if channels == 1 else "Give RGB"
    raise DataError(f"{what} has {x.shape[1]} channels, {data} has {channels}. {remedy}")


def _check_count(what: str, found: int) -> None:
    if found < LEAST:
        raise DataError(f"{what} holds {found} images; at least {LEAST} are needed to judge. Add {LEAST - found} more")


def _wrong_size(what: str, found: tuple[int, int], dataset: ImageDataset, command: str) -> DataError:
    height, width = dataset.train.items.shape[2:]
    return DataError(
        f"{what} has images of {found[1]}x{found[0]} pixels, {dataset.name} has {width}x{height}. "
        f"Judge against data of that size, or resize them: {command}"
    )


def _is_text(path: Path) -> bool:
    """Whether the file's beginning is UTF-8 without a zero byte."""
    with path.open("rb") as file:
        head = file.read(4096)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # incremental: the cut may go through a character
    except UnicodeDecodeError:
        return False
    return b"\0" not in head
