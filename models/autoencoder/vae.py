"""Variational autoencoder (Kingma and Welling 2013, arXiv:1312.6114) with one learned scale (Rybkin 2021, arXiv:2006.13202).

Prior p(z) = N(0, I); posterior q(z|x) = N(m(x), diag v(x)); decoder: each pixel is a logistic with location l(z) and a
scale s shared by all pixels, of which each level k owns its bin, the end bins open (Salimans et al. 2017, section 2.1):
    P(x_k|z) = S((x_k + h - l) / s) - S((x_k - h - l) / s),   x_k = 2 k / (L - 1) - 1,   h = 1 / (L - 1),   S = sigmoid
Objective: -ELBO = -E_q log P(x|z) + KL(q(z|x) || p(z)), nats a picture                          (Kingma eq. 3)
    In training the encoder sees x + noise, so that few pictures do not become isolated islands in the latent space that
    the prior misses; what is minimised remains a bound, for every q gives one                   (Im 2015, arXiv:1511.06406)
Likelihood: log 1/K sum_k P(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x), with K = 16              (Burda 2015, eq. 8)
    which bounds the log-probability of the discrete picture, hence `Likelihood(..., exact=False)`.
Sampling cost: one pass of the decoder.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paragone.models.contract import Batch, Contender, ContractError, DataSpec, Likelihood, register
from paragone.models.layers.convolutional import ConvDecoder, ConvEncoder
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

SCALE_STEPS = 5.0
"""The scale's learning rate in units of the network's: it must follow the decoder's errors as they shrink."""


@register("vae", family="autoencoder", modalities=("image",))
class VAE(Contender):
    """The VAE; sampler `mean` shows the decoder's locations, `noise` draws each pixel from its distribution.

    Hyper-parameters, chosen by FID on the validation digits: Adam (0.9, 0.99), rate 1e-2 with warm-up and cosine, batch 128,
    noise 0.3 at the encoder's input. The KL has weight 1 throughout: with a learned scale a warm-up showed no gain.
    """

    batch_size = 128
    samplers: ClassVar[tuple[str, ...]] = ("mean", "noise")
    autocast = True  # 1.966 bits/dim with, 1.967 without, FID 4.8 and 4.6, sd 0.015 and 0.5 over 4 seeds of 600 updates on digits
    latent = 32  # dimensions of z; the KL switches off those that it does not need
    learning_rate = 1e-2
    input_noise = 0.3  # standard deviation, in units of pixels in [-1, 1]
    kl_weight = 1.0  # of the KL in the loss; other weights are the ablations of vae_kl.py
    draws = 16  # K of the importance-weighted bound
    likelihood_seed = 0  # `log_prob` is a fixed function of x and the weights

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        if spec.levels is None:
            raise ContractError("vae: DataSpec.levels is None; it needs the number of levels, such as 256")
        self.levels = spec.levels
        channels, hidden = max(4, width // 4), 8 * width
        self.encoder = ConvEncoder(spec.shape, channels, hidden, 2 * self.latent)
        self.decoder = ConvDecoder(spec.shape, channels, hidden, self.latent)
        self.log_scale = nn.Parameter(torch.tensor(math.log(0.2) / SCALE_STEPS))
        self.optimiser = torch.optim.Adam(self.parameters(), lr=self.learning_rate, betas=(0.9, 0.99), fused=True)

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        rate = self.learning_rate * warm_up(progress) * cosine(progress) * self.learning_rate_factor
        set_learning_rate(self.optimiser, rate)
        x = batch.x
        mean, log_variance = self.posterior(x + self.input_noise * self._normal(*x.shape))
        z = reparameterise(mean, log_variance, self._normal(*mean.shape))
        reconstruction = -self.log_likelihood(x, z).mean()
        kl = kl_to_standard_normal(mean, log_variance).mean()
        loss = reconstruction + self.kl_weight * kl
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        logged = {"loss": loss, "reconstruction": reconstruction, "kl": kl, "scale": self.scale}
        return {name: value.detach() for name, value in logged.items()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        location: Tensor = self.decoder(self.draw_latents(n, generator))
        if self.choose_sampler(sampler) == "noise":
            u = torch.rand(location.shape, generator=generator, device=location.device)
            location = location + self.scale * u.logit(eps=1e-6)  # the logistic's quantile function
        return location.clamp(-1, 1)

    def log_prob(self, x: Tensor) -> Likelihood:
        generator = torch.Generator(x.device).manual_seed(self.likelihood_seed)
        # The K draws are shared by all items, so that an item's value does not depend on what is beside it in the batch.
        noise = torch.randn(self.draws, self.latent, generator=generator, device=x.device, dtype=x.dtype)
        return Likelihood(self.importance_bound(x, noise), exact=False)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        location: Tensor = self.decoder(z)
        return location.clamp(-1, 1)

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.latent, generator=generator, device=generator.device)

    @property
    def scale(self) -> Tensor:
        """The logistic's scale s > 0, a scalar; the floor is an eighth of a bin, far below what decides a level."""
        return 0.25 / (self.levels - 1) + torch.exp(SCALE_STEPS * self.log_scale)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of q(z|x), each (B, latent)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log P(x|z), (B,), nats."""
        return logistic_log_mass(x, self.decoder(z), self.scale, self.levels).flatten(1).sum(1)

    def importance_bound(self, x: Tensor, noise: Tensor) -> Tensor:
        """The bound on log P(x) by z_k = m + sqrt(v) noise_k (Burda 2015, eq. 8), (B,); noise (K, latent); K = 1: the ELBO."""
        mean, log_variance = self.posterior(x)
        log_weights = []
        for e in noise:
            z = reparameterise(mean, log_variance, e)
            # log p(z) - log q(z|x): the constants log 2 pi cancel
            log_ratio = 0.5 * (e.square() + log_variance - z.square()).sum(1)
            log_weights.append(self.log_likelihood(x, z) + log_ratio)
        return torch.logsumexp(torch.stack(log_weights), dim=0) - math.log(len(noise))

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.generator.device)


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z ~ N(mean, exp(log_variance)) as a differentiable function of both, noise ~ N(0, I) (Kingma section 2.4)."""
    return mean + torch.exp(0.5 * log_variance) * noise


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_variance)) || N(0, I)), (B,), nats (Kingma appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def logistic_log_mass(x: Tensor, location: Tensor, scale: Tensor, levels: int) -> Tensor:
    """log P(x|z) of each pixel, nats, the shape of x; x holds levels in [-1, 1].

    With a, b the bin's ends in units of the scale: S(b) - S(a) = S(b) S(-a) (1 - e^(a - b)), three factors whose logarithms
    are finite wherever the location is; an end bin lacks the factor of its open side, and with it the third.
    """
    half = 1 / (levels - 1)  # h, half the distance of two levels
    below_b = F.logsigmoid((x + half - location) / scale)
    above_a = F.logsigmoid((location - x + half) / scale)
    inside = below_b + above_a + torch.log(-torch.expm1(-2 * half / scale))
    return torch.where(x < half - 1, below_b, torch.where(x > 1 - half, above_a, inside))
