"""How many generated images are copies of training images, in pixel space.

`copied_share`: equal to a training image, level by level. `near_copy_share`: d(nearest) / d(second nearest) < 1/3 among the
different training images, where d is the smallest Euclidean distance over shifts of the generated image by up to one pixel in
each direction (its edge pixels repeated). A sample of the true distribution is about as far from its nearest training image as
from the second; a disguised copy is much nearer to one. Neither is better high or low by itself: both are held against
held-out real's share.

Images of more than 32 pixels a side are first averaged over blocks of 2x2 for the near copies, so that a shift is two pixels.
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


class NearCopies:
    """The training side of `near_copy_share`, prepared once; `train` is levels (M, C, H, W)."""

    def __init__(self, train: Levels) -> None:
        self._train = _shrink(np.unique(train, axis=0)).flatten(1)  # (M, D)
        self._squares = self._train.square().sum(1)  # (M,)

    def share(self, generated: Levels) -> float:
        """Share in [0, 1] of generated images (N, C, H, W) that are near copies of one training image."""
        need(len(generated), 1, "items")
        need(len(self._train), 2, "different training images")
        ratios = self.ratios(generated)
        return float(np.mean(ratios < NEAR))

    def ratios(self, generated: Levels) -> NDArray[np.float64]:
        """d(nearest) / d(second nearest) (N,) in [0, 1]; 1 where both are 0."""
        blocks = [self._nearest_two(block) for block in _shrink(generated).split(BLOCK)]
        first, second = torch.cat(blocks).double().sqrt().unbind(1)
        return torch.where(second > 0, first / second, 1.0).numpy()

    def _nearest_two(self, images: Tensor) -> Tensor:
        """Squared distances (B, 2) to the nearest and the second nearest training image, the best shift of each."""
        moved = torch.stack([_shift(images, down, right) for down, right in SHIFTS]).flatten(2)  # (9, B, D)
        # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, the last as one matrix product
        squared = torch.baddbmm(self._squares, moved, self._train.T.expand(len(SHIFTS), -1, -1), alpha=-2.0)
        squared += moved.square().sum(2, keepdim=True)
        return squared.amin(0).clamp(min=0.0).topk(2, largest=False).values  # rounding may leave -1e-3


def _shift(images: Tensor, down: int, right: int) -> Tensor:
    """Images (B, C, H, W) moved by -1, 0 or 1 pixel each way, edge pixels repeated."""
    height, width = images.shape[2:]
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return padded[..., 1 - down : 1 - down + height, 1 - right : 1 - right + width]


def _shrink(levels: Levels) -> Tensor:
    """Levels as float32; images of more than `LARGE` pixels a side averaged over 2x2."""
    images = torch.from_numpy(levels).float()
    return F.avg_pool2d(images, 2) if max(images.shape[2:]) > LARGE else images
