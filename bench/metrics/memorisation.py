"""How many generated images are copies of training images, in pixel space.

`copied_share`: equal to a training image, level by level. `near_copy_share`: d(nearest) / d(second nearest) < 1/3 among the
different training images, where d is the smallest Euclidean distance over shifts of the generated image by up to one pixel in
each direction (its edge pixels repeated). A sample of the true distribution is about as far from its nearest training image as
from the second; a disguised copy is much nearer to one. `nearest_train_ratio`: the median of d(nearest training image) /
d(nearest test image), for copies under so much noise that the noise itself makes up most of the distance. None is better high
or low by itself: all are held against held-out real's.

The ratio takes the whole training split, though it is larger than the test split: of a subset of equal size most copies' sources
would be missing, and the median would not move. The larger set's nearest image is nearer for everybody, held-out real included;
dividing by held-out real's own ratio cancels that.

Images of more than 32 pixels a side are first averaged over blocks of 2x2 but for exact copies, so that a shift is two pixels.
"""

from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from paragone.bench.data.dataset import Levels
from paragone.bench.metrics.errors import need

NEAR = 1.0 / 3.0
LARGE = 32
BLOCK = 250
"""Generated images compared at once; with 9 shifts, the distances held are 9 x BLOCK x (training images) x 4 bytes."""
SHIFTS = tuple(product((-1, 0, 1), repeat=2))


def copied_share(generated: Levels, train: Levels) -> float:
    """Share in [0, 1] of generated images (N, C, H, W) that equal a training image (M, C, H, W) in every level."""
    need(len(generated), 1, "items")
    known = {image.tobytes() for image in train}
    return sum(image.tobytes() in known for image in generated) / len(generated)


def near_copy_share(to_train: NDArray[np.float64]) -> float:
    """Share in [0, 1] of generated images that are near copies, by their two smallest distances (N, 2) to training images."""
    return float(np.mean(_ratio(to_train[:, 0], to_train[:, 1]) < NEAR))


def nearest_train_ratio(to_train: NDArray[np.float64], to_test: NDArray[np.float64]) -> float:
    """Median over generated images of d(nearest training image) / d(nearest test image), from distances (N, ...) to either."""
    return float(np.median(_ratio(to_train[:, 0], to_test[:, 0])))


def _ratio(near: NDArray[np.float64], far: NDArray[np.float64]) -> NDArray[np.float64]:
    """near / far (N,); 1 where both are 0, infinite where only the far one is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((near == 0) & (far == 0), 1.0, near / far)


class NearestImages:
    """One side of the comparison, prepared once: the different images among levels (M, C, H, W)."""

    def __init__(self, levels: Levels) -> None:
        self._images = _shrink(np.unique(levels, axis=0)).flatten(1)  # (M, D)
        self._squares = self._images.square().sum(1)  # (M,)

    def __len__(self) -> int:
        return len(self._images)

    def distances(self, generated: Levels, k: int) -> NDArray[np.float64]:
        """Distances (N, k), rising, of generated images (N, C, H, W) to their k nearest, each at its best shift.

        Raises:
            NotMeasurable: there are fewer than k different images, or no generated ones.
        """
        need(len(generated), 1, "items")
        need(len(self), k, "different images to compare with")
        blocks = [self._nearest(block, k) for block in _shrink(generated).split(BLOCK)]
        found: NDArray[np.float64] = torch.cat(blocks).double().sqrt().numpy()
        return found

    def _nearest(self, images: Tensor, k: int) -> Tensor:
        """Squared distances (B, k) to the nearest images, the best shift of each."""
        moved = torch.stack([_shift(images, down, right) for down, right in SHIFTS]).flatten(2)  # (9, B, D)
        # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, the last as one matrix product
        squared = torch.baddbmm(self._squares, moved, self._images.T.expand(len(SHIFTS), -1, -1), alpha=-2.0)
        squared += moved.square().sum(2, keepdim=True)
        return squared.amin(0).clamp(min=0.0).topk(k, largest=False).values  # rounding may leave -1e-3


def _shift(images: Tensor, down: int, right: int) -> Tensor:
    """Images (B, C, H, W) moved by -1, 0 or 1 pixel each way, edge pixels repeated."""
    height, width = images.shape[2:]
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return padded[..., 1 - down : 1 - down + height, 1 - right : 1 - right + width]


def _shrink(levels: Levels) -> Tensor:
    """Levels as float32; images of more than `LARGE` pixels a side averaged over 2x2."""
    images = torch.from_numpy(levels).float()
    return F.avg_pool2d(images, 2) if max(images.shape[2:]) > LARGE else images
