"""The minimax loss and slope against closed forms; it differs from the DCGAN in the generator's loss alone; it learns."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.data.digits import digits
from paragone.bench.metrics.encoder import load_encoder
from paragone.models import Batch, DataSpec
from paragone.models.gan.dcgan import DCGAN, generator_loss
from paragone.models.gan.gan_minimax import GANMinimax, saturating_loss
from tests.models.test_dcgan import frechet

LOGITS = st.lists(st.floats(-40, 30), min_size=1, max_size=8)


def build(cls, seed=0, width=8):
    torch.manual_seed(seed)
    model = cls(DataSpec("image", (1, 8, 8), levels=17), width)
    model.generator = torch.Generator().manual_seed(seed + 1)
    return model


def pictures(n, seed=0):
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)).tanh()


def slope(loss, logits):
    logits = logits.clone().requires_grad_()
    (len(logits) * loss(logits)).backward()
    return logits.grad


@given(LOGITS)
def test_the_loss_is_the_log_of_one_minus_the_probability(values):
    """1 - S(l) = 1 / (1 + e^l)."""
    expected = -sum(math.log1p(math.exp(v)) for v in values) / len(values)
    assert float(saturating_loss(torch.tensor(values, dtype=torch.float64))) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@given(LOGITS)
def test_its_slope_is_minus_the_probability_of_being_real(values):
    expected = torch.tensor([-1 / (1 + math.exp(-v)) for v in values], dtype=torch.float64)
    torch.testing.assert_close(slope(saturating_loss, torch.tensor(values, dtype=torch.float64)), expected)


def test_the_slope_vanishes_where_that_of_the_other_loss_does_not():
    seen_through = torch.tensor([-30.0, -15.0], dtype=torch.float64)
    assert slope(saturating_loss, seen_through).abs().max() < 1e-6
    torch.testing.assert_close(slope(generator_loss, seen_through), -torch.ones(2).double(), rtol=0, atol=1e-6)


def test_both_losses_push_the_logit_up_and_their_slopes_add_up_to_minus_one():
    logits = torch.linspace(-8, 8, 9, dtype=torch.float64)
    one, other = slope(saturating_loss, logits), slope(generator_loss, logits)
    assert (one < 0).all()
    torch.testing.assert_close(one + other, -torch.ones(9).double())


def test_it_is_the_dcgan_but_for_the_generators_step():
    """After one update from the same start the discriminators are equal, the generators are not."""
    one, other = build(GANMinimax), build(DCGAN)
    logs, theirs = (model.update(Batch(pictures(16)), 0.3) for model in (one, other))
    assert logs["discriminator_loss"] == theirs["discriminator_loss"]
    assert logs["generator_loss"] < 0 < theirs["generator_loss"]
    pairs = list(zip(one.discriminator.parameters(), other.discriminator.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    pairs = list(zip(one.generator_net.parameters(), other.generator_net.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_the_generator_descends_the_loss_it_logs():
    model = build(GANMinimax)
    fake = model.generator_net(model.draw_latents(16, model.generator))
    loss = model._step_generator(fake)
    on_fake = model.discriminator(fake).detach()
    torch.testing.assert_close(loss, torch.log(1 - torch.sigmoid(on_fake)).mean())


def test_it_is_an_ablation():
    assert GANMinimax.ablation
    assert not DCGAN.ablation


def test_learns_digits():
    """As the DCGAN's: 500 updates bring its features four times nearer to the real ones than independent pixels are."""
    data = digits()
    encoder = load_encoder(data)
    x = torch.from_numpy(data.train.items).float().reshape(-1, 1, 8, 8) / 8 - 1
    model, order = build(GANMinimax, width=24), torch.Generator().manual_seed(0)
    for k in range(500):
        model.update(Batch(x[torch.randperm(len(x), generator=order)[: model.batch_size]]), k / 500)
    with torch.no_grad():
        fake = model.sample(1000, torch.Generator().manual_seed(0))
        shuffled = torch.stack([column[torch.randperm(len(x), generator=order)] for column in x.flatten(1).T], dim=1)
        real, near, far = (encoder.features(v.reshape(-1, 1, 8, 8)).double() for v in (x, fake, shuffled))
    assert frechet(near, real) < frechet(far, real) / 4
