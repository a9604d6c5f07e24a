"""The control workload: a fixed matrix product and a fixed convolution, a tenth of a second, before and after each cell.

It tells how fast the machine was: shared machines differ two-fold from run to run, and seconds mean nothing without it. The rate
that it reaches is also the peak against which a contender's flops are held. Both are plain float32 products of sizes that keep
the device busy; no timed call is the first of its size.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
import torch.nn.functional as F

from paragone.bench.judge.timings import CONTROL_BOUND
from paragone.bench.profile.clock import now_s

BOUND = CONTROL_BOUND
"""Factor between two runs of the workload beyond which the times between them, or those of two cells, are not compared."""
EACH_S = 0.05
FEWEST = 3
_SIDE = {"cpu": 384, "cuda": 4096}
_IMAGES = {"cpu": (16, 64, 16), "cuda": (64, 256, 32)}
"""Images, channels and side of the convolution, 3 x 3 with as many channels out as in."""


@dataclass(frozen=True)
class Speed:
    """What one run of the workload found: seconds of the two parts, medians, and their rates in flops a second."""

    product_s: float
    convolution_s: float
    product_flops_per_s: float
    convolution_flops_per_s: float

    @property
    def seconds(self) -> float:
        """Seconds of both parts together."""
        return self.product_s + self.convolution_s

    @property
    def peak_flops_per_s(self) -> float:
        """The faster rate."""
        return max(self.product_flops_per_s, self.convolution_flops_per_s)


class Control:
    """The workload on one device, with its tensors and its first calls behind it. It draws from a generator of its own."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        draws = torch.Generator().manual_seed(0)
        side, (images, channels, size) = _SIDE[device.type], _IMAGES[device.type]
        self._matrix = torch.randn(side, side, generator=draws).to(device)
        self._images = torch.randn(images, channels, size, size, generator=draws).to(device)
        self._kernel = torch.randn(channels, channels, 3, 3, generator=draws).to(device)
        self._product_flops = 2.0 * side**3
        self._convolution_flops = 2.0 * images * size**2 * channels**2 * 9
        with torch.no_grad():
            for _ in range(2):
                self._product()
                self._convolve()

    def run(self) -> Speed:
        """Run both parts for `EACH_S` seconds each, at least `FEWEST` times."""
        with torch.no_grad():
            product_s, convolution_s = self._timed(self._product), self._timed(self._convolve)
        return Speed(product_s, convolution_s, self._product_flops / product_s, self._convolution_flops / convolution_s)

    def _product(self) -> None:
        torch.mm(self._matrix, self._matrix)

    def _convolve(self) -> None:
        F.conv2d(self._images, self._kernel, padding=1)

    def _timed(self, call: Callable[[], None]) -> float:
        seconds: list[float] = []
        ends = time.perf_counter() + EACH_S
        while len(seconds) < FEWEST or time.perf_counter() < ends:
            start = now_s(self._device)
            call()
            seconds.append(now_s(self._device) - start)
        return median(seconds)


def apart(first_s: float, second_s: float) -> float:
    """By which factor two times of the workload differ, 1 or more."""
    return math.exp(abs(math.log(first_s / second_s)))
