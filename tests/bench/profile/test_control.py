"""The control workload takes about a tenth of a second, and its rates are those of the products that it does."""

import time

import pytest
import torch

from paragone.bench.profile.control import EACH_S, Control, apart
from paragone.bench.profile.flops import FlopCount

CPU = torch.device("cpu")


def test_rates_are_flops_over_seconds():
    control = Control(CPU)
    with FlopCount(CPU) as counted:
        control._product()
    product = counted.flops
    with FlopCount(CPU) as counted:
        control._convolve()
    began = time.perf_counter()
    speed = control.run()
    assert time.perf_counter() - began >= 2 * EACH_S
    assert speed.product_s * speed.product_flops_per_s == pytest.approx(product)
    assert speed.convolution_s * speed.convolution_flops_per_s == pytest.approx(counted.flops)
    assert speed.peak_flops_per_s == max(speed.product_flops_per_s, speed.convolution_flops_per_s)
    assert speed.seconds == speed.product_s + speed.convolution_s


def test_it_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    Control(CPU).run()
    assert torch.equal(torch.get_rng_state(), state)


def test_how_far_two_runs_are_apart_knows_no_direction():
    assert apart(1.0, 2.0) == apart(2.0, 1.0) == 2.0
    assert apart(3.0, 3.0) == 1.0
