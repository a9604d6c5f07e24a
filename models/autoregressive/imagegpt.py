"""A decoder-only transformer over the values of an image (Chen et al. 2020, "Generative Pretraining from Pixels", section 2).

Image of levels 0..L-1, (B, C, H, W), read as one sequence x_1 .. x_T, T = H W C: pixels in raster order, channels in order
within a pixel:

    P(x) = prod_t P(x_t | x_1 .. x_{t-1})                                                                  (eq. 1)

The softmax over the L levels of x_t is read from position t of the transformer (section 2.2), whose input is the sum of
learned embeddings: of the row, column and channel of x_t, and of the values already read beside it (`NEIGHBOURS`; the paper
gives x_{t-1} alone), each value as the coordinates of five hat functions. All else of the past comes through attention.
P is exact for any discrete data, hence `exact=True`. Sampling keeps keys and values of the positions before: the work for a
value is one position of the network and one query, never the sequence again.
Labelled data: the class's embedding is added at every position, P(x) is the mean of P(x | class) over the classes.

Optimisers: Muon for the matrices inside the transformer, AdamW for the rest (models/layers/muon.py names the sources). All was
chosen on digits' validation split after 10 CPU-seconds, one seed each, where 0.5 of FID and 0.01 bits/dim are noise: places of
scale 0.4 FID 9.9, 0.1 13.4, 0.02 23.4; then Adam's rate 1.2e-2 for 6e-3 brought 0.010 bits/dim; dropout of 5 % cost 2 of FID.
x_{t-1} alone FID 5.9, 1.821 bits/dim; six neighbours of five hats 4.9, 1.792, of seventeen 6.8, 1.885 (a thousand digits are
few). On MNIST after 30 CPU-seconds x_{t-1} alone 1.46 bits/dim, six neighbours 1.25: such a start, of convolutions, makes
transformers easier to train (Xiao et al. 2021, arXiv:2106.14881). Four layers for three and two heads for four made no
difference to digits; two heads make the attention over 784 values cheaper. Weights decay because a thousand digits are learnt by
heart in a minute: after 60 CPU-seconds without decay 4.45 bits/dim, more than uniform noise has, and FID 3.6; Muon's 0.5 alone
2.68 and 3.0; 0.5 and Adam's 0.3 1.83 and 2.9 (another seed 1.85 and 2.9), 0.6 both 1.75 and 4.2, 1.0 and 0.3 1.75 and 4.4, both
1.0 1.83 and 11.7. After 10 CPU-seconds 0.5 and 0.3 give 1.76 bits/dim and FID 5.7, no decay 1.78 and 5.2.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.attention import CausalTransformer
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.levels import draw_level, hats, level_of, value_of
from paragone.models.layers.muon import Muon
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

ADAM_RATE = 1.2e-2
MUON_RATE = 1.5e-2
MUON_DECAY = 0.5
ADAM_DECAY = 0.3
"""Decays of the weights, which hold overfitting back: it grows with the number of updates, and so do they."""
AVERAGE_DECAY = 0.98
DEPTH = 4
HEADS = 2
WIDTH_STEP = 4
"""The transformer's width is a multiple of it: vector units like it, and parameter budgets are met to 10 % still."""
PLACE_SCALE = 0.4
"""Standard deviation of the embeddings of rows, columns and channels at the start: attention goes by them first."""
KNOTS = 5
"""Most hat functions that describe a value to the network."""
NEIGHBOURS = ((0, 1), (0, 2), (1, -1), (1, 0), (1, 1), (2, 0))
"""(rows up, columns to the left) of pixels whose value of the same channel is part of the input."""
NOTHING = -4.0
"""Stands before the first value, and is so far from every level that all hats are 0."""
CACHED_NUMBERS = 1 << 26
"""Most numbers of keys and values kept at once in sampling, 256 MiB; more images are drawn in turn."""


@register("imagegpt", family="autoregressive", modalities=("image",))
class ImageGPT(Contender):
    """Softmax over levels, each given all values before it."""

    batch_size = 16
    autocast = True  # 1.874 bits/dim with, 1.877 without, FID 4.0 and 3.8, sd 0.01 and 0.3 over 3 seeds of 600 updates on digits

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        if spec.levels is None:
            raise ValueError("imagegpt models discrete levels, and this data's `levels` is None: quantise it first")
        self.classes = spec.classes or 1
        self.network = _Network(spec.shape, spec.levels, self.classes, WIDTH_STEP * max(1, round(width / WIDTH_STEP)))
        self.average = WeightAverage(self.network, AVERAGE_DECAY)
        # Muon for the matrices of the blocks; AdamW for embeddings, logits, biases and gains.
        hidden = [p for p in self.network.body.parameters() if p.ndim > 1]
        chosen = {id(p) for p in hidden}
        rest = [p for p in self.network.parameters() if id(p) not in chosen]
        self.muon = Muon(hidden, lr=MUON_RATE, weight_decay=MUON_DECAY)
        self.adam = torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.99), weight_decay=ADAM_DECAY, fused=True)

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        unlabelled = torch.zeros(len(batch.x), dtype=torch.int64, device=batch.x.device)
        nats = -self.network.log_prob(batch.x, unlabelled if batch.condition is None else batch.condition).mean()
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
        given = [self.average.module.log_prob(x, torch.full((len(x),), k, device=x.device)) for k in range(self.classes)]
        return Likelihood(torch.stack(given).logsumexp(0) - math.log(self.classes), exact=True)

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        self.choose_sampler(sampler)
        if condition is None:
            condition = torch.randint(self.classes, (n,), generator=generator, device=generator.device)
        network = self.average.module
        at_once = max(1, CACHED_NUMBERS // (2 * DEPTH * network.length * network.body.width))
        return torch.cat([network.sample(part, generator) for part in condition.split(at_once)])


class _Network(nn.Module):
    """Maps values in order to logits of every level of each."""

    def __init__(self, shape: tuple[int, ...], levels: int, classes: int, width: int) -> None:
        super().__init__()
        channels, height, columns = shape
        self.shape, self.levels, self.length = shape, levels, channels * height * columns
        self.register_buffer("knots", torch.linspace(-1, 1, min(levels, KNOTS)))
        self.knots: Tensor
        self.register_buffer("steps_back", torch.tensor(_steps_back(channels, columns)), persistent=False)
        self.steps_back: Tensor
        self.margin = int(self.steps_back.max())
        self.classes = nn.Embedding(classes, width)
        self.neighbours = nn.Linear(len(self.steps_back) * len(self.knots), width, bias=False)
        self.row = nn.Parameter(PLACE_SCALE * torch.randn(height, 1, 1, width))
        self.column = nn.Parameter(PLACE_SCALE * torch.randn(columns, 1, width))
        self.channel = nn.Parameter(PLACE_SCALE * torch.randn(channels, width))
        self.body = CausalTransformer(width, HEADS, DEPTH)
        self.logits = nn.Linear(width, levels)
        nn.init.normal_(self.classes.weight, std=0.5)
        nn.init.normal_(self.neighbours.weight, std=0.3)
        nn.init.zeros_(self.logits.weight)

    @property
    def places(self) -> Tensor:
        """The embedding of each value's place, (T, width)."""
        return (self.row + self.column + self.channel).flatten(0, 2)

    def told(self, values: Tensor, at: Tensor) -> Tensor:
        """The embedding of the neighbours of the values at `at` (T',), given values after a margin, (B, margin + T)."""
        neighbours = values[:, at[:, None] + self.margin - self.steps_back]  # (B, T', neighbours)
        embedded: Tensor = self.neighbours(hats(neighbours, self.knots).flatten(2))
        return embedded

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        """The first T' values in order (B, T') and classes (B,) -> logits (B, T', L)."""
        length = x.shape[1]
        told = self.told(F.pad(x, (self.margin, 0), value=NOTHING), torch.arange(length, device=x.device))
        out: Tensor = self.logits(self.body(told + self.places[:length] + self.classes(classes)[:, None]))
        return out

    def log_prob(self, x: Tensor, classes: Tensor) -> Tensor:
        """log P of images (B, C, H, W) given their classes (B,), in nats, (B,)."""
        flat = x.permute(0, 2, 3, 1).flatten(1)
        logits = self(flat, classes).to(self.knots.dtype)  # under autocast they come in bfloat16
        nats = F.cross_entropy(logits.flatten(0, 1), level_of(flat, self.levels).flatten(), reduction="none")
        return -nats.view(len(x), -1).sum(1)

    def sample(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Images (n, C, H, W), value by value."""
        n, (channels, height, columns) = len(classes), self.shape
        cache = self.body.cache(n, self.length)
        values = self.knots.new_full((n, self.margin + self.length), NOTHING)
        fixed = self.places + self.classes(classes)[:, None]  # (n, T, width)
        for t, at in enumerate(torch.arange(self.length, device=values.device).split(1)):
            inputs = self.told(values, at) + fixed[:, at]
            logits = self.logits(self.body.step(inputs, cache))[:, 0]
            values[:, self.margin + t] = value_of(draw_level(logits.to(values.dtype), generator), self.levels)
        return values[:, self.margin :].view(n, height, columns, channels).permute(0, 3, 1, 2).contiguous()


def _steps_back(channels: int, columns: int) -> list[int]:
    """How far back in the sequence each neighbour lies, and the channels before; across an image's edge it is another pixel."""
    neighbours = {channels * (up * columns + left) for up, left in NEIGHBOURS}
    return sorted(back for back in neighbours | set(range(1, channels)) if back > 0)
