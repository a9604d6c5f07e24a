"""A user's npz file as a dataset: array `x`, or the only one, uint8 (N, H, W) or (N, H, W, C); optional labels `y` (N,).

Pickled content is never loaded: reading somebody's data must not run their code.
"""

import shlex
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from paragone.bench.data.dataset import ImageDataset
from paragone.bench.data.errors import DataError
from paragone.bench.data.partition import allowed_size, check_count, make_dataset, nearest_size


def load_archive(path: Path) -> ImageDataset:
    """The dataset of an npz file; its name is the file's without `.npz`.

    Raises:
        DataError: anything that keeps these arrays from being a dataset, in one line.
    """
    key, x, y = read_arrays(path)
    pictures = _checked(path, key, x)
    labels = None if y is None else _labels(path, y, len(pictures))
    return make_dataset(path.resolve().stem, pictures, labels, f"npz {path}")


def read_arrays(path: Path) -> tuple[str, NDArray[Any], NDArray[Any] | None]:
    """Name and content of the array of images, as they are in the file, and the labels `y` where there are any.

    Raises:
        DataError: the file is no npz, holds pickled objects, or not one array that could be the images.
    """
    with _file(path) as file, _opened(path, file) as arrays:
        key = _key(path, arrays.files)
        x = _array(path, arrays, key)
        y = _array(path, arrays, "y") if "y" in arrays.files and key != "y" else None
    return key, x, y


def _file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable") from None


def _opened(path: Path, file: BinaryIO) -> NpzFile:
    try:
        arrays = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is {_fault(error)}; write it with numpy.savez({path.name!r}, x=images)") from None
    if not isinstance(arrays, NpzFile):
        raise DataError(f"{path} holds a single npy array; write it with numpy.savez({path.name!r}, x=images)")
    return arrays


def _key(path: Path, names: list[str]) -> str:
    """The name of the array of images."""
    if "x" in names:
        return "x"
    candidates = [name for name in names if name != "y"]
    if len(candidates) != 1:
        found = ", ".join(names) or "none at all"
        raise DataError(f"{path} has no array 'x' and not one single other (found: {found}); name the images 'x'")
    return candidates[0]


def _array(path: Path, arrays: NpzFile, key: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = arrays[key]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise DataError(f"{path}: array {key!r} is {_fault(error)}; write it anew as a plain array") from None
    return array


def _fault(error: Exception) -> str:
    pickled = "pickle" in str(error)
    return "made of pickled Python objects, which are never loaded" if pickled else f"no readable npz ({error})"


def _checked(path: Path, key: str, x: NDArray[Any]) -> NDArray[np.uint8]:
    """The images as (N, H, W, C) uint8 of an allowed size."""
    what = f"{path}: array {key!r}"
    check_type(what, key, x)
    if x.ndim == 4 and x.shape[3] not in (1, 3) and x.shape[1] in (1, 3):
        raise DataError(f"{what} has shape {x.shape}, channels first; give it as {key}.transpose(0, 2, 3, 1)")
    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (1, 3)):
        raise DataError(f"{what} has shape {x.shape}; images are (N, H, W) or (N, H, W, C) with C 1 (grey) or 3 (RGB)")
    check_count(what, len(x))
    if not allowed_size(*x.shape[1:3]):
        raise DataError(
            f"{what} has images of {x.shape[2]}x{x.shape[1]} pixels; each side must be 8 to 64 and a multiple of 4. "
            f"Resize them: {resize_command(path, key, nearest_size(*x.shape[1:3]))}"
        )
    return x if x.ndim == 4 else x[..., None]


def check_type(what: str, key: str, x: NDArray[Any]) -> None:
    """Raise `DataError`, with the expression that converts, where x is not uint8; `what` names the array."""
    if x.dtype == np.uint8:
        return
    if x.dtype.kind != "f":
        cast = f"{key}.astype('uint8')"
    elif x.size and x.min() < 0:
        cast = f"(({key} + 1) * 127.5).round().clip(0, 255).astype('uint8') if it lies in -1..1"
    else:
        cast = f"({key} * 255).round().astype('uint8') if it lies in 0..1"
    raise DataError(f"{what} is {x.dtype}; images are uint8, 0 to 255. Convert it: {cast}")


def _labels(path: Path, y: NDArray[Any], count: int) -> list[str]:
    if y.shape != (count,) or y.dtype.kind not in "iubUS":
        raise DataError(
            f"{path}: labels 'y' are {y.dtype} of shape {y.shape}; expected one integer or word an image, shape ({count},)"
        )
    return [str(label) for label in y.tolist()]


def resize_command(path: Path, key: str, size: tuple[int, int]) -> str:
    """A command that writes a copy resized to (height, width) beside the file, with what is installed here anyway."""
    high, wide = size
    copy = path.with_name(f"{path.stem}-{wide}x{high}.npz")
    code = (
        "import numpy as np; from PIL import Image; "
        f"d = dict(np.load({str(path)!r})); "
        f"d[{key!r}] = np.stack([np.asarray(Image.fromarray(i.squeeze()).resize(({wide}, {high}))) for i in d[{key!r}]]); "
        f"np.savez({str(copy)!r}, **d)"
    )
    return f"python -c {shlex.quote(code)}"
