"""What the tests of autoregressive contenders share: images, sampling by recomputation, the best model of independent pixels."""

import math
import time

import torch

from paragone.bench.data.digits import digits
from paragone.models import Batch, Contender, DataSpec
from paragone.models.layers.levels import draw_level, value_of

DIGITS = DataSpec("image", (1, 8, 8), levels=17)
MNIST = DataSpec("image", (1, 28, 28), levels=256)


def moved(model):
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


def in_order(x):
    """Images (n, C, H, W) -> values in the order of the factorisation, (n, T)."""
    return x.permute(0, 2, 3, 1).flatten(1)


def as_images(values, shape):
    channels, height, width = shape
    return values.view(-1, height, width, channels).permute(0, 3, 1, 2)


def every_image(shape, levels):
    values = torch.linspace(-1, 1, levels, dtype=torch.float64)
    return as_images(torch.cartesian_prod(*[values] * math.prod(shape)), shape)


def recomputed(logits_at, spec, n, generator):
    """Images by the definition: for each value the whole network anew; `logits_at(images, t)` gives (n, L)."""
    values = torch.full((n, math.prod(spec.shape)), -1.0, dtype=torch.float64)
    for t in range(values.shape[1]):
        logits = logits_at(as_images(values, spec.shape), t)
        values[:, t] = value_of(draw_level(logits, generator), spec.levels)
    return as_images(values, spec.shape)


def processor_seconds(work, repeats=1):
    """The least time of `repeats` runs: what else runs on the machine only adds to it."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def trained_on_digits(model: Contender, updates: int) -> Contender:
    train = torch.from_numpy(digits().train.items).float() / 8 - 1
    for i in range(updates):
        at = torch.randint(len(train), (model.batch_size,), generator=torch.Generator().manual_seed(i))
        model.update(Batch(train[at]), i / updates)
    return model.eval()


def held_out_nats(model: Contender) -> float:
    held_out = torch.from_numpy(digits().validation.items).float() / 8 - 1
    with torch.no_grad():
        return -model.log_prob(held_out).log_prob.mean().item()


def independent_nats() -> float:
    """Of held-out digits, under the best model of independent pixels, which knows the training set's frequencies."""
    data = digits()
    held_out = torch.from_numpy(data.validation.items).long()
    counts = torch.nn.functional.one_hot(torch.from_numpy(data.train.items).long(), 17).sum(0) + 0.1
    frequency = counts / counts.sum(-1, keepdim=True)
    chosen = frequency.log().expand(len(held_out), -1, -1, -1, -1).gather(-1, held_out.unsqueeze(-1))
    return -chosen.flatten(1).sum(1).mean().item()
