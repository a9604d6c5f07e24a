"""Vector-quantised autoencoder of points with an autoregressive prior (van den Oord et al. 2017, arXiv:1711.00937).
"""

import math

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
PRIOR_RATE = 3e-3
COMMITMENT = 0.25
TOKENS = 2
CODES = 32
CODE_WIDTH = 4
OCTAVES = 4
AVERAGE_DECAY = 0.99
HEADS, DEPTH = 4, 2
SCALE_STEPS = 5.0
SMALLEST_SCALE = 1e-3
START_SCALE = 0.3


@register("mlp-vqvae", family="hybrid", modalities=("points",))
class MLPVQVAE(Contender):
    """Codes first, then their prior."""

    batch_size = 256
    samplers = ("noise", "mean")
    stages = (("codes", 0.5), ("prior", 0.5))
    learned_buffers = ("quantiser.codebook",)

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.size = spec.shape[0]
        self.encoder = ResidualMLP(self.size, TOKENS * CODE_WIDTH, width, octaves=OCTAVES)
        self.encoder.leave.reset_parameters()  # from zero all points would have one code
        self.quantiser = Quantiser(CODES, CODE_WIDTH)
        self.decoder = ResidualMLP(TOKENS * CODE_WIDTH, self.size, width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(START_SCALE) / SCALE_STEPS))
        self.prior = CodePrior(TOKENS, CODES, HEADS * max(1, width // (2 * HEADS)), HEADS, DEPTH)
        self.average = WeightAverage(self.prior, AVERAGE_DECAY)
        self.register_buffer("prior_steps", torch.zeros((), dtype=torch.int64))
        self.prior_steps: Tensor
        first = [*self.encoder.parameters(), *self.decoder.parameters(), self.log_scale]
        self.optimisers = {
            "codes": torch.optim.Adam(first, lr=RATE, betas=(0.9, 0.99), fused=True),
            "prior": torch.optim.Adam(self.prior.parameters(), lr=PRIOR_RATE, betas=(0.9, 0.99), fused=True),
        }

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        stage, spent = self.stage_at(progress)
        loss, log = self._codes_loss(batch.x) if stage == "codes" else self._prior_loss(batch.x)
        self.zero_grad()
        loss.backward()
        optimiser, rate = self.optimisers[stage], RATE if stage == "codes" else PRIOR_RATE
        set_learning_rate(optimiser, rate * warm_up(spent) * cosine(spent) * self.learning_rate_factor)
        optimiser.step()
        if stage == "prior":
            self.average.follow(self.prior)
            self.prior_steps += 1
        return log

    def _codes_loss(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor | float]]:
        z = self._vectors(x)
        q, codes = self.quantiser(z)
        nats = -self.log_likelihood(x, self._decode_vectors(straight_through(z, q))).mean()
        commitment = F.mse_loss(z, q)
        usage = self.quantiser.follow(z.detach(), codes, self.generator)
        log: dict[str, Tensor | float] = {
            "reconstruction": nats.detach(),
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
        noisy = self.choose_sampler(sampler) == "noise"
        x = self.decode(self._trained_prior().sample(n, generator))
        if noisy:
            x = x + self.scale * torch.randn(x.shape, generator=generator, device=x.device)
        return x

    def log_prob(self, x: Tensor) -> Likelihood:
        codes, log_prior = self.code_distribution()
        means = self.decode(codes)
        parts = [torch.logsumexp(self.log_likelihood(part[:, None], means) + log_prior, 1) for part in x.split(256)]
        return Likelihood(torch.cat(parts), exact=True)

    def encode(self, x: Tensor) -> Tensor:
        """Codes of points, (n, TOKENS), int64."""
        return self.quantiser.nearest(self._vectors(x)).flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        return self._decode_vectors(self.quantiser.vectors(z[:, :, None]))

    def code_distribution(self) -> tuple[Tensor, Tensor]:
        """All sequences of codes, (K^T, T), and the logarithms of their probabilities, (K^T,)."""
        prior = self._trained_prior()
        codes = torch.cartesian_prod(*[torch.arange(CODES, device=self.log_scale.device)] * TOKENS)
        log_chances = prior(codes).log_softmax(-1).gather(2, codes[..., None])
        return codes, log_chances.sum((1, 2))

    @property
    def scale(self) -> Tensor:
        """The observation noise's standard deviation s, a scalar."""
        return SMALLEST_SCALE + torch.exp(SCALE_STEPS * self.log_scale)

    def log_likelihood(self, x: Tensor, mean: Tensor) -> Tensor:
        """log N(x; mean, s^2 I), nats; the last dimension of both is the points'."""
        errors = (x - mean) / self.scale
        return -0.5 * errors.square().sum(-1) - self.size * (self.scale.log() + 0.5 * math.log(2 * math.pi))

    def _trained_prior(self) -> CodePrior:
        if not self.prior_steps:
            raise NotTrained("mlp-vqvae samples once its second stage, the prior, has begun")
        return self.average.module

    def _vectors(self, x: Tensor) -> Tensor:
        """Encoder's vectors of length sqrt(C), (B, C, T, 1)."""
        z = F.normalize(self.encoder(x).view(len(x), CODE_WIDTH, TOKENS, 1), dim=1)
        return z * math.sqrt(CODE_WIDTH)

    def _decode_vectors(self, q: Tensor) -> Tensor:
        x: Tensor = self.decoder(q.flatten(1))
        return x
