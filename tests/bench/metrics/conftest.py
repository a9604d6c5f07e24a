"""Digits and their panel, prepared once."""

import numpy as np
import pytest

from paragone.bench.data import embedded
from paragone.bench.metrics.image_panel import ImagePanel


@pytest.fixture(scope="session")
def digits():
    return embedded("digits")


@pytest.fixture(scope="session")
def panel(digits):
    return ImagePanel(digits)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
