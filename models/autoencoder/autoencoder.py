"""Plain autoencoder: code z = e(x), picture d(z). What makes it generate is a density fitted to the codes afterwards.

Objective: E |d(e(x)) - x|^2, the mean over pixels. The nets are those of `vae`, and as there the encoder sees x + noise in
training (Vincent et al. 2008, denoising autoencoder), so that what lies between two codes decodes to a picture as well.
Samplers, each one pass of the decoder over codes from
    mixture    a Gaussian mixture fitted to the training codes in `prepare`    (Ghosh et al. 2020, arXiv:1903.12436)
    gaussian   N(mean, covariance) of the training codes
    prior      N(0, I), which nothing in training has prepared the decoder for
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from paragone.models.contract import Batch, Contender, DataSpec, NotTrained, register
from paragone.models.layers.convolutional import ConvDecoder, ConvEncoder
from paragone.models.layers.mixture import GaussianMixture
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up


@register("autoencoder", family="autoencoder", modalities=("image",))
class Autoencoder(Contender):
    """The autoencoder. Noise is that of `vae`; rate, code and mixture chosen by FID on the validation digits."""

    batch_size = 128
    samplers = ("mixture", "gaussian", "prior")
    autocast = True  # FID of `mixture` 1.9 with, 2.0 without, sd 0.4 over 4 seeds of 600 updates on digits
    code = 12  # dimensions of z
    components = 20  # of the mixture
    learning_rate = 3e-3  # 1e-2 and 5e-3 throw some seeds off on MNIST, and 3e-3 has the better FID on digits too
    input_noise = 0.3  # standard deviation, in units of pixels in [-1, 1]
    codes_fitted = 2048  # most training items that `prepare` encodes: it may cost a twentieth of the budget

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        channels, hidden = max(4, width // 4), 8 * width
        self.encoder = ConvEncoder(spec.shape, channels, hidden, self.code)
        self.decoder = ConvDecoder(spec.shape, channels, hidden, self.code)
        self.gaussian = GaussianMixture(1, self.code)
        self.mixture = GaussianMixture(self.components, self.code)
        self.optimiser = torch.optim.Adam(self.parameters(), lr=self.learning_rate, betas=(0.9, 0.99), fused=True)

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        rate = self.learning_rate * warm_up(progress) * cosine(progress) * self.learning_rate_factor
        set_learning_rate(self.optimiser, rate)
        noise = torch.randn(batch.x.shape, generator=self.generator, device=batch.x.device)
        loss = F.mse_loss(self.decoder(self.encoder(batch.x + self.input_noise * noise)), batch.x)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return {"loss": loss.detach()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        return self.decode(self.sample_codes(n, generator, self.choose_sampler(sampler)))

    def encode(self, x: Tensor) -> Tensor:
        z: Tensor = self.encoder(x)
        return z

    def decode(self, z: Tensor) -> Tensor:
        x: Tensor = self.decoder(z)
        return x.clamp(-1, 1)

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        return self.sample_codes(n, generator, self.samplers[0])

    @torch.no_grad()
    def prepare(self, batches: Iterable[Batch]) -> None:
        codes = self._first_codes(batches)
        self.gaussian.fit(codes)
        self.mixture.fit(codes)

    def sample_codes(self, n: int, generator: torch.Generator, sampler: str) -> Tensor:
        """Codes (n, code) as the sampler draws them."""
        if sampler == "prior":
            return torch.randn(n, self.code, generator=generator, device=generator.device)
        density = self.mixture if sampler == "mixture" else self.gaussian
        if not bool(density.fitted):
            raise NotTrained(f"autoencoder: sampler {sampler!r} needs `prepare`, which fits a density to the codes")
        return density.sample(n, generator)

    def _first_codes(self, batches: Iterable[Batch]) -> Tensor:
        """Codes of the first `codes_fitted` items, (N, code)."""
        codes: list[Tensor] = []
        for batch in batches:
            codes.append(self.encode(batch.x))
            if sum(map(len, codes)) >= self.codes_fitted:
                break
        return torch.cat(codes)[: self.codes_fitted]
