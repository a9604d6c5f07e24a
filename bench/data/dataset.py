"""A dataset: named data with a fixed split, the spec that contenders see, and a hash of both.

Images are held as levels (integers 0..L-1); what contenders see is float32 in [-1, 1]: x = 2 k / (L - 1) - 1.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from paragone.models import DataSpec

Levels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """One part of a dataset: `levels` (N, C, H, W) uint8 in 0..L-1 and `labels` (N,) int64, or None without labels."""

    levels: Levels
    labels: Labels | None = None

    def __len__(self) -> int:
        return len(self.levels)


@dataclass(frozen=True)
class Dataset:
    """An image dataset. Contenders learn from `train`, choices are made on `validation`, judges look at `test`.

    `level_count` is the number of levels; `hash` covers the levels, the labels and the split.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    level_count: int
    source: str
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(f"{self.level_count}".encode())
        for part in (self.train, self.validation, self.test):
            digest.update(str(part.levels.shape).encode() + np.ascontiguousarray(part.levels).tobytes())
            if part.labels is not None:
                digest.update(np.ascontiguousarray(part.labels).tobytes())
        object.__setattr__(self, "hash", digest.hexdigest()[:16])

    @property
    def spec(self) -> DataSpec:
        """What a contender may know: labels are not handed out on this track, so `classes` is None."""
        return DataSpec("image", tuple(self.train.levels.shape[1:]), levels=self.level_count)


def to_unit(levels: NDArray[np.integer], level_count: int) -> NDArray[np.float32]:
    """Levels 0..L-1 to float32 in [-1, 1]."""
    return (levels.astype(np.float32) * (2.0 / (level_count - 1)) - 1.0).astype(np.float32)


def to_levels(x: NDArray[np.floating], level_count: int) -> Levels:
    """Values to the nearest level; values outside [-1, 1] go to the end levels. The one rounding, for every contender alike."""
    scaled = (np.clip(x, -1.0, 1.0) + 1.0) * ((level_count - 1) / 2.0)
    levels: Levels = np.rint(scaled).astype(np.uint8)
    return levels


def stratified_split(labels: NDArray[np.integer], sizes: tuple[int, int, int], seed: int) -> list[NDArray[np.intp]]:
    """Indices of train, validation and test, each with the classes' shares; drawn from a generator with `seed`."""
    from sklearn.model_selection import train_test_split

    train, validation, test = sizes
    everything = np.arange(len(labels))
    rest, test_index = train_test_split(everything, test_size=test, stratify=labels, random_state=seed)
    train_index, validation_index = train_test_split(
        rest, train_size=train, test_size=validation, stratify=labels[rest], random_state=seed
    )
    return [np.sort(train_index), np.sort(validation_index), np.sort(test_index)]
