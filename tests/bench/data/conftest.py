"""Folders of pictures as a user might have them."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pictures():
    """A function (n, shape) -> different random pictures, uint8."""
    draws = np.random.default_rng(0)
    return lambda n, *shape: draws.integers(0, 256, (n, *shape)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, pictures):
    """A function that writes n pictures as PNG into `images` (or a sub-folder of it) and returns `images`."""

    def write(n=200, shape=(8, 8), sub=".", kind="png"):
        place = tmp_path / "images" / sub
        place.mkdir(parents=True, exist_ok=True)
        for i, pixels in enumerate(pictures(n, *shape)):
            Image.fromarray(pixels).save(place / f"{i:04}.{kind}")
        return tmp_path / "images"

    return write
