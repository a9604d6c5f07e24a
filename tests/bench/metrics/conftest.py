"""Digits and their panel, prepared once."""

import numpy as np
import pytest

from paragone.bench.data import embedded
from paragone.bench.metrics.panel import QualityPanel


@pytest.fixture(scope="session")
def digits():
    return embedded("digits")


@pytest.fixture(scope="session")
def panel(digits):
    return QualityPanel(digits)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
