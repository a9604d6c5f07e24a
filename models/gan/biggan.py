"""BigGAN (Brock et al. 2018, arXiv:1809.11096): a GAN of classes with a bounded discriminator and a truncation trick.

Generator G: z ~ N(0, I) and a class y to a picture; discriminator D: a score of a picture as one of class y. Hinge loss (Miyato
et al. 2018, arXiv:1802.05957, eq. 16 and 17):
    D descends  E max(0, 1 - D(x, y)) + E max(0, 1 + D(G(z, y), y))
    G descends  -E D(G(z, y), y)
D projects (Miyato and Koyama 2018, arXiv:1802.05637, section 3), with phi(x) the features before its last layer:
    D(x, y) = w . phi(x) + b + e_y . phi(x)
and each weight of D, as a matrix of outputs by all else, is divided by its largest singular value, kept by one step of the power
method a pass (Miyato 2018, section 2.1). G's code c = [z, a learned embedding of y] enters the first layer and every batch norm,
whose gain and bias are linear in it (Brock, appendix B, as in BigGAN-deep, without splitting z). Weights start orthogonal.
Sampling: one pass of an average of G's weights. `truncated-t` draws z from N(0, 1) cut to [-t, t]: truer, less varied
pictures (Brock section 3.1). No likelihood. Without labels there are no classes: c = z, and D lacks e_y.

Departures for budgets of seconds: one convolution a block instead of two and a skip, twice the updates; most weights lie in
dense layers about the coarsest map (see `layers/adversarial.py`); no spectral norm in G (FID 5.6, without 2.7); one
update of D for one of G (two: 3.8, one: 2.2). Self-attention (Zhang et al. 2018, arXiv:1805.08318) works on a map of at most 64
places, in pictures that are halved twice or more: it cost a fourth of the updates on MNIST and left FID after 30 s as it was (4.3;
without 4.0). On digits, where dense layers see the whole map, it cost a third of the time for nothing, on 14 x 14 places three
quarters of it.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from paragone.models.contract import Batch, Contender, DataSpec, register
from paragone.models.layers.adversarial import SLOPE, pyramid
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

LATENT = 32
"""Dimensions of z."""
EMBEDDING = 32
"""Dimensions of a class in G's code."""
MOST_PLACES = 64
"""Of the map on which self-attention works."""


@register("biggan", family="gan", modalities=("image",))
class BigGAN(Contender):
    """BigGAN; `width` is twice the number of channels at half the picture's resolution, so that parameters grow in small steps.

    Hyper-parameters were chosen by FID on the validation digits after 10 CPU-seconds (MNIST: 30), a run or two each, where
    differences below 0.7 are noise (MNIST: more). Rates of D and G: 2e-3 for both gave 3.7, 5e-3 for both 2.4, (2e-3, 8e-3) 2.0
    and 2.5, (3e-3, 1.2e-2) 2.4 and 1.9, (4e-3, 1.6e-2) 2.7 and 2.9; on MNIST 4.0 for the first of the last three and
    2.1 for the last. Batches of 32 gave 2.7 and of 128 3.1 where 64 gave 1.8 and 2.5, decays of 0.98 and 0.995 3.0 and 2.1. Batch
    norm's running statistics serve the averaged weights as well as ones taken anew from 5,000 pictures (2.7 and 2.9).

    At 200,000 parameters and 10 CPU-seconds, two seeds, it has 2.6 and 2.8 where `dcgan` has 2.3 and 2.3: with spectral norm and
    batch norm it makes a fifth fewer updates (2,360 for 2,990). On MNIST with 300,000, one seed, it has 10.1 after 20 s and 3.8
    after 30 s, `dcgan` 4.3 and 2.8: attention costs updates there, too (740 for 1,275 in 20 s). With labels, on digits, it has 2.6
    and 98 % of its samples show the digit asked for; `truncated-1` has 5.7 and 99.9 %, `truncated-0.5` 9.9 and 100 %. Without
    labels truncation costs far more FID (9 and 7; 68 and 56): there z has to choose the digit, too.
    """

    batch_size = 64
    samplers = ("default", "truncated-1", "truncated-0.5")
    learning_rates = (3e-3, 1.2e-2)  # of D and of G
    betas = (0.0, 0.99)
    average_decay = 0.99

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.classes = spec.classes or 0
        self.generator_net = _Generator(spec.shape, self.classes, width)
        self.discriminator = _Discriminator(spec.shape, self.classes, width)
        self.average = WeightAverage(self.generator_net, self.average_decay)
        self.optimisers = tuple(
            torch.optim.Adam(net.parameters(), lr=rate, betas=self.betas, fused=True)
            for net, rate in zip((self.discriminator, self.generator_net), self.learning_rates, strict=True)
        )

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        factor = warm_up(progress) * cosine(progress) * self.learning_rate_factor
        for optimiser, rate in zip(self.optimisers, self.learning_rates, strict=True):
            set_learning_rate(optimiser, rate * factor)
        z, y = _normal(len(batch.x), self.generator), self._one_hot(batch.condition)
        fake = self.generator_net(z if y is None else torch.cat([z, y], dim=1))
        critic_loss = self._step_discriminator(batch.x, fake.detach(), y)
        loss = generator_loss(self.discriminator(fake, y))
        self._step(1, loss, self.generator_net)
        self.average.follow(self.generator_net)
        return {"discriminator_loss": critic_loss, "generator_loss": loss.detach()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        _, _, threshold = self.choose_sampler(sampler).partition("-")
        z = truncated_normal(n, float(threshold), generator) if threshold else _normal(n, generator)
        return self.decode(self._with_classes(z, generator, condition))

    def decode(self, z: Tensor) -> Tensor:
        picture: Tensor = self.average.module.eval()(z)  # batch norm by its running statistics
        return picture

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        """z, and behind it the class as a vector of one 1, so that there is something between two classes."""
        return self._with_classes(_normal(n, generator), generator, None)

    def _with_classes(self, z: Tensor, generator: torch.Generator, condition: Tensor | None) -> Tensor:
        """z and the classes asked for, or drawn uniformly; z alone without labels."""
        if not self.classes:
            return z
        if condition is None:
            condition = torch.randint(self.classes, (len(z),), generator=generator, device=z.device)
        return torch.cat([z, F.one_hot(condition, self.classes).to(z.dtype)], dim=1)

    def _one_hot(self, condition: Tensor | None) -> Tensor | None:
        if not self.classes:
            return None
        if condition is None:
            raise ValueError(f"biggan learns {self.classes} classes: its batches need labels in `condition`")
        return F.one_hot(condition, self.classes).float()

    def _step_discriminator(self, real: Tensor, fake: Tensor, y: Tensor | None) -> Tensor:
        both = None if y is None else torch.cat([y, y])
        on_real, on_fake = self.discriminator(torch.cat([real, fake]), both).split(len(real))
        loss = discriminator_loss(on_real, on_fake)
        self._step(0, loss, self.discriminator)
        return loss.detach()

    def _step(self, which: int, loss: Tensor, net: nn.Module) -> None:
        """Descend `loss` in the parameters of `net` alone; the other net gets no gradient, which also saves its cost."""
        self.optimisers[which].zero_grad()
        loss.backward(inputs=list(net.parameters()))
        self.optimisers[which].step()


def discriminator_loss(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))) of scores (B,): what is told apart by a margin of 1 gives no gradient."""
    return F.relu(1 - on_real).mean() + F.relu(1 + on_fake).mean()


def generator_loss(on_fake: Tensor) -> Tensor:
    """-E D(G(z)) of scores (B,)."""
    return -on_fake.mean()


def truncated_normal(n: int, threshold: float, generator: torch.Generator) -> Tensor:
    """z (n, LATENT) of N(0, 1) cut to [-t, t], by the inverse of its distribution function: sqrt 2 erfinv(u erf(t / sqrt 2))."""
    u = 2 * torch.rand(n, LATENT, generator=generator, device=generator.device) - 1  # uniform on [-1, 1)
    z = math.sqrt(2) * torch.erfinv(u * math.erf(threshold / math.sqrt(2)))
    return z.clamp(-threshold, threshold)  # for rounding alone


def _normal(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, LATENT, generator=generator, device=generator.device)


class _ConditionalNorm(nn.Module):
    """Batch norm whose gain and bias follow the code: (1 + gain(c)) norm(x) + bias(c)."""

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.modulation = nn.Linear(code, 2 * channels)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        gain, bias = self.modulation(code)[:, :, None, None].chunk(2, dim=1)  # (B, channels, 1, 1)
        return torch.addcmul(bias, self.norm(x), 1 + gain)


class _Attention(nn.Module):
    """x + g o, where o is softmax attention among the places of a map (Zhang section 3); g starts at 0.

    Queries and keys have an eighth of the channels, values a half (Brock appendix B); one layer makes the three.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sizes = [max(1, channels // 8), max(1, channels // 8), max(1, channels // 2)]
        self.query_key_value = nn.Conv2d(channels, sum(self.sizes), 1)
        self.out = nn.Conv2d(self.sizes[-1], channels, 1)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query_key_value(x).flatten(2).split(self.sizes, dim=1)  # (B, sizes, places) each
        weights = (q.mT @ k).softmax(dim=2)  # (B, places, places): from where each place takes
        out: Tensor = x + self.gain * self.out((v @ weights.mT).unflatten(2, x.shape[2:]))
        return out


class _Generator(nn.Module):
    """Latents (B, LATENT + classes) to pictures (B, C, H, W) in [-1, 1]."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int) -> None:
        super().__init__()
        channels, coarse = pyramid(shape, (width + 1) // 2)
        start, code = (channels[-1], *coarse), LATENT + (EMBEDDING if classes else 0)
        self.embed = nn.Linear(classes, EMBEDDING, bias=False) if classes else None
        self.dense = nn.Sequential(
            nn.Linear(code, 4 * width), nn.ReLU(), nn.Linear(4 * width, math.prod(start)), nn.Unflatten(1, start)
        )
        self.norms, self.ups, self.attentions = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level in range(len(channels) - 1, 0, -1):  # coarse to fine
            self.attentions.append(_attention(shape, channels, level))
            self.norms.append(_ConditionalNorm(channels[level], code))
            self.ups.append(nn.ConvTranspose2d(channels[level], channels[level - 1], 4, 2, 1))
        orthogonal(self)

    def forward(self, latents: Tensor) -> Tensor:
        code = latents
        if self.embed is not None:
            code = torch.cat([latents[:, :LATENT], self.embed(latents[:, LATENT:])], dim=1)
        h = self.dense(code)
        for attention, norm, up in zip(self.attentions, self.norms, self.ups, strict=True):
            h = up(F.relu(norm(attention(h), code)))  # sides double
        picture: Tensor = h.tanh()
        return picture


class _Discriminator(nn.Module):
    """Pictures (B, C, H, W) and their classes (B, classes), a 1 in each row, or None, to scores (B,)."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int) -> None:
        super().__init__()
        channels, coarse = pyramid(shape, (width + 1) // 2)
        layers: list[nn.Module] = []
        for level, (before, after) in enumerate(pairwise(channels), start=1):  # fine to coarse
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(SLOPE), _attention(shape, channels, level)]
        features = 2 * width
        dense = nn.Linear(channels[-1] * math.prod(coarse), features)
        self.features = nn.Sequential(*layers, nn.Flatten(), dense, nn.LeakyReLU(SLOPE))  # phi
        self.score = nn.Linear(features, 1)
        self.embed = nn.Linear(classes, features, bias=False) if classes else None
        orthogonal(self)
        for layer in weighted(self):
            spectral_norm(layer)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        phi = self.features(x)  # (B, features)
        score: Tensor = self.score(phi).squeeze(1)
        if self.embed is not None and y is not None:
            score = score + (self.embed(y) * phi).sum(1)
        return score


def _attention(shape: tuple[int, ...], channels: list[int], level: int) -> nn.Module:
    """Self-attention at the finest level of a pyramid (sides halved `level` times) that is small enough, else nothing."""
    places = [math.prod(shape[1:]) // 4**k for k in range(len(channels))]
    small = [k for k in range(1, len(channels)) if places[k] <= MOST_PLACES]
    halved_twice = len(channels) > 2
    return _Attention(channels[level]) if halved_twice and small[:1] == [level] else nn.Identity()


def weighted(net: nn.Module) -> list[nn.Linear | nn.Conv2d | nn.ConvTranspose2d]:
    """The layers that have a weight matrix."""
    return [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]


def orthogonal(net: nn.Module) -> None:
    """Weights with orthonormal rows or columns (Saxe et al. 2013, arXiv:1312.6120), biases 0."""
    for layer in weighted(net):
        nn.init.orthogonal_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
