"""Gaussian mixture p(z) = sum_k w_k N(z; m_k, C_k), full covariances, fitted by expectation maximisation (Bishop 2006, 9.2.2).

Everything fitted lies in buffers, so that it is saved with the contender that holds it. All components are worked on at
once, in float64: a fit of 20 components to 1,000 codes takes a tenth of a second, which stages before sampling can afford.
"""

import torch
from torch import Tensor, nn


class GaussianMixture(nn.Module):
    """Buffers: weights w (K,), means m (K, D), factors F (K, D, D) lower triangular with C = F F^T, fitted (a bool)."""

    ridge = 1e-2
    """Added to the variances of each component, in units of the codes' own variances: few items, many components."""
    passes = 30
    """Passes of expectation maximisation; later ones change little, and have no budget."""

    def __init__(self, components: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(components))
        self.register_buffer("means", torch.zeros(components, dimensions))
        self.register_buffer("factors", torch.zeros(components, dimensions, dimensions))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self.weights: Tensor
        self.means: Tensor
        self.factors: Tensor
        self.fitted: Tensor

    @torch.no_grad()
    def fit(self, codes: Tensor) -> None:
        """Fit to codes (N, D), N at least K; one component is their mean and covariance.

        The work is done in coordinates where the codes have mean 0 and covariance I, so that `ridge` has a unit.
        """
        z = codes.double().cpu()
        mean, factor = z.mean(0), _whitening_factor(z)
        weights, means, factors = z.new_ones(1), mean[None], factor[None]
        if len(self.weights) > 1:
            white = torch.linalg.solve_triangular(factor, (z - mean).T, upper=False).T  # (N, D)
            weights, means, covariances = self._maximise_likelihood(white)
            means = mean + means @ factor.T
            factors = factor @ torch.linalg.cholesky(covariances)  # lower triangular times lower triangular is that again
        self.weights.copy_(weights)
        self.means.copy_(means)
        self.factors.copy_(factors)
        self.fitted.fill_(True)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n draws, (n, D)."""
        chosen = torch.multinomial(self.weights, n, replacement=True, generator=generator)  # (n,)
        noise = torch.randn(n, self.means.shape[1], generator=generator, device=generator.device)
        return self.means[chosen] + torch.einsum("nij,nj->ni", self.factors[chosen], noise)

    def _maximise_likelihood(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (K,), means (K, D), covariances (K, D, D) of codes z (N, D) with covariance I."""
        seeds = spread_seeds(z, len(self.weights), torch.Generator().manual_seed(0))
        nearest = torch.cdist(z, seeds).argmin(1)  # (N,)
        mixture = maximisation(z, torch.nn.functional.one_hot(nearest, len(seeds)).double(), self.ridge)
        for _ in range(self.passes):
            mixture = maximisation(z, expectation(z, *mixture), self.ridge)
        return mixture


def expectation(z: Tensor, weights: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    """Responsibilities p(k|z) (N, K) of each component for each code (Bishop eq. 9.23)."""
    factors = torch.linalg.cholesky(covariances)
    centred = z.T - means[:, :, None]  # (K, D, N)
    square = torch.linalg.solve_triangular(factors, centred, upper=False).square().sum(1)  # (K, N)
    log_determinant = factors.diagonal(dim1=1, dim2=2).log().sum(1)  # (K,), half of the covariance's
    responsibilities: Tensor = torch.softmax((weights.log() - log_determinant)[:, None] - 0.5 * square, dim=0).T
    return responsibilities


def maximisation(z: Tensor, responsibilities: Tensor, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and covariances that maximise the expected log-likelihood (Bishop eq. 9.24 to 9.26), plus the ridge."""
    counts = responsibilities.sum(0) + 10 * torch.finfo(z.dtype).eps  # (K,); no component is ever quite empty
    means = responsibilities.T @ z / counts[:, None]  # (K, D)
    centred = z.T - means[:, :, None]  # (K, D, N)
    covariances = (centred * responsibilities.T[:, None]) @ centred.mT / counts[:, None, None]
    return counts / counts.sum(), means, covariances + ridge * torch.eye(z.shape[1], dtype=z.dtype)


def spread_seeds(z: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` of the codes, (K, D), each drawn by its squared distance from those drawn before (k-means++, Arthur 2007)."""
    chosen = [int(torch.randint(len(z), (), generator=generator))]
    distance = (z - z[chosen[0]]).square().sum(1)  # (N,)
    while len(chosen) < count:
        chosen.append(int(torch.multinomial(distance + 1e-12, 1, generator=generator)))
        distance = torch.minimum(distance, (z - z[chosen[-1]]).square().sum(1))
    return z[chosen]


def _whitening_factor(z: Tensor) -> Tensor:
    """Lower Cholesky factor of the codes' covariance, (D, D); a trace of ridge, so that an unused dimension does no harm."""
    covariance = torch.cov(z.T)
    ridge = 1e-6 * covariance.diagonal().mean() + 1e-12
    factor: Tensor = torch.linalg.cholesky(covariance + ridge * torch.eye(z.shape[1], dtype=z.dtype))
    return factor
