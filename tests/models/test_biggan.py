"""The BigGAN: hinge loss, spectral norm, projection, conditional batch norm, attention, truncation, and classes that it learns."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from paragone.bench.data.digits import digits
from paragone.bench.metrics.encoder import load_encoder
from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec
from paragone.models.gan.biggan import (
    LATENT,
    MOST_PLACES,
    BigGAN,
    _Attention,
    _ConditionalNorm,
    discriminator_loss,
    generator_loss,
    orthogonal,
    truncated_normal,
    weighted,
)

PLAIN = DataSpec("image", (1, 8, 8), levels=17)
LABELLED = DataSpec("image", (1, 8, 8), levels=17, classes=10)
MNIST = DataSpec("image", (1, 28, 28), levels=256, classes=10)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


def build(spec=LABELLED, width=16, seed=0):
    torch.manual_seed(seed)
    model = BigGAN(spec, width)
    model.generator = seeded(seed + 1)
    return model


def batch(spec, n=16, seed=0):
    labels = None if spec.classes is None else torch.arange(n) % spec.classes
    return Batch(normal(n, *spec.shape, seed=seed).tanh(), labels)


def trained(spec=LABELLED, updates=5, width=16):
    model = build(spec, width)
    for k in range(updates):
        model.update(batch(spec, seed=k), 0.1)
    return model


def one_hot(labels, classes=10):
    return torch.eye(classes)[torch.as_tensor(labels)]


def test_hinge_losses_and_their_slopes():
    """max(0, 1 - D(x)) has slope -1 below 1 and 0 beyond, max(0, 1 + D(G)) slope 1 above -1; G's loss has slope -1 anywhere."""
    real = torch.tensor([-2.0, 0.5, 1.5, 3.0], requires_grad=True)
    fake = torch.tensor([-3.0, -1.5, -0.5, 2.0], requires_grad=True)
    loss = discriminator_loss(real, fake)
    assert loss.item() == pytest.approx((3 + 0.5 + 0 + 0) / 4 + (0 + 0 + 0.5 + 3) / 4)
    (4 * loss).backward()
    assert real.grad.tolist() == [-1, -1, 0, 0]
    assert fake.grad.tolist() == [0, 0, 1, 1]
    scores = torch.tensor([-5.0, 0.0, 5.0], requires_grad=True)
    (3 * generator_loss(scores)).backward()
    assert scores.grad.tolist() == [-1, -1, -1]


@pytest.mark.parametrize("spec", [LABELLED, MNIST], ids=["digits", "mnist"])
def test_every_weight_of_the_discriminator_has_spectral_norm_one(spec):
    """After a few updates, by a full decomposition; weights as they are stored are larger or smaller."""
    model = trained(spec, updates=20)
    layers = weighted(model.discriminator.eval())
    assert model.discriminator.embed in layers
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1, abs=0.06)
    stored = [torch.linalg.matrix_norm(m.parametrizations.weight.original.flatten(1), 2).item() for m in layers]
    assert max(abs(v - 1) for v in stored) > 0.1
    assert not any(hasattr(m, "parametrizations") for m in weighted(model.generator_net))


def test_the_score_is_a_linear_map_of_the_features_and_a_projection_on_the_class():
    net = trained().discriminator.eval()
    x, labels = batch(LABELLED).x, torch.arange(16) % 10
    with torch.no_grad():
        phi = net.features(x)
        expected = (
            phi @ net.score.weight[0]
            + net.score.bias
            + torch.stack([net.embed.weight[:, y] @ phi[k] for k, y in enumerate(labels)])
        )
        torch.testing.assert_close(net(x, one_hot(labels)), expected)
        torch.testing.assert_close(net(x), phi @ net.score.weight[0] + net.score.bias)
        assert not torch.allclose(net(x, one_hot(labels)), net(x, one_hot((labels + 1) % 10)))


def test_conditional_batch_norm_standardises_then_scales_by_the_code():
    torch.manual_seed(0)
    layer, x, code = _ConditionalNorm(3, 5), 4 + 3 * normal(64, 3, 2, 2), normal(64, 5, seed=1)
    standard = (x - x.mean((0, 2, 3), keepdim=True)) / x.var((0, 2, 3), correction=0, keepdim=True).sqrt()
    gain, bias = (code @ layer.modulation.weight.T + layer.modulation.bias)[:, :, None, None].chunk(2, dim=1)
    torch.testing.assert_close(layer(x, code), standard * (1 + gain) + bias, rtol=1e-3, atol=1e-4)
    single = layer.eval()(x[:1], code[:1])  # by what it has seen, whatever the batch
    torch.testing.assert_close(single, layer(x, code)[:1])


def test_attention_starts_as_nothing_and_is_a_mean_of_values_by_softmax():
    torch.manual_seed(0)
    layer, x = _Attention(16), normal(2, 16, 3, 4)
    assert torch.equal(layer(x), x)
    nn.init.constant_(layer.gain, 0.5)
    q, k, v = layer.query_key_value(x).flatten(2).split([2, 2, 8], dim=1)
    expected = x.clone()
    for b in range(2):
        for place in range(12):
            share = torch.stack([(q[b, :, place] * k[b, :, other]).sum() for other in range(12)]).softmax(0)
            seen = layer.out.weight[:, :, 0, 0] @ (v[b] @ share) + layer.out.bias
            expected[b, :, place // 4, place % 4] += 0.5 * seen
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(
    ("shape", "places"), [((1, 8, 8), []), ((1, 28, 28), [49]), ((3, 32, 32), [64]), ((3, 64, 64), [64]), ((3, 12, 20), [60])]
)
def test_attention_works_where_a_map_is_small_and_is_not_the_only_one(shape, places):
    model, seen = build(DataSpec("image", shape, levels=256), width=8), []
    for net in (model.generator_net, model.discriminator):
        for module in net.modules():
            if isinstance(module, _Attention):
                module.register_forward_hook(lambda _m, inputs, _out: seen.append(inputs[0][0, 0].numel()))
    model.update(batch(model_spec(shape), 2), 0.5)
    assert set(seen) == set(places)
    assert all(n <= MOST_PLACES for n in seen)
    assert len(seen) == 3 * len(places)  # once in G, twice in D


def model_spec(shape):
    return DataSpec("image", shape, levels=256)


def test_weights_start_orthogonal():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 30), nn.Conv2d(6, 5, 3), nn.ConvTranspose2d(8, 4, 4))
    orthogonal(net)
    for layer in net:
        w = layer.weight.flatten(1)
        gram = w.T @ w if w.shape[0] > w.shape[1] else w @ w.T
        torch.testing.assert_close(gram, torch.eye(len(gram)), rtol=0, atol=1e-5)
        assert not layer.bias.any()


@settings(deadline=None, max_examples=40)
@given(st.floats(0.05, 4.0), st.integers(0, 10**6))
def test_the_truncated_normal_stays_inside(threshold, seed):
    z = truncated_normal(200, threshold, seeded(seed))
    assert z.shape == (200, LATENT)
    assert z.isfinite().all()
    assert z.abs().max() <= threshold


@pytest.mark.parametrize("threshold", [0.5, 1.0, 3.0])
def test_the_truncated_normal_has_its_distribution(threshold):
    """P(|z| < t / 2) and the variance 1 - 2 t phi(t) / erf(t / sqrt 2), within 5 standard errors of 320,000 draws."""
    z = truncated_normal(10_000, threshold, seeded()).double()
    mass = math.erf(threshold / math.sqrt(2))
    inside = math.erf(threshold / 2 / math.sqrt(2)) / mass
    variance = 1 - 2 * threshold * math.exp(-(threshold**2) / 2) / math.sqrt(2 * math.pi) / mass
    n = z.numel()
    assert (z.abs() < threshold / 2).double().mean().item() == pytest.approx(inside, abs=5 * math.sqrt(inside * (1 - inside) / n))
    assert z.square().mean().item() == pytest.approx(variance, abs=5 * z.square().std().item() / math.sqrt(n))
    assert z.mean().item() == pytest.approx(0, abs=5 * math.sqrt(variance / n))


def test_truncated_samplers_decode_truncated_latents_of_the_class_asked_for():
    model, labels = trained().eval(), torch.tensor([3, 3, 7])
    with torch.no_grad():
        for sampler, z in (("default", normal(3, LATENT, seed=5)), ("truncated-0.5", truncated_normal(3, 0.5, seeded(5)))):
            expected = model.average.module(torch.cat([z, one_hot(labels)], dim=1))
            assert torch.equal(model.sample(3, seeded(5), labels, sampler), expected), sampler
        varied = {s: model.sample(400, seeded(), torch.full((400,), 2), s).std(0).mean() for s in model.samplers}
    assert varied["default"] > varied["truncated-1"] > varied["truncated-0.5"]


def test_classes_not_asked_for_are_drawn_uniformly():
    labels = build().draw_latents(5_000, seeded())[:, LATENT:]
    assert labels.sum(1).eq(1).all()
    assert labels.sum(0).sub(500).abs().max() < 5 * math.sqrt(5_000 * 0.09)


def test_without_labels_there_are_no_classes_and_with_them_they_are_required():
    model = build(PLAIN)
    assert model.generator_net.embed is None
    assert model.discriminator.embed is None
    assert model.draw_latents(3, seeded()).shape == (3, LATENT)
    with pytest.raises(ValueError, match="labels"):
        build(LABELLED).update(Batch(batch(PLAIN).x), 0.0)


@pytest.mark.parametrize(
    ("classes", "parameters"), [(None, 30_000), (None, 200_000), (None, 3_000_000), (10, 100_000), (10, 300_000), (10, 3_000_000)]
)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28)])
def test_some_width_meets_the_parameter_budget(shape, classes, parameters):
    _, count = solve_width(BigGAN, DataSpec("image", shape, levels=17, classes=classes), parameters)
    assert not outside_budget(count, parameters)


def test_learns_the_digits_asked_for():
    """After 600 updates at least 7 of 10 samples show, to the encoder, the digit asked for (chance: 1), and all digits vary."""
    data = digits()
    encoder = load_encoder(data)
    x, labels = torch.from_numpy(data.train.items).float().reshape(-1, 1, 8, 8) / 8 - 1, torch.from_numpy(data.train.labels).long()
    model, order = build(width=48), seeded()
    for k in range(600):
        chosen = torch.randperm(len(x), generator=order)[: model.batch_size]
        model.update(Batch(x[chosen], labels[chosen]), k / 600)
    asked = torch.arange(1000) % 10
    with torch.no_grad():
        fake = model.eval().sample(1000, seeded(), asked)
        shuffled = torch.stack([column[torch.randperm(len(x), generator=order)] for column in x.flatten(1).T], dim=1)
        real, near, far = (encoder.features(v.reshape(-1, 1, 8, 8)).double() for v in (x, fake, shuffled))
        means = torch.stack([real[labels == y].mean(0) for y in range(10)])
        found = torch.cdist(near, means).argmin(1)
    assert (found == asked).double().mean() > 0.7
    assert frechet(near, real) < frechet(far, real) / 4
    assert fake[asked == 0].std(0).mean() > 0.1


def frechet(a, b):
    """Squared Frechet distance of the Gaussians fitted to features (N, d) (Dowson and Landau 1982)."""
    eigenvalues = torch.linalg.eigvals(torch.cov(a.T) @ torch.cov(b.T)).real.clamp(min=0)
    return float((a.mean(0) - b.mean(0)).square().sum() + a.var(0).sum() + b.var(0).sum() - 2 * eigenvalues.sqrt().sum())
