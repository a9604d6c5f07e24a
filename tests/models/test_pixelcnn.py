"""pixelcnn: masks by gradients, probabilities that sum to 1, cached sampling against the whole network."""

import math

import pytest
import torch

from paragone.bench.data.digits import digits
from paragone.models import Batch, DataSpec
from paragone.models.autoregressive import pixelcnn
from paragone.models.autoregressive.pixelcnn import PixelCNN

DIGITS = DataSpec("image", (1, 8, 8), levels=17)


def moved(model: PixelCNN) -> PixelCNN:
    """The model in float64 with every parameter away from its start, in the average too."""
    model.double()
    for network in (model.network, model.average.module):
        torch.manual_seed(1)
        for p in network.parameters():
            p.data = 0.3 * torch.randn_like(p)
    return model.eval()


def uniform_images(n: int, spec: DataSpec) -> torch.Tensor:
    levels = torch.randint(spec.levels, (n, *spec.shape), generator=torch.Generator().manual_seed(0))
    return (levels * (2 / (spec.levels - 1)) - 1).double()


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
    values = torch.linspace(-1, 1, levels, dtype=torch.float64)
    space = torch.cartesian_prod(*[values] * math.prod(shape)).view(-1, *shape)
    likelihood = model.log_prob(space)
    assert likelihood.exact
    assert likelihood.log_prob.std() > 0.1
    assert likelihood.log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("spec", [DIGITS, DataSpec("image", (3, 4, 8), levels=256)])
def test_cached_sampling_equals_the_whole_network_value_by_value(spec, monkeypatch):
    model = moved(PixelCNN(spec, 8))
    cached = []
    draw = pixelcnn._draw
    monkeypatch.setattr(pixelcnn, "_draw", lambda logits, g: (cached.append(logits), draw(logits, g))[1])
    x = model.sample(3, torch.Generator().manual_seed(0))
    whole = model.average.module(x).flatten(1, 3)  # (n, values in order, L)
    torch.testing.assert_close(torch.stack(cached, 1), whole, rtol=0, atol=1e-10)
    assert x.unique().numel() > 4


def test_draws_follow_the_probabilities():
    n, p = 100_000, torch.tensor([0.5, 0.0, 0.3, 0.2])
    levels = pixelcnn._draw(p.log().expand(n, 4), torch.Generator().manual_seed(0))
    share = torch.bincount(levels, minlength=4) / n
    assert ((share - p).abs() <= 4 * (p * (1 - p) / n).sqrt()).all()  # four standard errors; none where p is 0


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
    data = digits()
    train = torch.from_numpy(data.train.items).float() / 8 - 1
    held_out = torch.from_numpy(data.validation.items)
    frequency = (torch.nn.functional.one_hot(torch.from_numpy(data.train.items).long(), 17).sum(0) + 0.1) / (1077 + 1.7)
    chosen = frequency.log().expand(len(held_out), -1, -1, -1, -1).gather(-1, held_out.long().unsqueeze(-1))
    independent_nats = -chosen.flatten(1).sum(1).mean()
    torch.manual_seed(0)
    model = PixelCNN(DIGITS, 32)
    for i in range(120):
        at = torch.randint(len(train), (model.batch_size,), generator=torch.Generator().manual_seed(i))
        model.update(Batch(train[at]), i / 120)
    with torch.no_grad():
        nats = -model.eval().log_prob(held_out.float() / 8 - 1).log_prob.mean()
    assert nats < 0.9 * independent_nats, f"{nats:.1f} nats against {independent_nats:.1f}"
