"""A residual multilayer perceptron for items that are vectors, such as points: (B, inputs) to (B, outputs).

Blocks as in a pre-norm transformer's feed-forward half: x + W2 SiLU(W1 norm(x)), where the norm is scaled and shifted by an
embedding (B, embedding) where there is one (Nichol and Dhariwal 2021, arXiv:2102.09672, appendix A). Coordinates enter with sines
and cosines of several octaves (Tancik et al. 2020, arXiv:2006.10739), without which fine structure is learnt late.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paragone.models.layers.embeddings import Waves
from paragone.models.layers.unet import from_zero


class ResidualMLP(nn.Module):
    """The network; it gives 0 everywhere before training (last layer from zero).

    Args:
        inputs: size of an item.
        outputs: size of the output.
        width: channels of the residual stream.
        blocks: number of residual blocks.
        embedding: size of the embedding that modulates every block, such as a time's; 0 for none.
        octaves: frequencies pi, 2 pi, 4 pi ... of the sines and cosines in which each coordinate enters besides itself.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int = 3, embedding: int = 0, octaves: int = 0) -> None:
        super().__init__()
        self.waves = Waves(inputs, octaves)
        self.enter = nn.Linear(self.waves.outputs, width)
        self.blocks = nn.ModuleList(_Block(width, embedding) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave = from_zero(nn.Linear(width, outputs))

    def forward(self, x: Tensor, embedded: Tensor | None = None) -> Tensor:
        h = self.enter(self.waves(x))  # (B, width)
        for block in self.blocks:
            h = block(h, embedded)
        out: Tensor = self.leave(F.silu(self.norm(h)))
        return out


class _Block(nn.Module):
    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.modulation = from_zero(nn.Linear(embedding, 2 * width)) if embedding else None
        self.layers = nn.Sequential(nn.Linear(width, width), nn.SiLU(), from_zero(nn.Linear(width, width)))

    def forward(self, x: Tensor, embedded: Tensor | None) -> Tensor:
        h = self.norm(x)
        if self.modulation is not None and embedded is not None:
            scale, shift = self.modulation(F.silu(embedded)).chunk(2, dim=1)
            h = torch.addcmul(shift, h, 1 + scale)
        out: Tensor = x + self.layers(h)
        return out
