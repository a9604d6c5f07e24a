"""A GAN of points with plain multilayer perceptrons (Goodfellow et al. 2014, arXiv:1406.2661)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, register
from paragone.models.gan.dcgan import discriminator_loss, generator_loss
from paragone.models.layers.adversarial import SLOPE, initialise, r1_penalty
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

HIDDEN_LAYERS = 2
"""Of either net."""


@register("mlp-gan", family="gan", modalities=("points",))
class MLPGAN(Contender):
    """The GAN; both nets take one step an update, the discriminator first."""

    batch_size = 64
    latent = 2  # dimensions of z
    learning_rate = 1e-3  # of both nets
    betas = (0.5, 0.99)
    gamma = 0.01  # weight of R1
    penalty_interval = 4  # k, updates
    average_decay = 0.99

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        (size,) = spec.shape
        self.generator_net = perceptron(self.latent, width, size, nn.ReLU())
        self.discriminator = perceptron(size, width, 1, nn.LeakyReLU(SLOPE))
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
        critic_loss, penalty = self._step_discriminator(batch.x, fake.detach())
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

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.latent, generator=generator, device=generator.device)

    def _step_discriminator(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = self.discriminator(torch.cat([real, fake])).split(len(real))
        loss = discriminator_loss(on_real, on_fake)
        logged = loss.detach()
        penalty = {}
        if self.updates % self.penalty_interval == 0:
            # By `forward`, as a call may be compiled, and compiled code cannot be differentiated twice.
            r1 = r1_penalty(self.discriminator.forward, real)
            loss = loss + self.penalty_interval * self.gamma / 2 * r1
            penalty["r1"] = r1.detach()
        self._step(0, loss, self.discriminator)
        return logged, penalty

    def _step(self, which: int, loss: Tensor, net: nn.Module) -> None:
        """Descend `loss` in the parameters of `net` alone."""
        self.optimisers[which].zero_grad()
        loss.backward(inputs=list(net.parameters()))
        self.optimisers[which].step()


def perceptron(inputs: int, width: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    """(B, inputs) to (B, outputs) by HIDDEN_LAYERS layers of `width` units, whose biases start at N(0, 1)."""
    sizes = [inputs, *[width] * HIDDEN_LAYERS]
    hidden = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    net = nn.Sequential(*(m for layer in hidden for m in (layer, activation)), nn.Linear(width, outputs))
    initialise(net)
    for layer in hidden:
        nn.init.normal_(layer.bias)
    return net
