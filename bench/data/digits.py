"""scikit-learn's 1,797 real handwritten digits, 8x8, 17 levels (Alpaydin and Kaynak 1998); 1,077 / 360 / 360."""

import numpy as np
from sklearn.datasets import load_digits

from paragone.bench.data.dataset import ImageDataset, Split, stratified_split

SPLIT_SEED = 0


def digits() -> ImageDataset:
    """The digits track's data: stratified split, images (N, 1, 8, 8) with levels 0..16."""
    bunch = load_digits()
    levels = bunch.images.astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    train, validation, test = (Split(levels[i], labels[i]) for i in stratified_split(labels, (1077, 360, 360), SPLIT_SEED))
    return ImageDataset("digits", train, validation, test, level_count=17, source="scikit-learn load_digits")
