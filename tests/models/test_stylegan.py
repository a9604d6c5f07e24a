"""The StyleGAN: modulation and demodulation against explicit weights, noise, mixing, truncation, lazy R1, that it learns digits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from paragone.bench.data.digits import digits
from paragone.bench.metrics.encoder import load_encoder
from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec
from paragone.models.gan.stylegan import GAIN, Mapping, StyledConstant, StyledConvolution, StyleGAN, Synthesis, ToPicture
from paragone.models.layers.adversarial import SLOPE
from tests.models.test_dcgan import frechet

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 12, 20), (3, 64, 64)]
both_kinds = pytest.mark.parametrize("double", [False, True])


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def build(shape=(1, 8, 8), width=8, seed=0, cls=StyleGAN):
    torch.manual_seed(seed)
    model = cls(DataSpec("image", shape, levels=17), width)
    model.generator = torch.Generator().manual_seed(seed + 1)
    return model


def trained(steps=3, shape=(1, 8, 8), **how):
    model = build(shape, **how)
    for k in range(steps):
        model.update(Batch(pictures(16, shape, k)), 0.2)
    return model.eval().requires_grad_(False)


def pictures(n, shape=(1, 8, 8), seed=0):
    return normal(n, *shape, seed=seed, dtype=torch.float32).tanh()


def convolution(double, inputs=5, outputs=4):
    torch.manual_seed(3)
    return StyledConvolution(inputs, outputs, doubles=double).double().requires_grad_(False)


def linear_part(layer, h, s):
    """w'' * h: what remains without noise (strength 0) and bias, with leaky ReLU and its gain undone."""
    out = layer(h, s, torch.zeros((), dtype=h.dtype))
    return torch.where(out > 0, out, out / SLOPE) / GAIN


def explicit_weights(layer, s):
    """w'' of each picture by its definition, (B, out, in, k, k): in a doubling layer a quarter's norm is 1, the whole's 2."""
    weight = layer.weight.transpose(0, 1) if layer.doubles else layer.weight
    modulated = s[:, None, :, None, None] * weight
    norm = modulated.square().sum((2, 3, 4), keepdim=True).sqrt()
    return modulated / norm * (2 if layer.doubles else 1)


@both_kinds
def test_scaling_inputs_and_outputs_is_convolving_with_modulated_weights(double):
    layer, h, s = convolution(double), normal(3, 5, 6, 6), normal(3, 5, seed=1)
    weights = explicit_weights(layer, s)
    if double:
        expected = [
            F.conv_transpose2d(one[None], w.transpose(0, 1), stride=2, padding=1) for one, w in zip(h, weights, strict=True)
        ]
    else:
        expected = [F.conv2d(one[None], w, padding=1) for one, w in zip(h, weights, strict=True)]
    torch.testing.assert_close(linear_part(layer, h, s), torch.cat(expected), rtol=1e-6, atol=1e-6)


@both_kinds
def test_modulating_the_weights_is_scaling_the_inputs(double):
    """Styles s on inputs h give what styles 1 give on inputs s h, but for one factor an output channel: the demodulation."""
    layer, h, s = convolution(double), normal(2, 5, 6, 6), normal(2, 5, seed=1)
    one, other = linear_part(layer, h, s), linear_part(layer, h * s[:, :, None, None], torch.ones_like(s))
    ratio = (one / other).flatten(2)
    assert (ratio > 0).all()
    torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-6, atol=1e-6)


@both_kinds
@given(scale=st.floats(0.1, 100), seed=st.integers(0, 1000))
def test_demodulated_weights_have_unit_norm(double, scale, seed):
    """Read from what a layer does to single pixels: the responses to one in each channel are the weights themselves."""
    layer, s = convolution(double), scale * normal(1, 5, seed=seed)
    impulses = torch.zeros(5, 5, 6, 6, dtype=torch.float64)
    impulses[range(5), range(5), 3, 3] = 1.0
    response = linear_part(layer, impulses, s.expand(5, -1))  # (in, out, H, W)
    norms = response.square().sum((0, 2, 3))  # of each output channel
    torch.testing.assert_close(norms, torch.full((4,), 4.0 if double else 1.0).double(), rtol=1e-3, atol=0)


@both_kinds
def test_a_layers_output_has_unit_scale_whatever_the_styles(double):
    layer, h = convolution(double, 32, 64), normal(64, 32, 8, 8)
    out = linear_part(layer, h, 7 * normal(64, 32, seed=1))[..., 1:-1, 1:-1]  # at the border fewer weights meet
    assert out.square().mean().item() == pytest.approx(1, rel=0.1)


def test_weighing_the_maps_of_the_constant_is_convolving_it_with_modulated_weights():
    torch.manual_seed(3)
    layer, s = StyledConstant(5, 4, (6, 7)).double().requires_grad_(False), normal(3, 5, seed=1)
    modulated = s[:, None, :, None, None] * layer.weight  # (B, out, in, 3, 3)
    weights = modulated / modulated.square().sum((2, 3, 4), keepdim=True).sqrt()
    expected = torch.cat([F.conv2d(layer.constant[None], w, padding=1) for w in weights])
    torch.testing.assert_close(linear_part(layer, torch.zeros(()), s), expected, rtol=1e-6, atol=1e-6)


def test_colours_are_modulated_but_not_demodulated():
    torch.manual_seed(0)
    layer, h, s = ToPicture(5, 3).double(), normal(2, 5, 4, 4), normal(2, 5, seed=1)
    torch.testing.assert_close(layer(h, 3 * s), 3 * layer(h, s))
    torch.testing.assert_close(layer(h, s), layer(h * s[:, :, None, None], torch.ones_like(s)))


def test_the_mapping_sees_the_direction_of_z_alone():
    torch.manual_seed(0)
    mapping, z = Mapping(32, 40, 7).double(), normal(6, 32)
    lengths = torch.linspace(0.5, 3, 6, dtype=torch.float64)[:, None]
    torch.testing.assert_close(mapping(lengths * z), mapping(z), rtol=1e-6, atol=1e-6)
    assert (mapping(-z) - mapping(z)).abs().max() > 0.1


def test_styles_start_about_one():
    torch.manual_seed(0)
    styles = Mapping(32, 200, 100)(normal(500, 32, dtype=torch.float32))
    assert styles.mean().item() == pytest.approx(1, abs=0.1)
    assert styles.var(0).mean().item() == pytest.approx(0.9, abs=0.3)


def test_noise_changes_pixels_but_not_at_strength_zero():
    torch.manual_seed(0)
    net = Synthesis((1, 8, 8), 8).requires_grad_(False)
    styles, pixels = torch.ones(2, sum(net.style_sizes)), sum(net.noise_sizes)
    still, noisy = torch.zeros(2, pixels), normal(2, pixels, dtype=torch.float32)
    assert torch.equal(net(styles, still), net(styles, noisy))  # strengths start at 0
    for number, layer in enumerate(net.layers):
        layer.noise_strength.fill_(0.3)
        assert (net(styles, noisy) - net(styles, still)).abs().max() > 1e-3, number
        layer.noise_strength.fill_(0.0)


def test_noise_adds_its_strength_to_each_channel_of_a_pixel():
    layer, h, s = convolution(False), normal(2, 5, 6, 6), normal(2, 5, seed=1)
    noise = normal(2, 1, 6, 6, seed=2)
    layer.noise_strength.fill_(0.7)
    out = layer(h, s, noise)
    before = torch.where(out > 0, out, out / SLOPE)
    torch.testing.assert_close(before - GAIN * linear_part(layer, h, s), (0.7 * noise).expand(-1, 4, -1, -1))


def test_the_picture_is_the_sum_of_what_each_size_adds():
    """Silent at all sizes but the coarsest, it is the coarsest's colours, doubled as often as there are finer sizes."""
    torch.manual_seed(0)
    net = Synthesis((1, 28, 28), 8).requires_grad_(False)
    styles, noise = torch.ones(2, sum(net.style_sizes)), torch.zeros(2, sum(net.noise_sizes))
    for layer in net.to_picture[1:]:
        layer.convolution.weight.zero_()
    seen = []
    net.to_picture[0].register_forward_hook(lambda *given: seen.append(given[-1]))
    picture = net(styles, noise)
    doubled = F.interpolate(seen[0], scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(picture, doubled.tanh())
    net.to_picture[1].convolution.weight.fill_(0.1)
    assert (net(styles, noise) - picture).abs().max() > 0.01


def styles_seen(model, z, other, part):
    """The styles that each convolution of the synthesis gets."""
    seen = []
    hooks = [
        layer.register_forward_pre_hook(lambda _, given: seen.append(given[1])) for layer in model.average.module.synthesis.layers
    ]
    mixed = model.decode_mixed(z, other, part)
    for hook in hooks:
        hook.remove()
    return mixed, seen


@pytest.mark.parametrize("part", ["early", "late"])
def test_one_half_of_the_layers_follows_other(part):
    model = trained(shape=(1, 28, 28))
    net = model.average.module
    z, other = (model.draw_latents(4, torch.Generator().manual_seed(s)) for s in (0, 1))
    mixed, seen = styles_seen(model, z, other, part)
    own, others = (net.mapping(y[:, : model.latent]).split(net.synthesis.style_sizes, 1) for y in (z, other))
    for number, found in enumerate(seen):
        assert torch.equal(found, (others if (number < 2) == (part == "early") else own)[number]), number
    assert not torch.equal(mixed, model.decode(z))
    assert not torch.equal(mixed, model.decode(other))


@pytest.mark.parametrize("part", ["early", "late"])
def test_a_mixed_latent_keeps_its_noise(part):
    model = trained()
    for layer in model.average.module.synthesis.layers:
        layer.noise_strength.fill_(1.0)
    z, other = (model.draw_latents(4, torch.Generator().manual_seed(s)) for s in (0, 1))
    same_styles = torch.cat([z[:, : model.latent], other[:, model.latent :]], 1)
    assert torch.equal(model.decode_mixed(z, same_styles, part), model.decode(z))


def test_unknown_parts_are_refused():
    model = trained()
    z = model.draw_latents(1, torch.Generator())
    with pytest.raises(ValueError, match="'middle'"):
        model.decode_mixed(z, z, "middle")


def test_at_either_end_the_crossover_leaves_one_of_the_two():
    model = trained()
    own, other = (model.average.module.mapping(normal(4, model.latent, seed=s, dtype=torch.float32)) for s in (0, 1))
    layers = len(model.average.module.synthesis.layers)
    assert torch.equal(model._crossed(own, other, layers), own)
    assert torch.equal(model._crossed(own, other, 0), other)
    crossed = model._crossed(own, other, torch.tensor([[0], [1], [layers], [1]]))  # one a picture
    assert torch.equal(crossed[0], other[0])
    assert torch.equal(crossed[2], own[2])


def test_colours_go_with_the_layer_before_them():
    net = Synthesis((1, 28, 28), 8)
    owners = [set(part.tolist()) for part in net.layer_of_style.split(net.style_sizes)]
    assert owners == [{0}, {1}, {2}, {3}, {1}, {3}]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_mixed_share_of_training_pictures_has_two_styles(share):
    """A batch of mixed styles: its first pictures get some styles from an own z, the others all."""
    model = build()
    model.mixed_share = share
    given = []
    model.generator_net.synthesis.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    model._generate(20)
    twin = build()  # the same nets and draws
    z = twin.draw_latents(20, twin.generator)[:, : twin.latent]
    plain = twin.generator_net.mapping(z)
    same = torch.isclose(given[0], plain, rtol=1e-4, atol=1e-5)
    mixed = round(20 * share)
    assert same[mixed:].all()
    first = model.generator_net.synthesis.layer_of_style == 0
    last = model.generator_net.synthesis.layer_of_style == 1
    assert same[:mixed, first].all()
    assert not same[:mixed, last].all(1).any()


def test_psi_one_is_the_plain_sampler():
    model = trained()
    z = model.draw_latents(3, torch.Generator().manual_seed(4))
    assert torch.equal(model.decode_truncated(z, 1.0), model.sample(3, torch.Generator().manual_seed(4)))
    torch.testing.assert_close(model.decode_truncated(z, 1 - 1e-6), model.decode(z), rtol=0, atol=1e-4)


def test_psi_zero_gives_the_mean_style_to_all():
    model = trained()
    z = model.draw_latents(5, torch.Generator().manual_seed(4))
    z[:, model.latent :] = z[:1, model.latent :]  # the same noise
    found = model.decode_truncated(z, 0.0)
    expected = model.average.module.synthesis(model.mean_styles.expand(1, -1), z[:1, model.latent :])
    torch.testing.assert_close(found, expected.expand_as(found))


def test_the_truncated_sampler_goes_seven_tenths_of_the_way():
    model = trained()
    given = []
    model.average.module.synthesis.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    for sampler in ("default", "psi-0.7"):
        model.sample(4, torch.Generator().manual_seed(2), sampler=sampler)
    torch.testing.assert_close(given[1] - model.mean_styles, 0.7 * (given[0] - model.mean_styles))


def test_truncating_styles_is_truncating_w():
    torch.manual_seed(0)
    mapping = Mapping(32, 40, 7).double()
    w = normal(9, 40)
    truncated = mapping.styles(w.mean(0) + 0.7 * (w - w.mean(0)))
    styles = mapping.styles(w)
    torch.testing.assert_close(truncated, styles.mean(0) + 0.7 * (styles - styles.mean(0)))


def test_the_mean_styles_are_those_of_the_mapping():
    """With weights at rest the mean over updates is that over z."""
    model = build(width=32)
    model.learning_rate_factor = 0.0
    for k in range(60):
        model.update(Batch(pictures(64, seed=k)), 0.2)
    with torch.no_grad():
        styles = model.average.module.mapping(normal(20_000, model.latent, dtype=torch.float32))
    error = (model.mean_styles - styles.mean(0)) / styles.std(0)
    assert error.abs().mean() < 0.05


def test_the_lazy_penalty_is_the_gradient_penalty_weighted_by_its_interval():
    """A step with R1 differs from one without by k gamma / 2 times the derivative of the penalty, by autograd."""
    x, fake = pictures(16), pictures(16, seed=1)

    def gradients(updates):
        model = build()
        model.updates = updates
        _, logged = model._step_discriminator(x, fake)
        return torch.cat([p.grad.flatten() for p in model.discriminator.parameters()]), logged

    (with_penalty, logged), (without, nothing) = gradients(StyleGAN.penalty_interval), gradients(1)
    net, real = build().discriminator, x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(real).sum(), real, create_graph=True)
    penalty = slope.square().sum() / len(x)
    expected = torch.autograd.grad(penalty, list(net.parameters()), allow_unused=True)
    flat = torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for p, g in zip(net.parameters(), expected, strict=True)])
    torch.testing.assert_close(with_penalty - without, 8 * 0.5 / 2 * flat, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(logged["r1"], penalty.detach())
    assert not nothing


def test_each_loss_moves_its_own_net_alone():
    model = build()
    nets = (model.discriminator, model.generator_net)
    before = [[p.clone() for p in net.parameters()] for net in nets]
    model._step_discriminator(pictures(16), pictures(16, seed=1))
    assert not unmoved(before[0], nets[0])
    assert unmoved(before[1], nets[1])
    logs = model.update(Batch(pictures(16)), 0.3)
    assert not unmoved(before[1], nets[1])
    assert math.isfinite(logs["generator_loss"])


def test_the_mapping_learns_more_slowly():
    """Adam's first step is as long as its rate in every weight that has a slope; larger mappings go more slowly."""
    model = build(width=32)
    mapping = model.generator_net.mapping
    parts = {
        "w": mapping.layers[0].weight,
        "styles": mapping.styles.weight,
        "constant": model.generator_net.synthesis.layers[0].constant,
    }
    before = {name: p.detach().clone() for name, p in parts.items()}
    model.update(Batch(pictures(16)), 0.5)
    steps = {name: float((p.detach() - before[name]).abs().max()) for name, p in parts.items()}
    rate = 0.5 * model.learning_rate  # half of the cosine
    assert steps["constant"] == pytest.approx(rate, rel=1e-3)
    slow = model.mapping_slowdown / mapping.layers[0].out_features * rate
    assert slow < 0.5 * rate
    assert steps["w"] == pytest.approx(slow, rel=1e-3)
    assert steps["styles"] == pytest.approx(slow, rel=1e-3)


def unmoved(before, net):
    return all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_have_the_datas_shape_and_range(shape):
    model = build(shape)
    with torch.no_grad():
        x = model.sample(5, torch.Generator().manual_seed(0))
    assert x.shape == (5, *shape)
    assert x.abs().max() <= 1
    assert x.std(0).mean() > 0.1  # of different z they start different


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28)])
@pytest.mark.parametrize("parameters", [30_000, 3_000_000])
def test_widths_span_the_budgets(shape, parameters):
    _, count = solve_width(StyleGAN, DataSpec("image", shape, levels=17), parameters)
    assert not outside_budget(count, parameters), count


def test_odd_sides_are_refused():
    with pytest.raises(ValueError, match="9 x 8"):
        build((1, 9, 8))


def test_learns_digits():
    """400 updates bring its features four times nearer to the real ones than independent pixels are (Frechet distance)."""
    data = digits()
    encoder = load_encoder(data)
    x = torch.from_numpy(data.train.items).float().reshape(-1, 1, 8, 8) / 8 - 1
    model, order = build(width=32), torch.Generator().manual_seed(0)
    for k in range(400):
        model.update(Batch(x[torch.randperm(len(x), generator=order)[: model.batch_size]]), k / 400)
    with torch.no_grad():
        fake = model.sample(1000, torch.Generator().manual_seed(0))
        shuffled = torch.stack([column[torch.randperm(len(x), generator=order)] for column in x.flatten(1).T], dim=1)
        real, near, far = (encoder.features(v.reshape(-1, 1, 8, 8)).double() for v in (x, fake, shuffled))
    assert frechet(near, real) < frechet(far, real) / 4
