"""Waves of coordinates."""

import math

import torch

from paragone.models.layers.embeddings import Waves


def test_waves_double_their_frequency_and_fall():
    """Of each coordinate: itself, then sines and cosines at pi / 2 times 1, 2, 4, weighed 1, f, f^2."""
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    found = Waves(2, 3, math.pi / 2, fall=0.5)(x)
    expected = [
        x,
        *(
            torch.stack([0.5**k * wave(math.pi / 2 * 2**k * x[:, c]) for c in (0, 1) for k in range(3)], 1)
            for wave in (torch.sin, torch.cos)
        ),
    ]
    torch.testing.assert_close(found, torch.cat(expected, 1))
    assert found.shape[1] == Waves(2, 3, math.pi / 2, fall=0.5).outputs


def test_without_octaves_there_is_only_x():
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Waves(2, 0)(x), x)
