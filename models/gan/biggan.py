"""BigGAN (Brock et al. 2018, arXiv:1809.11096), scaled down: a GAN of classes with hinge loss and a truncation trick.

Generator G: z ~ N(0, I) and a class y to a picture; discriminator D: a score, higher for what looks real:
    D descends  E max(0, 1 - D(x, y)) + E max(0, 1 + D(G(z, y), y))
    G descends  -E D(G(z, y), y)
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from paragone.models.contract import Batch, Contender, DataSpec, register
from paragone.models.layers.adversarial import pyramid
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up


@register("biggan", family="gan", modalities=("image",))
class BigGAN(Contender):
    """BigGAN; `width` is the number of channels at half the picture's resolution."""

    batch_size = 64
    samplers = ("default", "truncated-1", "truncated-0.5")
    latent = 32
    embedding = 32
    learning_rates = (2e-3, 2e-3)  # of D and of G
    betas = (0.0, 0.99)
    average_decay = 0.99
    attention = False
    residual = True
    normalised_generator = False
    critic_steps = 1

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.classes = spec.classes or 0
        self.generator_net = _Generator(spec.shape, self.latent, self.classes, width, self)
        self.discriminator = _Discriminator(spec.shape, self.classes, width, self)
        self.average = WeightAverage(self.generator_net, self.average_decay)
        self.optimisers = tuple(
            torch.optim.Adam(net.parameters(), lr=rate, betas=self.betas, fused=True)
            for net, rate in zip((self.discriminator, self.generator_net), self.learning_rates, strict=True)
        )

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        factor = warm_up(progress) * cosine(progress) * self.learning_rate_factor
        for optimiser, rate in zip(self.optimisers, self.learning_rates, strict=True):
            set_learning_rate(optimiser, rate * factor)
        labels = None if not self.classes else F.one_hot(batch.condition, self.classes).float()
        for _ in range(self.critic_steps):
            z = self.draw_normal(len(batch.x), self.generator)
            fake = self.generator_net(z, labels)
            both = None if labels is None else torch.cat([labels, labels])
            on_real, on_fake = self.discriminator(torch.cat([batch.x, fake.detach()]), both).split(len(batch.x))
            critic_loss = discriminator_loss(on_real, on_fake)
            self._step(0, critic_loss, self.discriminator)
        loss = generator_loss(self.discriminator(fake, labels))
        self._step(1, loss, self.generator_net)
        self.average.follow(self.generator_net)
        return {"discriminator_loss": critic_loss.detach(), "generator_loss": loss.detach()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        kind, _, threshold = self.choose_sampler(sampler).partition("-")
        z = self.draw_normal(n, generator)
        if threshold:
            z = truncate(z, float(threshold), generator)
        labels = None
        if self.classes:
            if condition is None:
                condition = torch.randint(self.classes, (n,), generator=generator, device=generator.device)
            labels = F.one_hot(condition, self.classes).float()
        return self.average.module.eval()(z, labels)

    def prepare(self, batches):
        net = self.average.module.train()
        norms = [m for m in net.modules() if isinstance(m, _ConditionalNorm)]
        g = torch.Generator().manual_seed(0)
        total = [[torch.zeros_like(m.mean), torch.zeros_like(m.variance)] for m in norms]
        for m in norms: m.momentum = 1.0
        k = 0
        for b in range(20):
            z = self.draw_normal(250, g)
            labels = F.one_hot(torch.randint(self.classes, (250,), generator=g), self.classes).float() if self.classes else None
            net(z, labels)
            for t, m in zip(total, norms): t[0] += m.mean; t[1] += m.variance
        for t, m in zip(total, norms):
            m.mean.copy_(t[0] / 20); m.variance.copy_(t[1] / 20); m.momentum = 0.1
        net.eval()

    def draw_normal(self, n, generator):
        return torch.randn(n, self.latent, generator=generator, device=generator.device)

    def _step(self, which: int, loss: Tensor, net: torch.nn.Module) -> None:
        self.optimisers[which].zero_grad()
        loss.backward(inputs=list(net.parameters()))
        self.optimisers[which].step()


def truncate(z, threshold, generator):
    while (outside := z.abs() > threshold).any():
        z = torch.where(outside, torch.randn(z.shape, generator=generator, device=z.device), z)
    return z


def discriminator_loss(on_real: Tensor, on_fake: Tensor) -> Tensor:
    return F.relu(1 - on_real).mean() + F.relu(1 + on_fake).mean()


def generator_loss(on_fake: Tensor) -> Tensor:
    return -on_fake.mean()


class _ConditionalNorm(nn.Module):
    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.momentum = 0.1
        self.modulation = nn.Linear(code, 2 * channels, bias=False)
        self.gain = nn.Parameter(torch.ones(channels)); self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        h = F.batch_norm(x, self.mean, self.variance, training=self.training, momentum=self.momentum)
        gain, bias = self.modulation(code)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(bias + self.bias[:, None, None], h, gain + self.gain[:, None, None])


class _Up(nn.Module):
    def __init__(self, before: int, after: int, code: int, o) -> None:
        super().__init__()
        self.residual = o.residual
        self.norm_1 = _ConditionalNorm(before, code)
        if self.residual:
            self.norm_2 = _ConditionalNorm(before, code)
            self.mix = nn.Conv2d(before, before, 3, padding=1)
            self.skip = nn.Conv2d(before, after, 1)
        self.up = nn.ConvTranspose2d(before, after, 4, 2, 1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        h = F.relu(self.norm_1(x, code))
        if not self.residual:
            return self.up(h)
        h = F.relu(self.norm_2(self.mix(h), code))
        return self.up(h) + F.interpolate(self.skip(x), scale_factor=2.0)


class _Down(nn.Module):
    def __init__(self, before: int, after: int, first: bool, o) -> None:
        super().__init__()
        self.first, self.residual = first, o.residual
        self.down = spectral_norm(nn.Conv2d(before, after, 4, 2, 1))
        if self.residual:
            self.mix = spectral_norm(nn.Conv2d(after, after, 3, padding=1))
            self.skip = spectral_norm(nn.Conv2d(before, after, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.down(x if self.first else F.leaky_relu(x, o_slope))
        if not self.residual:
            return h
        return self.mix(F.leaky_relu(h, o_slope)) + self.skip(F.avg_pool2d(x, 2))


o_slope = 0.2


class _Attention(nn.Module):
    def __init__(self, channels: int, wrap) -> None:
        super().__init__()
        self.small = max(1, channels // 8)
        self.half = max(1, channels // 2)
        self.qkv = wrap(nn.Conv2d(channels, 2 * self.small + self.half, 1))
        self.out = wrap(nn.Conv2d(self.half, channels, 1))
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).flatten(2).split([self.small, self.small, self.half], dim=1)
        a = torch.bmm(q.mT, k).softmax(2)
        return x + self.gain * self.out(torch.bmm(v, a.mT).unflatten(2, x.shape[2:]))


class _Generator(nn.Module):
    def __init__(self, shape, latent, classes, width, o) -> None:
        super().__init__()
        channels, coarse = pyramid(shape, width)
        self.embed = nn.Linear(classes, o.embedding, bias=False) if classes else None
        code = latent + (o.embedding if classes else 0)
        start = (channels[-1], *coarse)
        self.dense = nn.Sequential(nn.Linear(code, 8 * width), nn.ReLU(), nn.Linear(8 * width, math.prod(start)), nn.Unflatten(1, start))
        self.up = nn.ModuleList(_Up(a, b, code, o) for a, b in pairwise(reversed(channels)))
        self.attention = _Attention(width, lambda m: m) if o.attention and len(channels) > 2 else None
        orthogonal(self)
        if o.normalised_generator:
            for m in list(self.modules()):
                if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                    spectral_norm(m)

    def forward(self, z, labels=None) -> Tensor:
        code = z if self.embed is None else torch.cat([z, self.embed(labels)], 1)
        h = self.dense(code)
        for i, up in enumerate(self.up):
            if self.attention is not None and i == len(self.up) - 1:
                h = self.attention(h)
            h = up(h, code)
        return h.tanh()


class _Discriminator(nn.Module):
    def __init__(self, shape, classes, width, o) -> None:
        super().__init__()
        channels, coarse = pyramid(shape, width)
        self.down = nn.ModuleList(_Down(a, b, i == 0, o) for i, (a, b) in enumerate(pairwise(channels)))
        self.attention = _Attention(width, spectral_norm) if o.attention and len(channels) > 2 else None
        hidden = 4 * width
        self.dense = spectral_norm(nn.Linear(channels[-1] * math.prod(coarse), hidden))
        self.score = spectral_norm(nn.Linear(hidden, 1))
        self.embed = spectral_norm(nn.Linear(classes, hidden, bias=False)) if classes else None
        orthogonal(self)

    def forward(self, x, labels=None) -> Tensor:
        h = x
        for i, down in enumerate(self.down):
            h = down(h)
            if self.attention is not None and i == 0:
                h = self.attention(h)
        h = F.leaky_relu(self.dense(F.leaky_relu(h, o_slope).flatten(1)), o_slope)
        score = self.score(h).squeeze(1)
        if self.embed is not None:
            score = score + (self.embed(labels) * h).sum(1)
        return score


def orthogonal(net: nn.Module) -> None:
    for m in net.modules():
        if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            w = m.parametrizations.weight.original if hasattr(m, "parametrizations") else m.weight
            nn.init.orthogonal_(w)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
