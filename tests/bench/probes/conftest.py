"""Digits and their panel, once for all tests of probes."""

import pytest

from paragone.bench.data import embedded
from paragone.bench.metrics.image_panel import ImagePanel


@pytest.fixture(scope="session")
def digits():
    return embedded("digits")


@pytest.fixture(scope="session")
def panel(digits):
    return ImagePanel(digits)
