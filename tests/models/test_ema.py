"""The weight average against its recurrence, written out with plain numbers."""

import copy

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from paragone.models import Contender
from paragone.models.layers.ema import WeightAverage


def walk(steps, seed=0):
    """Weights that jump about: `steps` values of one scalar weight."""
    return torch.randn(steps, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).tolist()


def set_weight(net, value):
    with torch.no_grad():
        net.weight.fill_(value)


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9, 0.999])
def test_follows_the_recurrence_with_the_decay_warmed_up(decay):
    net = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    average, expected = WeightAverage(net, decay), net.weight.item()
    for k, weight in enumerate(walk(60)):
        set_weight(net, weight)
        average.follow(net)
        d = min(decay, (1 + k) / (10 + k))
        expected = d * expected + (1 - d) * weight
        assert average.module.weight.item() == pytest.approx(expected, abs=1e-12), k


def test_a_constant_is_kept_and_never_left():
    net = nn.Linear(3, 2)
    average = WeightAverage(net, 0.9)
    for _ in range(20):
        average.follow(net)
    torch.testing.assert_close(average.module.weight, net.weight, rtol=1e-6, atol=0)


def test_the_source_is_left_alone_and_shares_no_memory():
    net = nn.Linear(3, 2)
    before = copy.deepcopy(net.state_dict())
    average = WeightAverage(net, 0.5)
    with torch.no_grad():
        average.module.weight.zero_()
    average.follow(net)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_buffers_are_copied_not_averaged():
    net = nn.BatchNorm1d(2)
    average = WeightAverage(net, 0.999)
    for shift in (3.0, 5.0):
        net(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)) + shift)
        average.follow(net)
    assert torch.equal(average.module.running_mean, net.running_mean)
    assert torch.equal(average.module.num_batches_tracked, net.num_batches_tracked)
    assert int(net.num_batches_tracked) == 2


def test_does_not_count_as_trained():
    class Averaged(Contender):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(3, 2)
            self.average = WeightAverage(self.net, 0.9)

        def update(self, batch, progress):
            return {}

        def sample(self, n, generator, condition=None, sampler=None):
            return torch.zeros(n, 2)

    assert Averaged().trained_parameter_count() == 3 * 2 + 2


def test_works_on_nets_that_take_no_gradient_and_in_the_middle_of_a_graph():
    """Following must not be recorded, nor spoil a backward pass that is still to come."""
    net = nn.Linear(2, 1)
    average = WeightAverage(net, 0.5)
    loss = net(torch.ones(1, 2)).square().sum()
    average.follow(net)
    loss.backward()
    assert net.weight.grad is not None
    assert all(p.grad is None and p.grad_fn is None for p in average.parameters())


def test_a_loaded_average_goes_on_where_it_was():
    net = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    average = WeightAverage(net, 0.9)
    for weight in walk(30):
        set_weight(net, weight)
        average.follow(net)
    restored = WeightAverage(nn.Linear(1, 1, bias=False, dtype=torch.float64), 0.9)
    restored.load_state_dict(load(save(average.state_dict())))
    assert restored.steps == 30
    set_weight(net, 4.0)
    average.follow(net)
    restored.follow(net)
    assert torch.equal(average.module.weight, restored.module.weight)


def test_another_shape_of_net_is_refused():
    average = WeightAverage(nn.Linear(2, 1), 0.9)
    with pytest.raises(RuntimeError):
        average.follow(nn.Linear(2, 1, bias=False))


@pytest.mark.parametrize("decay", [-0.1, 1.5, float("nan")])
def test_a_decay_that_would_blow_up_is_refused(decay):
    with pytest.raises(ValueError, match="decay"):
        WeightAverage(nn.Linear(1, 1), decay)
