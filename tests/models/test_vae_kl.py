"""The VAE's ablations differ from it by the weight of the KL alone, and a heavier one leaves less in the codes."""

import pytest
import torch

from paragone.models import Batch, DataSpec, registered

SPEC = DataSpec("image", (1, 8, 8), levels=17)
NAMES = {"vae-kl-quarter": 0.25, "vae": 1.0, "vae-kl-4": 4.0}


def trained(name, steps):
    torch.manual_seed(0)
    contender = registered()[name](SPEC, 16)
    x = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(1)).round() * 2 - 1
    for step in range(steps):
        logs = contender.update(Batch(x), step / steps)
    return {key: float(value) for key, value in logs.items()}


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_weighs_the_kl(name):
    logs = trained(name, 1)
    assert logs["loss"] == pytest.approx(logs["reconstruction"] + NAMES[name] * logs["kl"], rel=1e-5)


def test_the_first_step_is_the_same_but_for_the_weight():
    first = [trained(name, 1) for name in NAMES]
    assert len({logs["reconstruction"] for logs in first}) == len({logs["kl"] for logs in first}) == 1


def test_a_heavier_kl_ends_smaller():
    ends = [trained(name, 60)["kl"] for name in NAMES]
    print("\nKL in nats after 60 steps:", [f"{kl:.2f}" for kl in ends])
    assert ends[0] > 1.2 * ends[1] > 1.2 * 1.2 * ends[2]
