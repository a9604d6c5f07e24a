"""Decoder-only transformer over embedded sequences (Radford et al. 2019), with a cache for sampling token by token.

Pre-normalised blocks: x <- x + attention(norm(x)), x <- x + perceptron(norm(x)); position t attends to positions <= t.
Embedding, positions and output layer belong to the caller. `step` with the cache gives what `forward` gives for the
whole sequence, at the cost of one position: keys and values of earlier positions are kept, never computed again.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Cache:
    """Keys and values of the positions seen so far, (depth, n, heads, length, width / heads) each."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values
        self.filled = 0


class CausalTransformer(nn.Module):
    """`depth` causal blocks and a last norm: (B, T, width) -> (B, T, width)."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} of a transformer must be a multiple of its {heads} heads")
        self.heads, self.width = heads, width
        self.blocks = nn.ModuleList(_Block(width, heads, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """All positions at once; `keep` (depth, 2, B, 1, width) multiplies what each half of each block adds (dropout)."""
        for i, block in enumerate(self.blocks):
            x = block(x, None if keep is None else keep[i])
        out: Tensor = self.norm(x)
        return out

    def cache(self, n: int, length: int) -> Cache:
        """An empty cache for n sequences of at most `length` positions."""
        shape = (len(self.blocks), n, self.heads, length, self.width // self.heads)
        like = self.norm.weight
        return Cache(like.new_empty(shape), like.new_empty(shape))

    def step(self, x: Tensor, cache: Cache) -> Tensor:
        """The next positions (n, T, width), given those in the cache, which grows by T."""
        for i, block in enumerate(cast("list[_Block]", list(self.blocks))):
            x = block.step(x, cache.keys[i], cache.values[i], cache.filled)
        cache.filled += x.shape[1]
        out: Tensor = self.norm(x)
        return out


class _Block(nn.Module):
    """Attention, then a perceptron of four times the width."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.expand, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for last in (self.project, self.shrink):  # 2 depth additions keep the variance of one (Radford, section 2.3)
            nn.init.normal_(last.weight, std=(2 * depth * last.in_features) ** -0.5)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        q, k, v = self._heads(x)
        a = self._join(F.scaled_dot_product_attention(q, k, v, is_causal=True))
        x = x + (a if keep is None else a * keep[0])
        m = self._perceptron(x)
        return x + (m if keep is None else m * keep[1])

    def step(self, x: Tensor, keys: Tensor, values: Tensor, filled: int) -> Tensor:
        q, k, v = self._heads(x)
        end = filled + x.shape[1]
        keys[:, :, filled:end], values[:, :, filled:end] = k, v
        seen = None  # a single new position attends to all; several need the triangle among themselves
        if x.shape[1] > 1:
            seen = torch.ones(x.shape[1], end, dtype=torch.bool, device=x.device).tril(filled)
        a = F.scaled_dot_product_attention(q, keys[:, :, :end], values[:, :, :end], attn_mask=seen)
        x = x + self._join(a)
        return x + self._perceptron(x)

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, width) -> queries, keys and values, (B, heads, T, width / heads)."""
        b, t, _ = x.shape
        q, k, v = self.query_key_value(self.norm_1(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return q, k, v

    def _join(self, a: Tensor) -> Tensor:
        out: Tensor = self.project(a.transpose(1, 2).flatten(2))
        return out

    def _perceptron(self, x: Tensor) -> Tensor:
        out: Tensor = self.shrink(F.gelu(self.expand(self.norm_2(x))))
        return out
