"""pixelcnn: masks by gradients, probabilities that sum to 1, cached sampling against the whole network."""

import math

import pytest
import torch

from paragone.models import DataSpec
from paragone.models.autoregressive import pixelcnn
from paragone.models.autoregressive.pixelcnn import PixelCNN
from tests.models.autoregression import (
    DIGITS,
    MNIST,
    every_image,
    held_out_nats,
    independent_nats,
    moved,
    processor_seconds,
    recomputed,
    trained_on_digits,
    uniform_images,
)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 4, 4)])
def test_gradient_reaches_every_earlier_value_and_no_other(shape):
    model = moved(PixelCNN(DataSpec("image", shape, levels=256), 24))  # narrower ones have heads whose rectifiers are all shut
    channels, height, width = shape
    x = uniform_images(1, DataSpec("image", shape, levels=256)).mul(0.9).requires_grad_()  # off the knots
    logits = model.network(x)  # (1, H, W, C, L)
    for r in range(height):
        for c in range(width):
            for k in range(channels):
                target = logits[0, r, c, k] @ torch.randn(256, dtype=torch.float64)
                (gradient,) = torch.autograd.grad(target, x, retain_graph=True)
                seen = gradient[0].permute(1, 2, 0).flatten() != 0  # in the order of the factorisation
                at = (r * width + c) * channels + k
                assert not seen[at:].any(), f"value {at} sees itself or a later one"
                assert seen[:at].all(), f"value {at} does not see {(~seen[:at]).nonzero().flatten().tolist()}"


@pytest.mark.parametrize(("shape", "levels"), [((1, 2, 2), 2), ((1, 3, 2), 3), ((3, 1, 2), 2)])
def test_probabilities_sum_to_one(shape, levels):
    model = moved(PixelCNN(DataSpec("image", shape, levels=levels), 6))
    likelihood = model.log_prob(every_image(shape, levels))
    assert likelihood.exact
    assert likelihood.log_prob.std() > 0.1
    assert likelihood.log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("spec", [DIGITS, DataSpec("image", (3, 4, 8), levels=256)])
def test_cached_sampling_equals_the_whole_network_value_by_value(spec, monkeypatch):
    model = moved(PixelCNN(spec, 8))
    cached = []
    draw = pixelcnn.draw_level
    monkeypatch.setattr(pixelcnn, "draw_level", lambda logits, g: (cached.append(logits), draw(logits, g))[1])
    x = model.sample(3, torch.Generator().manual_seed(0))
    whole = model.average.module(x).flatten(1, 3)  # (n, values in order, L)
    torch.testing.assert_close(torch.stack(cached, 1), whole, rtol=0, atol=1e-10)
    assert x.unique().numel() > 4


@pytest.mark.parametrize("spec", [DIGITS, DataSpec("image", (3, 4, 5), levels=256)])
def test_cached_sampling_equals_recomputation_of_the_whole_image_for_each_value(spec):
    network = moved(PixelCNN(spec, 8)).average.module
    with torch.no_grad():
        cached = network.sample(3, torch.Generator().manual_seed(3))
        whole = recomputed(lambda x, t: network(x).flatten(1, 3)[:, t], spec, 3, torch.Generator().manual_seed(3))
    assert cached.unique().numel() > 4
    assert torch.equal(cached, whole)


def test_cached_sampling_is_many_times_faster_than_recomputation_at_28x28(record_property):
    """Recomputation is granted that on average it needs half of the image."""
    torch.manual_seed(0)
    network = PixelCNN(MNIST, 24).eval().average.module
    x = uniform_images(2, MNIST).float()
    with torch.no_grad():
        cached = processor_seconds(lambda: network.sample(2, torch.Generator().manual_seed(0)))
        whole = processor_seconds(lambda: network(x), repeats=5)
    ratio = 784 * whole / 2 / cached
    record_property("figure", f"pixelcnn: sampling 2 images of 28x28 with its caches {ratio:.0f} times as fast as without")
    assert ratio > 5


def test_uniform_predictor_costs_log2_of_the_levels():
    model = PixelCNN(DIGITS, 8)
    for logits in model.average.module.head.logits:
        torch.nn.init.zeros_(logits.weight)
        torch.nn.init.zeros_(logits.bias)
    with torch.no_grad():
        nats = -model.log_prob(uniform_images(5, DIGITS).float()).log_prob
    bits_per_dim = nats / 64 / math.log(2)
    torch.testing.assert_close(bits_per_dim, torch.full((5,), math.log2(17)))
    assert math.log2(17) == pytest.approx(4.087, abs=5e-4)


def test_learns_digits():
    """After 120 updates it beats the best model of independent pixels, which knows the training set's frequencies."""
    torch.manual_seed(0)
    nats = held_out_nats(trained_on_digits(PixelCNN(DIGITS, 32), 120))
    assert nats < 0.9 * independent_nats(), f"{nats:.1f} nats against {independent_nats():.1f}"
