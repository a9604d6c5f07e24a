"""Digits and their panel, once for all tests of probes."""

import pytest

from paragone.bench.data import embedded
from paragone.bench.metrics.panel import QualityPanel


@pytest.fixture(scope="session")
def digits():
    return embedded("digits")


@pytest.fixture(scope="session")
def panel(digits):
    return QualityPanel(digits)
