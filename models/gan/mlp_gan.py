"""A GAN of points with plain multilayer perceptrons (Goodfellow et al. 2014, arXiv:1406.2661), as mode collapse is studied with.

Generator G: z ~ N(0, I) to a point; discriminator D: the log-odds that a point is real. With S = sigmoid, as in `dcgan`:
    D descends  -E log S(D(x)) - E log(1 - S(D(G(z)))) + gamma / 2 (E |grad D(x)|^2 + E |grad D(G(z))|^2)
    G descends  -E log S(D(G(z)))                                       (Goodfellow 2014, end of section 3)
Such a GAN of two perceptrons loses modes of a grid of 25 or a ring of 8 Gaussians (Srivastava et al. 2017, arXiv:1705.07761,
section 5.1; Lin et al. 2018, arXiv:1712.04086, section 4.1). It is not helped against it: no packing, no reconstruction of z, no
minibatch statistics. Points enter D, and z enters G, with sines and cosines (Tancik et al. 2020, arXiv:2006.10739), as points
do in the other contenders. Its stabilisers are R1 and R2 (Mescheder et al. 2018, arXiv:1801.04406, eq. 9 and 10), lazy as in
`dcgan`, whose weight falls in training (as in Roth et al. 2017, arXiv:1705.09367), and sampling from an average of G's weights.
Sampling cost: one pass. No likelihood.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, register
from paragone.models.gan.dcgan import discriminator_loss, generator_loss
from paragone.models.layers.adversarial import SLOPE, initialise, r1_penalty
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.embeddings import Waves
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

HIDDEN_LAYERS = 2
"""Of either net."""
LATENT_OCTAVES, OCTAVES = 4, 3
"""Of the sines and cosines in which z enters G, and x enters D."""
LOWEST = math.pi / 2
"""Frequency of the first octave: the plane's points lie within two standard deviations."""


@register("mlp-gan", family="gan", modalities=("points",))
class MLPGAN(Contender):
    """The GAN; both nets take one step an update, the discriminator first.

    Hyper-parameters, chosen by energy distance to validation points, 2,500 against 2,500 (two draws of the grid are 1.3e-3 to
    1.7e-3 apart, a Gaussian of its moments 1.7e-2), mostly on the grid after 5 CPU-seconds at one seed. Waves into D alone were
    mostly worse (three or four octaves 8.9e-3 to 4.8e-1, for 5.7e-3 without); into G as well, they gave 6.4e-3 to 1.3e-2 at
    two to four times the modes. After 10 seconds gamma falling 0.1 to 0.01 gave 2.2e-3 and on the ring 3.5e-3, at 0.1 throughout
    2.8e-3 and 5.7e-3, 0.3 to 0.03 4.5e-3 and 3.3e-3; down to 1e-3 the ring lost modes (5.0e-1). No better: batch norm in G,
    z of 4 dimensions, one backward pass for both nets.

    After 10 CPU-seconds (about 3,000 updates) at 200,000 parameters, three seeds; a mode counts with 20 of 2,500 samples within
    three standard deviations, and the share is that of samples so near to any mode:
                        modes     share          energy distance
        grid, before    6 3 5     .12 to .27     5.3e-3 5.2e-3 5.2e-3
        grid            21 24 22  .36 .41 .41    2.2e-3 3.1e-3 2.4e-3
        ring, before    8 8 5                    3.7e-3 4.6e-3 1.3e-2
        ring            8 8 8     .69 .62 .55    3.5e-3 4.4e-3 1.0e-2
    `before` is without waves, R1 of 0.1 on real points. The ring is fragile: after 2,000 updates at width 128 four seeds gave
    4.5e-1, 1.7e-1, 8.6e-3 and 6.5e-2, and no better with gamma 0.1 throughout.
    """

    batch_size = 64
    latent = 2  # dimensions of z
    learning_rate = 1e-3  # of both nets
    betas = (0.5, 0.99)
    gammas = (0.1, 0.01)  # weight of R1 and R2 at the start and at the end
    penalty_interval = 8  # k, updates
    average_decay = 0.99

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        (size,) = spec.shape
        self.generator_net = perceptron(Waves(self.latent, LATENT_OCTAVES, LOWEST), width, size, nn.ReLU())
        self.discriminator = perceptron(Waves(size, OCTAVES, LOWEST, fall=0.5), width, 1, nn.LeakyReLU(SLOPE))
        self.average = WeightAverage(self.generator_net, self.average_decay)
        self.optimisers = tuple(
            torch.optim.Adam(net.parameters(), lr=self.learning_rate, betas=self.betas, fused=True)
            for net in (self.discriminator, self.generator_net)
        )
        self.updates = 0

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        rate = self.learning_rate * warm_up(progress) * cosine(progress) * self.learning_rate_factor
        for optimiser in self.optimisers:
            set_learning_rate(optimiser, rate)
        fake = self.generator_net(self.draw_latents(len(batch.x), self.generator))
        critic_loss, penalty = self._step_discriminator(batch.x, fake.detach(), self.gamma_at(progress))
        loss = generator_loss(self.discriminator(fake))
        self._step(1, loss, self.generator_net)
        self.average.follow(self.generator_net)
        self.updates += 1
        return {"discriminator_loss": critic_loss, "generator_loss": loss.detach(), **penalty}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        self.choose_sampler(sampler)
        return self.decode(self.draw_latents(n, generator))

    def decode(self, z: Tensor) -> Tensor:
        points: Tensor = self.average.module(z)
        return points

    def gamma_at(self, progress: float) -> float:
        """The penalty's weight, which falls from the first of `gammas` to the second by equal factors."""
        first, last = self.gammas
        return float(first * (last / first) ** progress)

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.latent, generator=generator, device=generator.device)

    def _step_discriminator(self, real: Tensor, fake: Tensor, gamma: float) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = self.discriminator(torch.cat([real, fake])).split(len(real))
        loss = discriminator_loss(on_real, on_fake)
        logged = loss.detach()
        penalty: dict[str, Tensor] = {}
        if self.updates % self.penalty_interval == 0:
            # By `forward`, as a call may be compiled, and compiled code cannot be differentiated twice.
            r1, r2 = (r1_penalty(self.discriminator.forward, x) for x in (real, fake))
            loss = loss + self.penalty_interval * gamma / 2 * (r1 + r2)
            penalty = {"r1": r1.detach(), "r2": r2.detach()}
        self._step(0, loss, self.discriminator)
        return logged, penalty

    def _step(self, which: int, loss: Tensor, net: nn.Module) -> None:
        """Descend `loss` in the parameters of `net` alone."""
        self.optimisers[which].zero_grad()
        loss.backward(inputs=list(net.parameters()))
        self.optimisers[which].step()


def perceptron(waves: Waves, width: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    """(B, inputs) to (B, outputs): waves, then HIDDEN_LAYERS layers of `width` units, whose biases start at N(0, 1)."""
    sizes = [waves.outputs, *[width] * HIDDEN_LAYERS]
    hidden = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    net = nn.Sequential(waves, *(m for layer in hidden for m in (layer, activation)), nn.Linear(width, outputs))
    initialise(net)
    for layer in hidden:
        nn.init.normal_(layer.bias)
    return net
