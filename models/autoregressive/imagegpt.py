"""A decoder-only transformer over the values of an image (Chen et al. 2020, "Generative Pretraining from Pixels", section 2).

Image of levels 0..L-1, (B, C, H, W), read as one sequence x_1 .. x_T, T = H W C: pixels in raster order, channels in order
within a pixel:

    P(x) = prod_t P(x_t | x_1 .. x_{t-1})                                                                  (eq. 1)

The softmax over the L levels of x_t is read from the transformer's position t, whose input is the value before it, x_{t-1}
(position 1: a learned start), plus the place of x_t: embeddings of its row, its column and its channel. Nothing else tells
the network that images have two dimensions. P is exact for any discrete data, hence `exact=True`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.attention import CausalTransformer
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.levels import draw_level, hats, level_of, value_of
from paragone.models.layers.muon import Muon
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

ADAM_RATE = 3e-3
MUON_RATE = 1e-2
AVERAGE_DECAY = 0.99
DROPOUT = 0.05
HEADS = 4
DEPTH = 4
KNOTS = 17
CACHED_VALUES = 1 << 26


@register("imagegpt", family="autoregressive", modalities=("image",))
class ImageGPT(Contender):
    """Softmax over levels, each given all values before it."""

    batch_size = 16
    autocast = True

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        if spec.levels is None:
            raise ValueError("imagegpt models discrete levels, and this data's `levels` is None: quantise it first")
        self.classes = spec.classes
        self.network = _Network(spec.shape, spec.levels, spec.classes or 1, HEADS * max(1, round(width / HEADS)))
        self.average = WeightAverage(self.network, AVERAGE_DECAY)
        hidden = [p for p in self.network.body.parameters() if p.ndim > 1]
        chosen = {id(p) for p in hidden}
        rest = [p for p in self.network.parameters() if id(p) not in chosen]
        self.muon = Muon(hidden, lr=MUON_RATE)
        self.adam = torch.optim.Adam(rest, lr=ADAM_RATE, betas=(0.9, 0.99), fused=True)

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        keep = torch.empty(DEPTH, 2, len(batch.x), 1, self.network.body.width, device=batch.x.device)
        keep = keep.bernoulli_(1 - DROPOUT, generator=self.generator).div_(1 - DROPOUT)
        nats = -self.network.log_prob(batch.x, batch.condition, keep).mean()
        self.network.zero_grad()
        nats.backward()
        rate = warm_up(progress) * cosine(progress) * self.learning_rate_factor
        set_learning_rate(self.muon, MUON_RATE * rate)
        set_learning_rate(self.adam, ADAM_RATE * rate)
        self.muon.step()
        self.adam.step()
        self.average.follow(self.network)
        return {"nats": nats.detach()}

    def log_prob(self, x: Tensor) -> Likelihood:
        return Likelihood(self.average.module.log_prob(x), exact=True)

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        self.choose_sampler(sampler)
        if condition is None:
            condition = torch.randint(self.classes or 1, (n,), generator=generator, device=generator.device)
        network = self.average.module
        at_once = max(1, CACHED_VALUES // (2 * DEPTH * network.length * network.body.width))
        return torch.cat([network.sample(part, generator) for part in condition.split(at_once)])


class _Network(nn.Module):
    """Maps images to logits of every level of every value."""

    def __init__(self, shape: tuple[int, ...], levels: int, classes: int, width: int) -> None:
        super().__init__()
        channels, height, columns = shape
        self.shape, self.levels, self.length = shape, levels, channels * height * columns
        self.register_buffer("knots", torch.linspace(-1, 1, min(levels, KNOTS)))
        self.knots: Tensor
        self.start = nn.Embedding(classes, width)
        self.value = nn.Linear(len(self.knots), width, bias=False)
        self.row = nn.Parameter(0.1 * torch.randn(height, 1, 1, width))
        self.column = nn.Parameter(0.1 * torch.randn(columns, 1, width))
        self.channel = nn.Parameter(0.1 * torch.randn(channels, width))
        self.body = CausalTransformer(width, HEADS, DEPTH)
        self.logits = nn.Linear(width, levels)
        nn.init.normal_(self.start.weight, std=0.5)
        nn.init.normal_(self.value.weight, std=0.5)
        nn.init.zeros_(self.logits.weight)

    def places(self) -> Tensor:
        return (self.row + self.column + self.channel).flatten(0, 2)  # (T, width)

    def forward(self, x: Tensor, classes: Tensor, keep: Tensor | None = None) -> Tensor:
        """Values in order (B, T) and classes (B,) -> logits (B, T, L)."""
        before = self.value(hats(x[:, :-1], self.knots))
        inputs = torch.cat([self.start(classes)[:, None], before], 1) + self.places()
        out: Tensor = self.logits(self.body(inputs, keep))
        return out

    def log_prob(self, x: Tensor, classes: Tensor | None = None, keep: Tensor | None = None) -> Tensor:
        """log P of images (B, C, H, W) in nats, (B,)."""
        if classes is None:
            classes = torch.zeros(len(x), dtype=torch.long, device=x.device)
        flat = x.permute(0, 2, 3, 1).flatten(1)
        logits = self(flat, classes, keep).to(self.knots.dtype)
        nats = F.cross_entropy(logits.flatten(0, 1), level_of(flat, self.levels).flatten(), reduction="none")
        return -nats.view(len(x), -1).sum(1)

    def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Images (n, C, H, W), value by value."""
        n, (channels, height, columns) = len(classes), self.shape
        cache, places = self.body.cache(n, self.length), self.places()
        x = self.knots.new_empty(n, self.length)
        inputs = self.start(classes)
        for t in range(self.length):
            logits = self.logits(self.body.step((inputs + places[t])[:, None], cache))[:, 0]
            x[:, t] = value_of(draw_level(logits.to(x.dtype), generator), self.levels)
            inputs = self.value(hats(x[:, t], self.knots))
        return x.view(n, height, columns, channels).permute(0, 3, 1, 2).contiguous()
