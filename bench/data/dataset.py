"""A dataset: named data with a fixed split, the spec that contenders see, and a hash of both.

Items are held in the form in which samples are judged (images as integer levels, points as they are); what contenders see is
float32. Each modality's dataset says how the one becomes the other.
"""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paragone.models import DataSpec

Items = NDArray[Any]
"""(N, *shape): levels uint8 of images, points float32."""
Levels = NDArray[np.uint8]
Labels = NDArray[np.int64]
LABELLED = "-labelled"
"""Ending of the name of a dataset whose labels are handed out."""


@dataclass(frozen=True)
class Split:
    """One part of a dataset: `items` (N, *shape) in the form in which they are judged, and `labels` (N,) or None."""

    items: Items
    labels: Labels | None = None

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Dataset(ABC):
    """A dataset. Contenders learn from `train`, choices are made on `validation`, judges look at `test`.

    `hash` covers the items, the labels and the split, and what else gives the items their meaning.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    source: str
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self._meaning().encode())
        for part in (self.train, self.validation, self.test):
            digest.update(str(part.items.shape).encode() + np.ascontiguousarray(part.items).tobytes())
            if part.labels is not None:
                digest.update(np.ascontiguousarray(part.labels).tobytes())
        object.__setattr__(self, "hash", digest.hexdigest()[:16])

    @property
    @abstractmethod
    def spec(self) -> DataSpec:
        """What a contender may know."""

    @abstractmethod
    def to_unit(self, items: Items) -> NDArray[np.float32]:
        """Items as contenders see them."""

    @abstractmethod
    def to_items(self, x: NDArray[np.floating]) -> Items:
        """What a contender gives, in the form in which it is judged: the one rounding, for every contender alike."""

    def wanted(self, n: int, seed: int) -> Labels | None:
        """The classes that n samples are asked for, (n,), in the test split's proportions and in random order; None without labels.

        Whole items by class go by the largest remainder; the seed decides the order alone.
        """
        labels = self.test.labels
        if self.spec.classes is None or labels is None:
            return None
        shares = n * np.bincount(labels, minlength=self.spec.classes) / len(labels)
        counts = np.floor(shares).astype(np.int64)
        counts[np.argsort(counts - shares, kind="stable")[: n - counts.sum()]] += 1
        return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))

    @abstractmethod
    def _meaning(self) -> str:
        """What, beside the items, the hash covers."""


@dataclass(frozen=True)
class ImageDataset(Dataset):
    """Images as levels 0..L-1, (N, C, H, W) uint8; contenders see x = 2 k / (L - 1) - 1 in [-1, 1].

    Labels are handed out to contenders only where `labelled` is set; encoders and judges know them anyway.
    """

    level_count: int = field(kw_only=True)
    labelled: bool = field(default=False, kw_only=True)

    @property
    def spec(self) -> DataSpec:
        """What a contender may know: `classes` is None where labels are not handed out."""
        labels = self.train.labels if self.labelled else None
        classes = None if labels is None else int(labels.max()) + 1
        return DataSpec("image", tuple(self.train.items.shape[1:]), levels=self.level_count, classes=classes)

    def to_unit(self, items: Items) -> NDArray[np.float32]:
        """Levels to float32 in [-1, 1]."""
        return to_unit(items, self.level_count)

    def to_items(self, x: NDArray[np.floating]) -> Items:
        """Values to the nearest level."""
        return to_levels(x, self.level_count)

    def with_labels(self) -> "ImageDataset":
        """The same images as a dataset of its own, whose labels are handed out."""
        return replace(self, name=self.name + LABELLED, labelled=True)

    @property
    def images_name(self) -> str:
        """The name of the same images without labels: they have the same encoders."""
        return self.name.removesuffix(LABELLED) if self.labelled else self.name

    def _meaning(self) -> str:
        return f"{self.level_count}"


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
