"""Variational autoencoder of points (Kingma and Welling 2013, arXiv:1312.6114), its noise's scale learned.

Points x in R^D. Prior p(z) = N(0, I), z in R^D; posterior q(z|x) = N(m(x), diag v(x)); decoder p(x|z) = N(d(z), s^2 I), one s for
all points (Rybkin et al. 2021, arXiv:2006.13202). Of K draws z_k ~ q(z|x), with weights w_k = p(x|z_k) p(z_k) / q(z_k|x):

    log p(x) >= E log 1/K sum_k w_k                                       (Burda et al. 2015, arXiv:1509.00519, eq. 8)

where K = 1 is the ELBO, E log p(x|z) - KL(q(z|x) || p(z)) (Kingma eq. 3), and more draws make it tighter. Objective: K = 4;
likelihood: K = 16, hence `Likelihood(..., exact=False)`.
m and d start as the identity, m(x) = x + f(x), d(z) = z + g(z), f = g = 0, and v and s small: so training starts where it sees
details, and learns to widen what it can; started at random with a wide s, the codes forget the modes and never find them.
Samplers: `noise` is the model's own distribution, d(z) + s e, e ~ N(0, I); `mean` is d(z). One pass of the decoder each. As noise
follows the latents, `draw_latents` is not offered.

Chosen on validation data, after 5 CPU-seconds, on a grid of 25 modes and a ring of 8. Nats between the bound and the true density,
and share of good samples: K = 1 1.3 and 1.8, 0.55 and 0.31; K = 4 0.2 and 0.8, 0.72 and 0.41; K = 8 0.6 and 0.9, 0.65 and 0.39;
K = 4 with random starts 4.7 and 2.4 or worse, 0.02 and 0.14. The decoder's octaves, by K = 1: none 3.3 and 2.3, two 1.3 and 1.8,
three the same. Latents of twice the dimensions and other rates brought nothing. What is left lies between the modes: a
continuous map of a Gaussian cannot reach separate ones without passing between them.
"""

import math

import torch
from torch import Tensor, nn

from paragone.models.autoencoder.vae import kl_to_standard_normal, reparameterise
from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.mlp import ResidualMLP
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

SCALE_STEPS = 5.0
"""The scale's learning rate in units of the network's: it must follow the decoder's errors as they shrink."""
SMALLEST_SCALE = 1e-3
"""Floor of s, in units of the data's standard deviation: below what is to be learnt, it keeps densities finite."""
START_SCALE = 0.1
"""Of s and of the posterior's standard deviation."""


@register("mlp-vae", family="autoencoder", modalities=("points",))
class MLPVAE(Contender):
    """The VAE; `width` is the number of hidden units."""

    batch_size = 128
    samplers = ("noise", "mean")
    octaves = 4, 2  # in which points enter the encoder, and latents the decoder
    learning_rate = 3e-3
    training_draws = 4  # K of the objective
    draws = 16  # K of the likelihood
    likelihood_seed = 0  # `log_prob` is a fixed function of x and the weights

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.size = spec.shape[0]  # D
        self.encoder = ResidualMLP(self.size, 2 * self.size, width, octaves=self.octaves[0])
        self.decoder = ResidualMLP(self.size, self.size, width, octaves=self.octaves[1])
        self.log_scale = nn.Parameter(torch.tensor(math.log(START_SCALE) / SCALE_STEPS))
        self.optimiser = torch.optim.Adam(self.parameters(), lr=self.learning_rate, betas=(0.9, 0.99), fused=True)

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        x = batch.x
        mean, log_variance = self.posterior(x)
        noise = torch.randn(self.training_draws, *x.shape, generator=self.generator, device=x.device)
        loss = -importance_bound(self.log_weights(x, mean, log_variance, noise)).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        rate = self.learning_rate * warm_up(progress) * cosine(progress) * self.learning_rate_factor
        set_learning_rate(self.optimiser, rate)
        self.optimiser.step()
        logged = {"loss": loss, "kl": kl_to_standard_normal(mean, log_variance).mean(), "scale": self.scale}
        return {name: value.detach() for name, value in logged.items()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        x = self.decode(torch.randn(n, self.size, generator=generator, device=generator.device))
        if self.choose_sampler(sampler) == "noise":
            x = x + self.scale * torch.randn(x.shape, generator=generator, device=generator.device)
        return x

    def log_prob(self, x: Tensor) -> Likelihood:
        generator = torch.Generator(x.device).manual_seed(self.likelihood_seed)
        # The K draws are shared by all items, so that an item's value does not depend on what is beside it in the batch.
        noise = torch.randn(self.draws, 1, self.size, generator=generator, device=x.device, dtype=x.dtype)
        mean, log_variance = self.posterior(x)
        log_weights = self.log_weights(x, mean, log_variance, noise.expand(-1, len(x), -1))
        return Likelihood(importance_bound(log_weights), exact=False)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        x: Tensor = z + self.decoder(z)
        return x

    @property
    def scale(self) -> Tensor:
        """The observation noise's standard deviation s, a scalar."""
        return SMALLEST_SCALE + torch.exp(SCALE_STEPS * self.log_scale)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of q(z|x), each (B, D)."""
        shift, log_variance = self.encoder(x).chunk(2, dim=1)
        return x + shift, log_variance + 2 * math.log(START_SCALE)

    def log_weights(self, x: Tensor, mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
        """log w_k at z_k = m + sqrt(v) noise_k, (K, B), nats; x, m and log v (B, D), noise (K, B, D)."""
        z = reparameterise(mean, log_variance, noise)  # (K, B, D)
        errors = (x - self.decode(z.flatten(0, 1)).view_as(z)) / self.scale
        log_likelihood = -0.5 * errors.square().sum(2) - self.size * (self.scale.log() + 0.5 * math.log(2 * math.pi))
        # log p(z) - log q(z|x): the constants log 2 pi cancel
        return log_likelihood + 0.5 * (noise.square() + log_variance - z.square()).sum(2)


def importance_bound(log_weights: Tensor) -> Tensor:
    """log 1/K sum_k w_k of log w (K, B), (B,)."""
    return torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))
