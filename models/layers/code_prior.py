"""The distribution of a sequence of codes, for the second stage of models whose first makes codes of data."""

import torch
from torch import Tensor, nn

from paragone.models.layers.attention import CausalTransformer


class CodePrior(nn.Module):
    """P(k_1 .. k_T) by a causal transformer; position t predicts code t from the codes before it."""

    def __init__(self, length: int, codes: int, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.length = length
        self.start = nn.Parameter(torch.zeros(1, 1, width))
        self.embedding = nn.Embedding(codes, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.body = CausalTransformer(width, heads, depth)
        self.logits = nn.Linear(width, codes)
        nn.init.normal_(self.embedding.weight, std=0.5)
        nn.init.zeros_(self.logits.weight)

    def inputs(self, codes: Tensor) -> Tensor:
        """Codes (B, T) -> what each position is given, (B, T, width): the code before it and its place."""
        start = self.start.expand(len(codes), -1, -1)
        return torch.cat([start, self.embedding(codes[:, :-1])], 1) + self.position

    def forward(self, codes: Tensor, keep: Tensor | None = None) -> Tensor:
        """Codes (B, T) -> logits (B, T, K)."""
        out: Tensor = self.logits(self.body(self.inputs(codes), keep))
        return out

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Codes (n, T), one position at a time."""
        cache = self.body.cache(n, self.length)
        codes = torch.empty(n, self.length, dtype=torch.int64, device=self.start.device)
        x = self.start.expand(n, -1, -1)
        for t in range(self.length):
            logits = self.logits(self.body.step(x + self.position[t], cache))[:, 0]
            codes[:, t] = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
            x = self.embedding(codes[:, t : t + 1])
        return codes
