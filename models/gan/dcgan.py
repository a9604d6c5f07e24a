"""Deep convolutional GAN (Radford et al. 2015, arXiv:1511.06434) with non-saturating loss, R1 and averaged weights.

Generator G: z ~ N(0, I) to a picture; discriminator D: the log-odds that a picture is real. With S = sigmoid:
    D descends  -E log S(D(x)) - E log(1 - S(D(G(z)))) + gamma / 2 E |grad_x D(x)|^2
    G descends  -E log S(D(G(z)))                                (Goodfellow et al. 2014, arXiv:1406.2661, end of section 3)
R1, the last term of D, is taken on real pictures only: with it the game converges locally (Mescheder et al. 2018,
arXiv:1801.04406, eq. 9). It is added at every k-th update, k times as strong: as good at less cost (Karras et al. 2020,
arXiv:1912.04958, section 3.1).
Sampling cost: one pass of an average of G's weights (Karras et al. 2018, arXiv:1710.10196, section 4.1). No likelihood.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from paragone.models.contract import Batch, Contender, DataSpec, register
from paragone.models.layers.adversarial import Discriminator, Generator, r1_penalty
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up


@register("dcgan", family="gan", modalities=("image",))
class DCGAN(Contender):
    """The DCGAN; both nets take one step an update, the discriminator first.

    Hyper-parameters, chosen by FID on the validation digits, mostly at one seed. Adam (0, 0.99): beta_1 = 0.5 gave 21 and 12
    where 0 gave 2.8 and 3.0. Rate 5e-3 with warm-up and cosine: 8e-3 was as good, 1.2e-2 collapsed in one of two runs.
    R1's gamma made little difference from 0.15 to 1. Shifting what D sees by up to a pixel (translation of DiffAugment, Zhao
    et al. 2020, arXiv:2006.10738) gave 5.2 and 6.0: these digits are centred. An early, slower net was no better for
    minibatch statistics; updating both nets in one pass, at lower cost, was worse.
    """

    batch_size = 64
    autocast = True  # FID 5.7 with and without, sd 0.4 over 4 seeds of 600 updates on digits
    latent = 32  # dimensions of z
    learning_rate = 5e-3  # of both nets
    betas = (0.0, 0.99)
    gamma = 0.5  # weight of R1
    penalty_interval = 8  # k, updates
    average_decay = 0.99

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.generator_net = Generator(spec.shape, self.latent, width)
        self.discriminator = Discriminator(spec.shape, width)
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
        loss = self._step_generator(fake)
        self.average.follow(self.generator_net)
        self.updates += 1
        return {"discriminator_loss": critic_loss, "generator_loss": loss, **penalty}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        self.choose_sampler(sampler)
        return self.decode(self.draw_latents(n, generator))

    def decode(self, z: Tensor) -> Tensor:
        picture: Tensor = self.average.module(z)
        return picture

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

    def _step_generator(self, fake: Tensor) -> Tensor:
        loss = generator_loss(self.discriminator(fake))
        self._step(1, loss, self.generator_net)
        return loss.detach()

    def _step(self, which: int, loss: Tensor, net: torch.nn.Module) -> None:
        """Descend `loss` in the parameters of `net` alone; the other net gets no gradient, which also saves its cost."""
        self.optimisers[which].zero_grad()
        loss.backward(inputs=list(net.parameters()))
        self.optimisers[which].step()


def discriminator_loss(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """-E log S(D(x)) - E log(1 - S(D(G(z)))) of logits (B,), nats."""
    return F.softplus(-on_real).mean() + F.softplus(on_fake).mean()


def generator_loss(on_fake: Tensor) -> Tensor:
    """-E log S(D(G(z))) of logits (B,), nats: its slope is steepest where the discriminator is sure."""
    return F.softplus(-on_fake).mean()
