"""Vector-quantised autoencoder with an autoregressive prior (van den Oord et al. 2017, arXiv:1711.00937).

Image x (B, C, H, W) in [-1, 1]; encoder z = E(x) on a grid (B, D, h, w); codebook e_1 .. e_K in R^D; decoder D:

    k = argmin_j |z - e_j|,  q = e_k                                                              (eq. 1 and 2)
    L = |x - D(z + sg[q - z])|^2 + beta |z - sg[q]|^2           sg: no gradient (straight-through, eq. 3)
    N_j <- g N_j + (1 - g) n_j,  m_j <- g m_j + (1 - g) sum_{i: k_i = j} z_i,  e_j = m_j / N_j    (appendix A.1)

z is scaled to length sqrt(D) at each position, so that encoder and codebook share a scale from the first step (codes are
normalised too by Yu et al. 2021, arXiv:2110.04627, section 3.2). A code that is hardly used is put where a vector of the
present batch lies (revival; Dhariwal et al. 2020, arXiv:2005.00341, section 3).
The second stage freezes all this and fits P(k_1, ..., k_hw), raster order, by a causal transformer; what its blocks add
loses whole channels at random, because training images are few. Both stages spend the one budget. Samples: codes from the
prior, decoded. A cell of the grid gets four codes a value that it stands for (16 for 2 x 2 grey pixels): with fewer codes
the prior has the easier task, with more the decoder.
Rates, sizes and shares were chosen on the digits' validation split.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, NotTrained, register
from paragone.models.layers.attention import CausalTransformer
from paragone.models.layers.code_prior import CodePrior
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.muon import Muon
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up
from paragone.models.layers.quantise import Quantiser, straight_through

MUON_RATE = 2e-2
ADAM_RATE = 3e-3
PRIOR_MUON_RATE = 1e-2
PRIOR_ADAM_RATE = 3e-3
COMMITMENT = 0.25
FEWEST_CODES, MOST_CODES = 16, 512
CODES_PER_VALUE = 4
CODE_WIDTH = 8
AVERAGE_DECAY = 0.99
DROPOUT = 0.05
LONGEST_GRID_SIDE = 8
HEADS = 4
DEPTH = 3


@register("vqvae", family="hybrid", modalities=("image",))
class VQVAE(Contender):
    """Codes first, then their prior."""

    batch_size = 16
    autocast = True  # FID 6.1 with, 6.3 without, sd 0.6 over 3 seeds of 600 updates on digits
    stages = (("codes", 0.3), ("prior", 0.7))
    learned_buffers = ("quantiser.codebook",)

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        sizes = _grid_sizes(spec.shape[1], spec.shape[2])
        self.grid = sizes[-1]
        self.encoder = _encoder(spec.shape[0], len(sizes) - 1, width)
        codes = _codebook_size(spec.shape, self.grid)
        self.quantiser = Quantiser(codes, CODE_WIDTH)
        self.decoder = _Decoder(spec.shape[0], sizes, width)
        self.prior = CodePrior(self.grid[0] * self.grid[1], codes, HEADS * max(1, round(1.5 * width / HEADS)), HEADS, DEPTH)
        self.average = WeightAverage(self.prior, AVERAGE_DECAY)
        self.register_buffer("prior_steps", torch.zeros((), dtype=torch.int64))
        self.prior_steps: Tensor
        self.optimisers = {
            "codes": _optimisers([self.encoder, self.decoder], MUON_RATE, ADAM_RATE),
            "prior": _optimisers([self.prior], PRIOR_MUON_RATE, PRIOR_ADAM_RATE),
        }

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        stage, spent = self.stage_at(progress)
        loss, log = self._codes_loss(batch.x) if stage == "codes" else self._prior_loss(batch.x)
        self.zero_grad()
        loss.backward()
        for optimiser, rate in self.optimisers[stage]:
            set_learning_rate(optimiser, rate * warm_up(spent) * cosine(spent) * self.learning_rate_factor)
            optimiser.step()
        if stage == "prior":
            self.average.follow(self.prior)
            self.prior_steps += 1
        return log

    def _codes_loss(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor | float]]:
        z = self.encoder(x)  # (B, D, h, w)
        q, codes = self.quantiser(z)
        error = F.mse_loss(self.decoder(straight_through(z, q)), x)
        commitment = F.mse_loss(z, q)
        usage = self.quantiser.follow(z.detach(), codes, self.generator)
        log: dict[str, Tensor | float] = {
            "squared_error": error.detach(),
            "commitment": commitment.detach(),
            "codebook_usage": usage,
        }
        return error + COMMITMENT * commitment, log

    def _prior_loss(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor | float]]:
        with torch.no_grad():
            codes = self.encode(x).flatten(1)
        keep = torch.empty(DEPTH, 2, len(x), 1, self.prior.body.width, device=x.device)
        keep = keep.bernoulli_(1 - DROPOUT, generator=self.generator).div_(1 - DROPOUT)
        logits = self.prior(codes, keep)
        nats = F.cross_entropy(logits.flatten(0, 1), codes.flatten())
        return nats, {"nats_per_code": nats.detach()}

    def encode(self, x: Tensor) -> Tensor:
        """Codes of images, (n, h, w), int64."""
        return self.quantiser.nearest(self.encoder(x))

    def decode(self, z: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.quantiser.vectors(z))
        return out

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        self.choose_sampler(sampler)
        if not self.prior_steps:
            raise NotTrained("vqvae samples once its second stage, the prior, has begun")
        codes = self.average.module.sample(n, generator)
        return self.decode(codes.view(n, *self.grid)).clamp(-1, 1)


class _Residual(nn.Module):
    """Pre-activation residual block that keeps its shape (B, width, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_2 = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.conv_2(F.silu(self.conv_1(F.silu(x))))
        return out


class _Sphere(nn.Module):
    """Scales each position's vector to length sqrt(D), so that codes and encoder keep a common scale from the start."""

    def forward(self, z: Tensor) -> Tensor:
        unit: Tensor = F.normalize(z, dim=1)
        return unit * math.sqrt(z.shape[1])


def _grid_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes from the image's to the code grid's: halved (rounded up) once, then until no side is above the limit."""
    sizes = [(height, width)]
    while len(sizes) == 1 or max(sizes[-1]) > LONGEST_GRID_SIDE:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def _codebook_size(shape: tuple[int, ...], grid: tuple[int, int]) -> int:
    """Number of codes: the more values one cell of the grid stands for, the more it must tell apart; a power of two."""
    values_per_cell = math.prod(shape) / (grid[0] * grid[1])
    codes = 1 << round(math.log2(CODES_PER_VALUE * values_per_cell))
    return min(MOST_CODES, max(FEWEST_CODES, codes))


def _encoder(channels: int, halvings: int, width: int) -> nn.Sequential:
    """Images -> code vectors; each halving is a convolution of stride 2."""
    half = width // 2
    layers: list[nn.Module] = [nn.Conv2d(channels, half, 3, padding=1)]
    for i in range(halvings):
        layers += [nn.SiLU(), nn.Conv2d(half if i == 0 else width, width, 3, stride=2, padding=1)]
    return nn.Sequential(*layers, _Residual(width), _Residual(width), nn.SiLU(), nn.Conv2d(width, CODE_WIDTH, 1), _Sphere())


class _Decoder(nn.Module):
    """Code vectors (B, D, h, w) -> images (B, C, H, W); each doubling unfolds channels into 2 x 2 pixels."""

    def __init__(self, channels: int, sizes: list[tuple[int, int]], width: int) -> None:
        super().__init__()
        half = width // 2
        self.sizes = sizes[-2::-1]
        self.enter = nn.Sequential(nn.Conv2d(CODE_WIDTH, width, 3, padding=1), _Residual(width), _Residual(width))
        outs = [width] * (len(self.sizes) - 1) + [half]
        self.unfold = nn.ModuleList(nn.Conv2d(width, 4 * out, 1) for out in outs)
        self.leave = nn.Sequential(
            nn.SiLU(), nn.Conv2d(half, half, 3, padding=1), nn.SiLU(), nn.Conv2d(half, channels, 3, padding=1)
        )

    def forward(self, q: Tensor) -> Tensor:
        x = self.enter(q)
        for (height, width), unfold in zip(self.sizes, self.unfold, strict=True):
            x = F.pixel_shuffle(unfold(F.silu(x)), 2)[:, :, :height, :width]  # an odd side was rounded up
        out: Tensor = self.leave(x)
        return out


def _optimisers(parts: list[nn.Module], muon_rate: float, adam_rate: float) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the matrices inside, Adam for embeddings, first and last layers, biases and gains."""
    hidden: list[nn.Parameter] = []
    for part in parts:
        modules = [m for m in part.modules() if isinstance(m, (_Residual, CausalTransformer))]
        hidden += [p for m in modules for p in m.parameters() if p.ndim > 1]
    chosen = {id(p) for p in hidden}
    rest = [p for part in parts for p in part.parameters() if id(p) not in chosen]
    return [
        (Muon(hidden, lr=muon_rate), muon_rate),
        (torch.optim.Adam(rest, lr=adam_rate, betas=(0.9, 0.99), fused=True), adam_rate),
    ]
