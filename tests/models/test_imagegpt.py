"""imagegpt: causal by gradients, probabilities that sum to 1, cached sampling against recomputation, classes."""

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec
from paragone.models.autoregressive import imagegpt
from paragone.models.autoregressive.imagegpt import KNOTS, NOTHING, ImageGPT, _steps_back
from paragone.models.layers.levels import hats
from tests.models.autoregression import (
    DIGITS,
    MNIST,
    every_image,
    held_out_nats,
    in_order,
    independent_nats,
    moved,
    processor_seconds,
    recomputed,
    trained_on_digits,
    uniform_images,
)

COLOUR = DataSpec("image", (3, 4, 5), levels=256)
LABELLED = DataSpec("image", (1, 3, 4), levels=17, classes=3)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("spec", [DIGITS, COLOUR])
def test_gradient_reaches_every_earlier_value_and_no_other(spec):
    model = moved(ImageGPT(spec, 8))
    x = in_order(uniform_images(1, spec)).mul(0.9).add(0.01).requires_grad_()  # off the knots
    logits = model.network(x, torch.zeros(1, dtype=torch.int64))[0]  # (T, L)
    for t in range(len(logits)):
        target = logits[t] @ torch.randn(spec.levels, dtype=torch.float64)
        (gradient,) = torch.autograd.grad(target, x, retain_graph=True, allow_unused=t == 0)
        seen = gradient[0] != 0
        assert not seen[t:].any(), f"value {t} sees itself or a later one"
        assert seen[:t].all(), f"value {t} does not see {(~seen[:t]).nonzero().flatten().tolist()}"


@pytest.mark.parametrize(("shape", "levels"), [((1, 2, 2), 2), ((1, 3, 1), 2), ((1, 1, 2), 17), ((3, 1, 2), 2)])
@pytest.mark.parametrize("classes", [None, 3])
def test_probabilities_sum_to_one(shape, levels, classes):
    model = moved(ImageGPT(DataSpec("image", shape, levels=levels, classes=classes), 8))
    likelihood = model.log_prob(every_image(shape, levels))
    assert likelihood.exact
    assert likelihood.log_prob.std() > 0.1
    assert likelihood.log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_a_samples_frequency_is_its_probability():
    model = moved(ImageGPT(DataSpec("image", (1, 2, 2), levels=2), 8))
    n = 20_000
    p = model.log_prob(every_image((1, 2, 2), 2)).log_prob.exp().detach()
    with torch.no_grad():
        bits = model.sample(n, generator()).flatten(1) > 0
    share = torch.bincount((bits * torch.tensor([8, 4, 2, 1])).sum(1), minlength=16) / n
    assert ((share - p).abs() <= 4.5 * (p * (1 - p) / n).sqrt()).all()


@pytest.mark.parametrize("spec", [DIGITS, COLOUR, LABELLED])
def test_cached_sampling_equals_recomputation_value_by_value(spec):
    network = moved(ImageGPT(spec, 12)).average.module
    classes = torch.tensor([0, 2, 1]) if spec.classes else torch.zeros(3, dtype=torch.int64)
    with torch.no_grad():
        cached = network.sample(classes, generator(3))
        whole = recomputed(lambda x, t: network(in_order(x)[:, : t + 1], classes)[:, t], spec, 3, generator(3))
    assert cached.unique().numel() > 4
    assert torch.equal(cached, whole)


def test_cached_sampling_is_many_times_faster_than_recomputation_at_784_values(record_property):
    """Recomputation is given its best: only the values so far are passed through the network."""
    torch.manual_seed(0)
    network = ImageGPT(MNIST, 32).eval().average.module
    classes = torch.zeros(2, dtype=torch.int64)
    x = in_order(uniform_images(2, MNIST)).float()
    lengths = [40 + 80 * k for k in range(10)]  # spread evenly over 1 .. 784
    with torch.no_grad():
        cached = processor_seconds(lambda: network.sample(classes, generator()))
        ten = processor_seconds(lambda: [network(x[:, :length], classes) for length in lengths], repeats=2)
    ratio = 78.4 * ten / cached
    record_property("figure", f"imagegpt: sampling 2 images of 784 values with the cache {ratio:.0f} times as fast as without")
    assert ratio > 5


def flops(side: int) -> int:
    model = ImageGPT(DataSpec("image", (1, side, side), levels=17), 16).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.sample(1, generator())
    return counter.get_total_flops()


def test_work_of_sampling_grows_with_the_number_of_values():
    """Matrix products of one position a value: four times the values, four times the work, where recomputation takes 16 times."""
    assert flops(12) == pytest.approx(4 * flops(6), rel=0.1)


def test_images_beyond_the_cache_are_drawn_in_turn(monkeypatch):
    model = moved(ImageGPT(LABELLED, 8))
    classes = torch.tensor([2, 0, 1])
    monkeypatch.setattr(imagegpt, "CACHED_NUMBERS", 1)
    with torch.no_grad():
        found = model.sample(3, generator(1), classes)
        one_by_one, draws = [], generator(1)
        for k in range(3):
            one_by_one.append(model.average.module.sample(classes[k : k + 1], draws))
    assert torch.equal(found, torch.cat(one_by_one))


def test_neighbours_lie_where_they_are_said_to():
    """The input for the value at row 2, column 2 tells of six pixels, and of the channels before."""
    assert _steps_back(1, 8) == [1, 2, 7, 8, 9, 16]
    assert _steps_back(3, 20) == [1, 2, 3, 6, 57, 60, 63, 120]
    network = moved(ImageGPT(DIGITS, 8)).network
    x = torch.zeros(1, 64, dtype=torch.float64, requires_grad=True)
    at = torch.tensor([2 * 8 + 2])
    told = network.told(torch.nn.functional.pad(x + 0.1, (network.margin, 0), value=NOTHING), at)
    (gradient,) = torch.autograd.grad(told.square().sum(), x)
    found = {(k // 8, k % 8) for k in gradient[0].nonzero().flatten().tolist()}
    assert found == {(2, 1), (2, 0), (1, 3), (1, 2), (1, 1), (0, 2)}


@pytest.mark.parametrize("knots", range(2, KNOTS + 1))
def test_nothing_has_no_coordinates(knots):
    assert not hats(torch.tensor(NOTHING), torch.linspace(-1, 1, knots)).any()


def test_classes_are_drawn_evenly_where_none_is_asked_for(monkeypatch):
    model = ImageGPT(LABELLED, 8)
    asked = []
    monkeypatch.setattr(model.average.module, "sample", lambda c, g: (asked.append(c), torch.zeros(len(c), 1, 3, 4))[1])
    model.sample(3000, generator())
    model.sample(3, generator(), torch.tensor([1, 1, 0]))
    classes = torch.cat(asked)
    assert torch.equal(classes[3000:], torch.tensor([1, 1, 0]))
    share = torch.bincount(classes[:3000], minlength=3) / 3000
    assert ((share - 1 / 3).abs() < 4 * (2 / 9 / 3000) ** 0.5).all()


def test_a_class_is_learnt_from_its_label():
    """Two classes of flat images, light and dark: what is asked for comes, and the likelihood does not know which it was."""
    spec = DataSpec("image", (1, 3, 3), levels=5, classes=2)
    torch.manual_seed(0)
    model = ImageGPT(spec, 8)
    classes = torch.arange(16) % 2
    x = (classes - 0.5).view(-1, 1, 1, 1).expand(-1, *spec.shape) * 2
    for k in range(300):
        model.update(Batch(x.contiguous(), classes), k / 300)
    model.eval()
    with torch.no_grad():
        found = model.sample(16, generator(), classes)
        nats = -model.log_prob(x[:2]).log_prob
    assert (found == x).float().mean() > 0.95
    torch.testing.assert_close(nats, torch.full((2,), math.log(2)), atol=0.1, rtol=0)


@pytest.mark.parametrize("spec", [DIGITS, MNIST])
@pytest.mark.parametrize("parameters", [30_000, 100_000, 1_000_000, 3_000_000])
def test_some_width_meets_every_budget(spec, parameters):
    _, count = solve_width(ImageGPT, spec, parameters)
    assert not outside_budget(count, parameters), count


def test_data_without_levels_is_refused():
    with pytest.raises(ValueError, match="levels"):
        ImageGPT(DataSpec("image", (1, 8, 8)), 8)


def test_learns_digits():
    """After 120 updates it beats the best model of independent pixels, which knows the training set's frequencies."""
    torch.manual_seed(0)
    nats = held_out_nats(trained_on_digits(ImageGPT(DIGITS, 32), 120))
    assert nats < 0.9 * independent_nats(), f"{nats:.1f} nats against {independent_nats():.1f}"
