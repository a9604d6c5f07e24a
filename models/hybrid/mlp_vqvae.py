"""Vector-quantised autoencoder of points with an autoregressive prior (van den Oord et al. 2017, arXiv:1711.00937).

Points x in R^D; encoder z = x + f(x); T = 2 codes of K = 32 each, of which the second stands for what the first leaves, a
residual quantiser (Lee et al. 2022, arXiv:2203.01941, section 3.1); decoder d(q) = q + g(q) with noise of one learned scale s:

    k_t = argmin_j |r_t - e_tj|,  r_1 = z,  r_(t+1) = r_t - e_(t, k_t);  q = e_(1, k_1) + .. + e_(T, k_T)      (Lee eq. 2 to 4)
    L = -log N(x; d(z + sg[q - z]), s^2 I) + beta |z - sg[q]|^2 / D                       (van den Oord eq. 3; sg: no gradient)

The codebooks follow their vectors (`layers/quantise.py`). f and g start at 0, so that near points have near codes from the first
step, and no code stands for two modes. The second stage freezes all this and fits P(k_1, .., k_T) by a causal transformer.
Samplers: `noise` is the model's own distribution, codes from the prior, decoded, plus s e, e ~ N(0, I); `mean` leaves the noise
out. Likelihood: exact, as the K^T = 1,024 sequences can be gone through: p(x) = sum_k P(k) N(x; d(q_k), s^2 I).

Chosen on validation data, after 5 CPU-seconds, on a grid of 25 modes and a ring of 8. Share of good samples: 0.96 and 0.98; without
residuals and identities, a part of z for each code, 0.3 to 0.7 and 0.9; rate 1e-3 0.72 and 0.67; rate 1e-2 0.94 and 0.99, but 0.3
and 0.2 nats behind the true density, where 3e-3 is 0.2 and 0.05.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, NotTrained, register
from paragone.models.layers.code_prior import CodePrior
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.mlp import ResidualMLP
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up
from paragone.models.layers.quantise import Quantiser, straight_through

RATE = 3e-3
"""Of both stages."""
COMMITMENT = 0.25
LENGTH = 2  # T
CODES = 32  # K
OCTAVES = 4, 2  # in which points enter the encoder, and vectors the decoder
AVERAGE_DECAY = 0.99
HEADS, DEPTH = 4, 2
SCALE_STEPS = 5.0
"""The scale's learning rate in units of the network's: it must follow the decoder's errors as they shrink."""
SMALLEST_SCALE = 1e-3
"""Floor of s, in units of the data's standard deviation: below what is to be learnt, it keeps densities finite."""
START_SCALE = 0.1
SCORED_AT_ONCE = 256  # points whose density is computed at once: bounds the memory


@register("mlp-vqvae", family="hybrid", modalities=("points",))
class MLPVQVAE(Contender):
    """Codes first, then their prior; `width` is the number of hidden units."""

    batch_size = 256
    samplers = ("noise", "mean")
    stages = (("codes", 0.6), ("prior", 0.4))
    learned_buffers = tuple(f"quantiser.levels.{t}.codebook" for t in range(LENGTH))

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.size = spec.shape[0]  # D
        self.encoder = ResidualMLP(self.size, self.size, width, octaves=OCTAVES[0])
        self.quantiser = ResidualQuantiser(self.size)
        self.decoder = ResidualMLP(self.size, self.size, width, octaves=OCTAVES[1])
        self.log_scale = nn.Parameter(torch.tensor(math.log(START_SCALE) / SCALE_STEPS))
        self.prior = CodePrior(LENGTH, CODES, HEADS * max(1, width // (2 * HEADS)), HEADS, DEPTH)
        self.average = WeightAverage(self.prior, AVERAGE_DECAY)
        self.register_buffer("prior_steps", torch.zeros((), dtype=torch.int64))
        self.prior_steps: Tensor
        first = [*self.encoder.parameters(), *self.decoder.parameters(), self.log_scale]
        self.optimisers = {
            "codes": torch.optim.Adam(first, lr=RATE, betas=(0.9, 0.99), fused=True),
            "prior": torch.optim.Adam(self.prior.parameters(), lr=RATE, betas=(0.9, 0.99), fused=True),
        }

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        stage, spent = self.stage_at(progress)
        loss, log = self._codes_loss(batch.x) if stage == "codes" else self._prior_loss(batch.x)
        self.zero_grad()
        loss.backward()
        set_learning_rate(self.optimisers[stage], RATE * warm_up(spent) * cosine(spent) * self.learning_rate_factor)
        self.optimisers[stage].step()
        if stage == "prior":
            self.average.follow(self.prior)
            self.prior_steps += 1
        return log

    def _codes_loss(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor | float]]:
        z = self._vectors(x)
        q, codes = self.quantiser(z)
        nats = -self.log_likelihood(x, self._points(straight_through(z, q))).mean()
        commitment = F.mse_loss(z, q)
        usage = self.quantiser.follow(z.detach(), codes, self.generator)
        log: dict[str, Tensor | float] = {
            "reconstruction_nats": nats.detach(),
            "commitment": commitment.detach(),
            "codebook_usage": usage,
            "scale": self.scale.detach(),
        }
        return nats + COMMITMENT * commitment, log

    def _prior_loss(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor | float]]:
        with torch.no_grad():
            codes = self.encode(x)
        nats = F.cross_entropy(self.prior(codes).flatten(0, 1), codes.flatten())
        return nats, {"nats_per_code": nats.detach()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        name = self.choose_sampler(sampler)
        x = self.decode(self._begun_prior().sample(n, generator))
        if name == "noise":
            x = x + self.scale * torch.randn(x.shape, generator=generator, device=x.device)
        return x

    def log_prob(self, x: Tensor) -> Likelihood:
        codes, log_chances = self.code_distribution()
        means = self._points(self.quantiser.vectors(codes))  # (K^T, D)
        parts = [self.log_likelihood(part[:, None], means) + log_chances for part in x.split(SCORED_AT_ONCE)]  # (n, K^T)
        return Likelihood(torch.cat([part.logsumexp(1) for part in parts]), exact=True)

    def encode(self, x: Tensor) -> Tensor:
        """Codes of points, (n, T), int64."""
        codes: Tensor = self.quantiser(self._vectors(x))[1]
        return codes

    def decode(self, z: Tensor) -> Tensor:
        return self._points(self.quantiser.vectors(z))

    def code_distribution(self) -> tuple[Tensor, Tensor]:
        """All sequences of codes, (K^T, T), and the logarithms of their probabilities, (K^T,)."""
        codes = torch.cartesian_prod(*[torch.arange(CODES, device=self.log_scale.device)] * LENGTH)
        log_chances = self._begun_prior()(codes).log_softmax(-1)  # (K^T, T, K)
        return codes, log_chances.gather(2, codes[:, :, None]).sum((1, 2))

    @property
    def scale(self) -> Tensor:
        """The observation noise's standard deviation s, a scalar."""
        return SMALLEST_SCALE + torch.exp(SCALE_STEPS * self.log_scale)

    def log_likelihood(self, x: Tensor, mean: Tensor) -> Tensor:
        """log N(x; mean, s^2 I), nats; x and mean (..., D)."""
        errors = (x - mean) / self.scale
        return -0.5 * errors.square().sum(-1) - self.size * (self.scale.log() + 0.5 * math.log(2 * math.pi))

    def _begun_prior(self) -> CodePrior:
        if not self.prior_steps:
            raise NotTrained("mlp-vqvae samples once its second stage, the prior, has begun")
        return self.average.module

    def _vectors(self, x: Tensor) -> Tensor:
        z: Tensor = x + self.encoder(x)
        return z

    def _points(self, q: Tensor) -> Tensor:
        x: Tensor = q + self.decoder(q)
        return x


class ResidualQuantiser(nn.Module):
    """Vectors z (B, D) to q (B, D) and codes (B, T): each level's codebook stands for what those before have left."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(Quantiser(CODES, size) for _ in range(LENGTH))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        left, found = z.detach()[:, :, None, None], []  # maps of one position, (B, D, 1, 1)
        for level in self.levels:
            q, k = level(left)
            left = left - q
            found.append(k.flatten())
        codes = torch.stack(found, 1)
        return self.vectors(codes), codes

    def vectors(self, codes: Tensor) -> Tensor:
        """Codes (B, T) -> q (B, D)."""
        return torch.stack([level.vectors(codes[:, t, None, None]).flatten(1) for t, level in enumerate(self._levels())]).sum(0)

    def follow(self, z: Tensor, codes: Tensor, generator: torch.Generator) -> Tensor:
        """One step of each codebook; returns the share of codes in use."""
        left, usage = z[:, :, None, None], []
        for t, level in enumerate(self._levels()):
            k = codes[:, t, None, None]
            quantised = level.vectors(k)  # before the step, as the codes were found
            usage.append(level.follow(left, k, generator))
            left = left - quantised
        return torch.stack(usage).mean()

    def _levels(self) -> list[Quantiser]:
        return cast("list[Quantiser]", list(self.levels))
