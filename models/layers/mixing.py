"""An invertible mixing of channels: the weight of a 1x1 convolution, by its LU decomposition.

W = P L (U + diag(r exp(e))), log |det W| = sum e                     (Kingma and Dhariwal 2018, arXiv:1807.03039, eq. 10-11)

P is a fixed permutation and r fixed signs; learned are L, unit lower triangular, U, strictly upper triangular, and e.
"""

import torch
from torch import Tensor, nn


class Mixing(nn.Module):
    """W = P L (U + diag(r exp(e))), (C, C): one matrix holds L below its diagonal, e on it and U above."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation, _ = torch.linalg.qr(torch.randn(channels, channels))
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.packed = nn.Parameter(lower.tril(-1) + upper.triu(1) + diagonal.abs().log().diag())
        self.permutation = nn.Buffer(permutation)  # P
        self.signs = nn.Buffer(diagonal.sign().diag())  # diag(r)

    def weight(self) -> Tensor:
        lower, upper = self._triangles()
        return self.permutation @ lower @ upper

    def inverse_weight(self) -> Tensor:
        """Inverse of W by substitution, from P, L and U."""
        lower, upper = self._triangles()
        product = torch.linalg.solve_triangular(lower, self.permutation.mT, upper=False, unitriangular=True)
        inverse: Tensor = torch.linalg.solve_triangular(upper, product, upper=True)
        return inverse

    def log_determinant(self) -> Tensor:
        """log |det W| = sum e."""
        return self.packed.diagonal().sum()

    def _triangles(self) -> tuple[Tensor, Tensor]:
        """L with its ones, and U + diag(r exp(e))."""
        ones = self.signs.square()  # the unit matrix
        return self.packed.tril(-1) + ones, self.packed.triu(1) + self.signs * self.packed.diagonal().exp()
