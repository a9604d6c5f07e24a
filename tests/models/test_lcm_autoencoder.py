"""The autoencoder of latent consistency: sides, padding, statistics and noise of its latents."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from paragone.models import DataSpec
from paragone.models.diffusion import lcm
from paragone.models.diffusion.lcm import LCM, STATISTICS_DECAY, Autoencoder


def images(n, shape):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def built(shape):
    torch.manual_seed(0)
    return LCM(DataSpec("image", shape, levels=256), width=8)


@pytest.mark.parametrize(
    ("shape", "latent"),
    [((1, 8, 8), (2, 4, 4)), ((1, 28, 28), (2, 8, 8)), ((3, 12, 20), (6, 4, 6)), ((1, 5, 3), (2, 4, 2)), ((3, 32, 32), (6, 8, 8))],
)
def test_latents_have_sides_that_the_network_can_halve_and_decode_to_the_pictures_own(shape, latent):
    model = built(shape)
    assert model.autoencoder.latent_shape == latent
    with torch.no_grad():
        z = model.encode(images(3, shape))
        assert z.shape == (3, *latent)
        assert model.decode(z).shape == (3, *shape)
        assert model.network(z, torch.tensor([0.5])).shape == z.shape


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40))
def test_padding_repeats_the_border_and_is_cut_off_where_it_was_put(channels, height, width):
    """With networks that only reorder pixels, whatever the sides, decoding undoes encoding."""
    shape = (channels, height, width)
    model = Autoencoder(shape, 8)
    model.encoder, model.decoder = model.encoder[:1], model.decoder[-1:]
    model.mean, model.variance = torch.zeros(1), torch.ones(1)
    x = images(2, shape)
    z = model.encode(x)
    assert torch.allclose(model.decode(z), x, atol=1e-5)
    assert z.abs().max() <= x.abs().max()  # no border of another value, on which a decoder would have to spend itself


def test_statistics_are_each_channels_own_and_follow_the_batches_in_training_alone():
    model = built((3, 12, 20)).autoencoder
    x = images(50, (3, 12, 20))
    with torch.no_grad():
        raw = model.encoder(F.pad(x, model.padding, mode="replicate")).transpose(0, 1).flatten(1)  # (L, B h w)
        z = model.encode(x, follow=True).transpose(0, 1).flatten(1)
        assert torch.allclose(z.mean(1), torch.zeros(6), atol=1e-4)
        assert torch.allclose(z.std(1), torch.ones(6), atol=1e-2)
        assert torch.allclose(model.mean.flatten(), (1 - STATISTICS_DECAY) * raw.mean(1), atol=1e-5)
        assert torch.allclose(model.variance.flatten(), torch.lerp(raw.var(1), torch.ones(6), STATISTICS_DECAY), rtol=1e-3)
        before = model.mean.clone(), model.variance.clone()
        model.encode(x[:5])
    assert torch.equal(model.mean, before[0])
    assert torch.equal(model.variance, before[1])


def test_the_decoder_is_trained_on_noised_latents(monkeypatch):
    model, x, losses = built((1, 8, 8)), images(64, (1, 8, 8)), []
    with torch.no_grad():
        exact = model.autoencoder.decode(model.autoencoder.encode(x, follow=True))
        for noise in (0.0, 0.1, 1.0):
            monkeypatch.setattr(lcm, "LATENT_NOISE", noise)
            losses.append(float(model.reconstruction_loss(x)))
    assert losses[0] == pytest.approx(float((exact - x).square().mean()), rel=1e-5)
    assert losses[0] < losses[1] < losses[2]
