"""The residual multilayer perceptron with time embedding: points (B, C) and times (B,) or (1,) to (B, C).

What `UNet` is for images, with the same arguments of its call, so that a contender changes its network alone.
"""

from torch import Tensor, nn

from paragone.models.layers.embeddings import TimeEmbedding
from paragone.models.layers.mlp import ResidualMLP


class TimedMLP(nn.Module):
    """The network; it predicts 0 everywhere before training.

    Args:
        size: C, size of an item.
        width: channels of the residual stream.
        embedding: size of the time embedding, to which `condition` (B, embedding) is added where it is given.
        blocks: number of residual blocks.
        octaves: sines and cosines of each coordinate at this many octaves enter besides it.
    """

    def __init__(self, size: int, width: int, embedding: int, blocks: int = 3, octaves: int = 4) -> None:
        super().__init__()
        self.time = TimeEmbedding(embedding)
        self.body = ResidualMLP(size, size, width, blocks, embedding, octaves)

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
        embedded = self.time(time) if condition is None else self.time(time) + condition
        out: Tensor = self.body(x, embedded)
        return out

    def inner_weights(self) -> list[nn.Parameter]:
        """Weights of the layers between hidden vectors: those of the blocks but for their modulation."""
        named = self.body.blocks.named_parameters()
        return [weight for name, weight in named if weight.dim() == 2 and "modulation" not in name]
