"""Nearest codes of a learned codebook (van den Oord et al. 2017, arXiv:1711.00937).

For vectors z in R^D and a codebook e_1 .. e_K:

    k = argmin_j |z - e_j|,  q = e_k                                                              (eq. 1 and 2)
    N_j <- g N_j + (1 - g) n_j,  m_j <- g m_j + (1 - g) sum_{i: k_i = j} z_i,  e_j = m_j / N_j    (appendix A.1)

A code that is hardly used is put where a vector of the present batch lies (revival; Dhariwal et al. 2020, arXiv:2005.00341,
section 3).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CODEBOOK_DECAY = 0.97
DEAD_SHARE = 0.05
"""A code is dead when its running count is below this share of the mean count."""


def straight_through(z: Tensor, q: Tensor) -> Tensor:
    """The value of q with the gradient of z."""
    return z + (q - z).detach()


class Quantiser(nn.Module):
    """A codebook (K, D) that follows the running means of the vectors assigned to each code; float32 under autocast too."""

    def __init__(self, codes: int, code_width: int) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.randn(codes, code_width))
        self.register_buffer("count", torch.zeros(codes))  # N: none used yet, so the first batch revives them all
        self.register_buffer("total", torch.zeros(codes, code_width))  # m
        self.codebook: Tensor
        self.count: Tensor
        self.total: Tensor

    def nearest(self, z: Tensor) -> Tensor:
        """Index of the nearest code of vectors (B, D, h, w), (B, h, w)."""
        flat = z.to(self.codebook.dtype).permute(0, 2, 3, 1)
        with torch.autocast(z.device.type, enabled=False):
            # |z - e|^2 less |z|^2, which is the same for every code
            return (self.codebook.square().sum(1) - 2 * flat @ self.codebook.T).argmin(-1)

    def vectors(self, codes: Tensor) -> Tensor:
        """Codes (B, h, w) -> their vectors (B, D, h, w)."""
        return F.embedding(codes, self.codebook).permute(0, 3, 1, 2)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.nearest(z.detach())
        return self.vectors(codes), codes

    def follow(self, z: Tensor, codes: Tensor, generator: torch.Generator) -> Tensor:
        """One step of the recurrence, then revival; returns the share of codes alive before revival."""
        flat = z.to(self.total.dtype).permute(0, 2, 3, 1).flatten(0, 2)  # (B h w, D)
        chosen = F.one_hot(codes.flatten(), len(self.codebook)).to(flat.dtype)
        self.count.lerp_(chosen.sum(0), 1 - CODEBOOK_DECAY)
        with torch.autocast(flat.device.type, enabled=False):
            self.total.lerp_(chosen.T @ flat, 1 - CODEBOOK_DECAY)
        mean_count = len(flat) / len(self.codebook)
        dead = self.count < DEAD_SHARE * mean_count
        drawn = torch.randint(len(flat), (len(dead),), generator=generator, device=flat.device)
        self.count[:] = torch.where(dead, mean_count, self.count)
        self.total[:] = torch.where(dead[:, None], mean_count * flat[drawn], self.total)
        self.codebook[:] = self.total / self.count[:, None]
        return 1 - dead.float().mean()
