"""A user's folder of pictures as a dataset: PNG or JPEG, all of one size; sub-folders, where there are any, are the labels.

Grey (1 or 8 bit) and RGB pictures are taken as they are; a palette is converted to RGB, and where some are RGB the grey ones
become RGB too. Transparency, 16 bits a channel and CMYK are refused: what they become is the user's choice.
Files whose names start with a dot, and the desktops' own, are passed over; any other file is an error.
"""

import shlex
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from paragone.bench.data.dataset import ImageDataset
from paragone.bench.data.errors import DataError
from paragone.bench.data.partition import allowed_size, check_count, make_dataset, nearest_size

KINDS = (".png", ".jpg", ".jpeg")
CLUTTER = ("thumbs.db", "desktop.ini", "__macosx")


def load_folder(path: Path) -> ImageDataset:
    """The dataset of a folder; its name is the folder's.

    Raises:
        DataError: anything that keeps these pictures from being a dataset, in one line.
    """
    files, labels = find_pictures(path)
    check_count(f"folder {path}", len(files))
    size = one_size(path, files)
    if not allowed_size(*size):
        raise DataError(
            f"images in {path} have {_times(size)} pixels; each side must be 8 to 64 and a multiple of 4. "
            f"Resize them: {resize_command(path, nearest_size(*size))}"
        )
    return make_dataset(path.resolve().stem, read_pictures(files), labels, f"folder {path}")


def read_pictures(files: list[Path]) -> NDArray[np.uint8]:
    """Pictures of one size as (N, H, W, C) uint8; C is 1 where all are grey, else 3.

    Raises:
        DataError: a file is no picture, or one with transparency, 16 bits a channel or CMYK.
    """
    pictures = [_read(file) for file in files]
    channels = max(picture.shape[2] for picture in pictures)
    return np.stack([np.broadcast_to(picture, (*picture.shape[:2], channels)) for picture in pictures])


def find_pictures(path: Path) -> tuple[list[Path], list[str] | None]:
    """The pictures in the order of their names, and each one's sub-folder where there are sub-folders.

    Raises:
        DataError: the folder or a sub-folder is empty or not readable, or holds something else.
    """
    entries = _entries(path)
    folders = [entry for entry in entries if entry.is_dir()]
    files = [entry for entry in entries if not entry.is_dir()]
    if not entries:
        raise DataError(f"folder {path} is empty; put PNG or JPEG images into it")
    if folders and files:
        raise DataError(
            f"folder {path} holds files ({files[0].name}) beside sub-folders ({folders[0].name}); sub-folders are labels: "
            "put every image into one, or none"
        )
    if not folders:
        return [_picture(file) for file in files], None
    found = [(_picture(file), folder.name) for folder in folders for file in _entries_of_class(folder)]
    return [file for file, _ in found], [label for _, label in found]


def _entries(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"folder {folder} cannot be read ({error.strerror}); make it readable") from None
    return [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in CLUTTER]


def _entries_of_class(folder: Path) -> list[Path]:
    entries = _entries(folder)
    if not entries:
        raise DataError(f"sub-folder {folder} is empty; put the images of this class into it, or remove it")
    return entries


def _picture(file: Path) -> Path:
    """The file itself, if its name is a picture's."""
    if file.is_dir():
        raise DataError(f"folder {file} is a folder inside a sub-folder; labels are one level deep: move its images up")
    if file.suffix.lower() not in KINDS:
        raise DataError(f"{file} is neither PNG nor JPEG; convert it, or move it out of the folder")
    return file


def one_size(path: Path, files: list[Path], wanted: tuple[int, int] | None = None) -> tuple[int, int]:
    """The (height, width) that all pictures have. Reads headers only.

    Raises:
        DataError: they differ; with the command that resizes, to `wanted` or else to the allowed size nearest to the commonest.
    """
    sizes = {file: _size(file) for file in files}
    common, count = Counter(sizes.values()).most_common(1)[0]
    odd = next((file for file, size in sizes.items() if size != common), None)
    if odd is not None:
        usual = next(file for file, size in sizes.items() if size == common)
        raise DataError(
            f"images of different sizes: {count} like {usual} have {_times(common)}, {odd} has {_times(sizes[odd])}. "
            f"Resize them: {resize_command(path, wanted or nearest_size(*common))}"
        )
    return common


def _size(file: Path) -> tuple[int, int]:
    """(height, width) from the file's header."""
    with _opened(file) as image:
        return image.height, image.width


def _times(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def resize_command(path: Path, size: tuple[int, int]) -> str:
    """ImageMagick on a copy of the folder, to (height, width): the originals stay."""
    target = _times(size)
    copy = path.resolve().with_name(f"{path.resolve().name}-{target}")
    source, result = shlex.quote(str(path)), shlex.quote(str(copy))
    return f"cp -r {source} {result} && find {result} -type f -exec mogrify -resize '{target}!' {{}} +"


def _opened(file: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is checked before it is decoded
            return Image.open(file, formats=("PNG", "JPEG"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from None


def _read(file: Path) -> NDArray[np.uint8]:
    """One picture (H, W, C) uint8, C 1 or 3."""
    with _opened(file) as image:
        _check_mode(file, image)
        try:
            converted = image.convert("L" if image.mode in ("1", "L") else "RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise _unreadable(file, error) from None
    pixels = np.asarray(converted, dtype=np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _check_mode(file: Path, image: Image.Image) -> None:
    if "A" in image.mode or "transparency" in image.info:
        raise DataError(
            f"{file} has transparency; only grey and RGB are taken. Put it on a ground: mogrify -background white -alpha remove "
            f"-alpha off {shlex.quote(str(file))}"
        )
    if image.mode not in ("1", "L", "P", "RGB"):
        raise DataError(
            f"{file} has mode {image.mode} (16 bits a channel, or CMYK); only 8-bit grey and RGB are taken. "
            f"Convert it: mogrify -depth 8 -colorspace sRGB {shlex.quote(str(file))}"
        )


def _unreadable(file: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{file} cannot be read as a picture ({reason}); replace or remove it")
