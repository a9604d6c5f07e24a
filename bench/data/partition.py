"""From a user's pictures to a dataset: one size, enough of them, a fixed split without leakage.

60 / 20 / 20 for train / validation / test, each class with these shares where there are labels, drawn with a fixed seed. Equal
pictures always lie in the same part: a picture met in training must not judge.
"""

import re

import numpy as np
from numpy.typing import NDArray

from paragone.bench.data.dataset import ImageDataset, Split
from paragone.bench.data.errors import DataError

SHARES = (0.6, 0.2, 0.2)
SPLIT_SEED = 0
LEAST = 200
LEAST_DIFFERENT = 100
LEAST_PER_CLASS = 5
SIDES = range(8, 65, 4)


def allowed_size(height: int, width: int) -> bool:
    """Whether both sides are 8 to 64 pixels and a multiple of 4."""
    return height in SIDES and width in SIDES


def nearest_size(height: int, width: int) -> tuple[int, int]:
    """The allowed size nearest in shape: scaled down to at most 64 (or up to at least 8), sides rounded to a multiple of 4."""
    scale = min(1.0, SIDES[-1] / max(height, width))
    if min(height, width) * scale < SIDES[0]:
        scale = SIDES[0] / min(height, width)
    fit = [min(SIDES[-1], max(SIDES[0], 4 * round(side * scale / 4))) for side in (height, width)]
    return fit[0], fit[1]


def check_count(what: str, count: int) -> None:
    """Raise `DataError` where there are fewer than 200 pictures; `what` names the folder or the array."""
    if count < LEAST:
        raise DataError(f"{what} holds {count} images; at least {LEAST} are needed to train and to judge. Add {LEAST - count} more")


def make_dataset(name: str, pictures: NDArray[np.uint8], labels: list[str] | None, source: str) -> ImageDataset:
    """A dataset of `pictures` (N, H, W, C) uint8 of an allowed size, with the name of each one's class or None.

    Labels that are all the same are none.

    Raises:
        DataError: nearly all pictures are equal, or a class is too small to stand in all three parts.
    """
    levels = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
    _, group = np.unique(levels.reshape(len(levels), -1), axis=0, return_inverse=True)
    different = int(group.max()) + 1
    if different < LEAST_DIFFERENT:
        raise DataError(
            f"{source} holds only {different} different images among {len(levels)}; "
            f"at least {LEAST_DIFFERENT} are needed. Add others"
        )
    codes = None
    if labels is not None and len(set(labels)) > 1:
        names, codes = np.unique(labels, return_inverse=True)
        _check_classes(source, names, codes, group)
    strata = np.zeros(len(levels), dtype=np.int64) if codes is None else codes
    parts = partition(group, strata, SPLIT_SEED)
    train, validation, test = (Split(levels[i], None if codes is None else codes[i].astype(np.int64)) for i in parts)
    return ImageDataset(_plain(name), train, validation, test, level_count=256, source=source)


def partition(group: NDArray[np.integer], strata: NDArray[np.integer], seed: int) -> list[NDArray[np.intp]]:
    """Indices of train, validation and test: disjoint, together everything, no group in two of them.

    `group` (N,) numbers sets of equal pictures, `strata` (N,) their classes; a group belongs to its first picture's class.
    Class by class, in random order but large groups first, each group goes to the part that lacks most.
    """
    draws = np.random.default_rng(seed)
    _, first, sizes = np.unique(group, return_index=True, return_counts=True)
    part_of = np.empty(len(first), dtype=np.int64)
    for stratum in np.unique(strata[first]):
        members = draws.permutation(np.flatnonzero(strata[first] == stratum))
        members = members[np.argsort(-sizes[members], kind="stable")]
        lacking = np.array(SHARES) * sizes[members].sum()
        for member in members:
            part_of[member] = lacking.argmax()
            lacking[part_of[member]] -= sizes[member]
    return [np.flatnonzero(part_of[group] == part) for part in range(len(SHARES))]


def _plain(name: str) -> str:
    """The name as a track may have it: letters, digits, _, + and -."""
    return re.sub(r"[^A-Za-z0-9_+-]+", "-", name).strip("-") or "data"


def _check_classes(source: str, names: NDArray[np.str_], codes: NDArray[np.integer], group: NDArray[np.integer]) -> None:
    """Every class needs enough groups of its own for all three parts."""
    _, first = np.unique(group, return_index=True)
    counts = np.bincount(codes[first], minlength=len(names))
    for name, count in zip(names, counts, strict=True):
        if count < LEAST_PER_CLASS:
            raise DataError(
                f"{source}: class {str(name)!r} has {count} different images, at least {LEAST_PER_CLASS} are needed for a split; "
                "add more, or leave the class out"
            )
