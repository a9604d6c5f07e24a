"""What `ddpm` makes of classes, and of points: guidance and the null class by their formulas, and that it learns both."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_unit
from paragone.bench.metrics import mixture
from paragone.bench.metrics.encoder import load_encoder
from paragone.bench.metrics.energy import Reference
from paragone.models import Batch, DataSpec
from paragone.models.diffusion.ddpm import DDPM, TIMESTEPS, Network, guided

CLASSES = 3
LABELLED = DataSpec("image", (1, 8, 8), levels=17, classes=CLASSES)
POINTS = DataSpec("points", (2,))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def shaken(module, seed=0):
    """Weights moved away from where they start: layers from zero, and classes all alike."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=seeded(seed)))
    return module


def labelled_model():
    torch.manual_seed(0)
    model = DDPM(LABELLED, width=8)
    shaken(model.average)
    return model.eval()


NETWORK = shaken(Network(LABELLED, width=8))
X_T = torch.randn(4, 1, 8, 8, generator=seeded(1))
TIME = torch.tensor([0.4])
ASKED = torch.tensor([0, 1, 2, 1])


class Calls:
    """Sizes of batches and the classes with which a network is called."""

    def __init__(self, network):
        self.sizes, self.classes = [], []
        network.register_forward_pre_hook(self.note)

    def note(self, module, arguments):
        self.sizes.append(len(arguments[0]))
        self.classes.append(arguments[2])


# Guidance


@torch.no_grad()
def test_guidance_of_0_is_unconditional_and_of_1_conditional():
    null = torch.full((4,), CLASSES)
    assert torch.equal(guided(NETWORK, X_T, TIME, ASKED, 0.0), NETWORK(X_T, TIME))
    assert torch.allclose(guided(NETWORK, X_T, TIME, ASKED, 0.0), NETWORK(X_T, TIME, null), atol=1e-6)
    assert torch.equal(guided(NETWORK, X_T, TIME, ASKED, 1.0), NETWORK(X_T, TIME, ASKED))
    assert not torch.allclose(NETWORK(X_T, TIME), NETWORK(X_T, TIME, ASKED), atol=0.1)


@torch.no_grad()
@given(st.floats(-2, 10))
def test_guidance_is_the_formula_in_velocity_noise_and_data_alike(w):
    null, conditional = NETWORK(X_T, TIME), NETWORK(X_T, TIME, ASKED)
    found = guided(NETWORK, X_T, TIME, ASKED, w)
    assert torch.allclose(found, null + w * (conditional - null), atol=1e-4)
    a, s = 0.6, 0.8
    for make in (lambda v: s * X_T + a * v, lambda v: a * X_T - s * v):  # predicted e, predicted x
        assert torch.allclose(make(found), make(null) + w * (make(conditional) - make(null)), atol=1e-4)


@pytest.mark.parametrize(("w", "size"), [(0.0, 4), (1.0, 4), (3.0, 8)])
@torch.no_grad()
def test_guidance_takes_one_pass_and_twice_the_batch_only_where_it_must(w, size):
    network = shaken(Network(LABELLED, width=8))
    calls = Calls(network)
    guided(network, X_T, TIME, ASKED, w)
    assert calls.sizes == [size]


@torch.no_grad()
def test_samplers_are_the_guidance_that_they_are_called():
    model = labelled_model()

    def draw(sampler, condition=ASKED):
        return model.sample(4, seeded(5), condition, sampler)

    assert torch.equal(draw("cfg-1"), draw("ddim-50"))
    assert not torch.equal(draw("cfg-1"), draw("ddim-50", ASKED.roll(1)))
    assert torch.equal(draw("cfg-0"), draw("cfg-0", ASKED.roll(1)))
    assert not torch.equal(draw("cfg-0"), draw("cfg-1"))
    assert not torch.equal(draw("cfg-3"), draw("cfg-7"))
    for sampler in ("cfg-0", "cfg-1", "cfg-3", "cfg-7"):
        assert draw(sampler).abs().max() <= 1


# The null class


def test_the_null_class_is_none_of_the_classes():
    network = shaken(Network(LABELLED, width=8))
    with torch.no_grad():
        kept = [network(X_T, TIME, torch.full((4,), c)) for c in range(CLASSES)]
        before = network(X_T, TIME)
        network.classes.weight[CLASSES] += 1.0
        for c in range(CLASSES):
            assert torch.equal(network(X_T, TIME, torch.full((4,), c)), kept[c])
        assert not torch.allclose(network(X_T, TIME), before)


def test_a_tenth_of_the_classes_is_hidden_in_training_and_the_others_stay():
    model = DDPM(LABELLED, width=8)
    model.generator = seeded(3)
    calls = Calls(model.network)
    n, updates = 500, 8
    classes = torch.arange(n) % CLASSES
    for k in range(updates):
        model.update(Batch(torch.zeros(n, 1, 8, 8), classes), k / updates)
    seen = torch.stack(calls.classes)  # (updates, n)
    hidden = seen == CLASSES
    assert torch.equal(seen[~hidden], classes.expand(updates, n)[~hidden])
    share, error = hidden.float().mean().item(), (0.1 * 0.9 / hidden.numel()) ** 0.5
    assert share == pytest.approx(0.1, abs=4 * error)
    assert not torch.equal(hidden[0], hidden[1])


@torch.no_grad()
def test_classes_are_drawn_evenly_where_none_are_asked_for():
    model = labelled_model()
    calls = Calls(model.average.module)
    n = 900
    model.sample(n, seeded(2), sampler="ddim-4")
    drawn = torch.cat([calls.classes[0], calls.classes[4]])  # of two halves, in four steps each
    assert len(drawn) == n
    for c in range(CLASSES):
        assert (drawn == c).float().mean().item() == pytest.approx(1 / 3, abs=4 * (2 / 9 / n) ** 0.5)


@torch.no_grad()
def test_the_likelihood_of_labelled_data_is_unconditional():
    model = labelled_model()
    x = torch.zeros(3, 1, 8, 8)
    before = model.log_prob(x).log_prob
    table = model.average.module.classes.weight
    table[:CLASSES] += 1.0
    assert torch.equal(model.log_prob(x).log_prob, before)
    table[CLASSES] += 1.0
    assert not torch.equal(model.log_prob(x).log_prob, before)


def test_it_learns_to_draw_the_digit_asked_for():
    """After 300 steps a frozen classifier recognises three times as many as by chance, more under guidance; a tenth without."""
    data = embedded("digits")
    real, labels = torch.from_numpy(to_unit(data.train.items, data.level_count)), torch.from_numpy(data.train.labels)
    torch.manual_seed(0)
    model = DDPM(DataSpec("image", (1, 8, 8), levels=17, classes=10), width=16)
    order, steps = seeded(1), 300
    for i in range(steps):
        chosen = torch.randperm(len(real), generator=order)[: model.batch_size]
        model.update(Batch(real[chosen], labels[chosen]), i / steps)
    asked = torch.arange(200) % 10
    encoder = load_encoder(data)
    with torch.no_grad():
        right = {
            sampler: (encoder(model.sample(200, seeded(2), asked, sampler)).argmax(1) == asked).float().mean().item()
            for sampler in ("cfg-0", "cfg-1", "cfg-3")
        }
    assert right["cfg-0"] < 0.2
    assert right["cfg-1"] > 0.3
    assert right["cfg-3"] > right["cfg-1"] + 0.1


# Points


def test_points_are_weighted_as_noise_and_images_no_more_than_five():
    points, images = DDPM(POINTS, width=8), DDPM(LABELLED, width=8)
    snr = points.schedule.signal_to_noise(torch.arange(1, TIMESTEPS + 1))
    assert torch.allclose(points.weight[1:] * (snr + 1), snr)
    assert torch.allclose(images.weight[1:] * (snr + 1), snr.clamp(max=5.0))


def test_every_point_is_seen_at_several_times():
    model = DDPM(POINTS, width=8)
    calls = Calls(model.network)
    model.update(Batch(torch.zeros(32, 2)), 0.0)
    assert calls.sizes == [4 * 32]


@torch.no_grad()
def test_predicted_points_are_not_clipped_and_pictures_are():
    """An untrained network predicts v = 0, and DDIM then takes noise to about itself."""
    points = DDPM(POINTS, width=8).eval().sample(500, seeded(1))
    pictures = DDPM(LABELLED, width=8).eval().sample(8, seeded(1))
    assert points.std().item() == pytest.approx(1.0, abs=0.1)
    assert points.abs().max() > 2
    assert pictures.abs().max() == 1


def test_points_have_no_likelihood_here():
    with pytest.raises(NotImplementedError, match="levels"):
        DDPM(POINTS, width=8).log_prob(torch.zeros(3, 2))


def test_it_learns_a_ring_of_eight():
    """After 300 steps: all eight modes, and a tenth of the energy distance of a Gaussian of the data's moments."""
    ring, draws = mixture.ring8(), np.random.default_rng(0)
    x, truth = torch.tensor(ring.draw(5000, draws), dtype=torch.float32), Reference(ring.draw(1000, draws))
    torch.manual_seed(0)
    model, order, steps = DDPM(POINTS, width=64), seeded(1), 300
    for i in range(steps):
        model.update(Batch(x[torch.randint(len(x), (model.batch_size,), generator=order)]), i / steps)
    with torch.no_grad():
        made = model.eval().sample(1000, seeded(2), sampler="dpm-20").double().numpy()
    assert truth.distance(made) < truth.distance(draws.normal(size=(1000, 2))) / 10
    near, far = ring.nearest(made)
    assert (np.bincount(near[far < 3], minlength=8) >= 20).all()
