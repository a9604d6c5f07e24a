"""High frequencies: the share of an image set's spectral power above half the Nyquist frequency, as a ratio to real's.

Two-dimensional FFT of each channel without its mean. A coefficient counts as high where the larger of |fx| and |fy| is above
half the Nyquist frequency (1/4 cycle a pixel): detail of one or two pixels in at least one direction. (The radial frequency
parts blur from noise less well: independent pixels of 8x8 digits have ratio 2.1 here, 1.4 there.) Ratio 1 is real's own
sharpness; below .9 is blurry, above 1.1 noisy.
"""

import numpy as np
from numpy.typing import NDArray

from paragone.bench.data.dataset import Levels
from paragone.bench.metrics.errors import NotMeasurable, need

HALF_NYQUIST = 0.25


def high_frequency_share(levels: Levels) -> float:
    """Share in [0, 1] of the spectral power, summed over all images (N, C, H, W), that lies above half the Nyquist frequency.

    Power is summed before dividing, so that a blank image weighs nothing instead of being 0 / 0.
    """
    need(len(levels), 1, "items")
    power = _power(levels)
    total = float(power.sum())
    if total == 0.0:
        raise NotMeasurable("every image is of one plain colour: no spectral power at all")
    return float(power[_frequency(*levels.shape[2:]) > HALF_NYQUIST].sum()) / total


def high_frequency_ratio(levels: Levels, real_share: float) -> float:
    """Share of the images over the share of real ones; 1 is best, below it blurry, above it noisy."""
    if real_share == 0.0:
        raise NotMeasurable("the real images have no high frequencies at all")
    return high_frequency_share(levels) / real_share


def _power(levels: Levels) -> NDArray[np.float64]:
    """Spectral power (H, W), summed over images and channels, without the mean."""
    power = np.zeros(levels.shape[2:])
    for block in np.array_split(levels, max(1, levels.size // 2**22)):
        power += (np.abs(np.fft.fft2(block.astype(np.float32))) ** 2).sum((0, 1))
    power[0, 0] = 0.0
    return power


def _frequency(height: int, width: int) -> NDArray[np.float64]:
    """The larger of |fx| and |fy|, in cycles a pixel, of each coefficient (H, W) of a 2-D FFT."""
    down, across = np.abs(np.fft.fftfreq(height)), np.abs(np.fft.fftfreq(width))
    larger: NDArray[np.float64] = np.maximum(down[:, None], across[None])
    return larger
