"""Latent consistency model (Luo et al. 2023, arXiv:2310.04378): autoencoder, teacher in its latent, student; one budget.

Stage `autoencoder`: x (B, C, H, W) -> z = (E(x) - m) / d (B, L, h, w), m and d each channel's running mean and deviation, so
that latents have unit variance; decoder D. Objective E |D(z + s n) - x|^2, n ~ N(0, I): the noise bounds what a latent can
carry and makes near latents decode alike, which is what a Kullback-Leibler term is for in Rombach et al. 2021
(arXiv:2112.10752, section 3.1). Then both are frozen.
Stage `teacher`: a velocity U-Net in the latent, as `ddpm`'s in pixels; where there are classes they are inputs, left out
one time in ten (Ho and Salimans 2022, arXiv:2207.12598).
Stage `student`: it starts as the teacher, and with z_t = a_t z + s_t e, u = t - k, f' an average of f,

    E 1 / s_t^2 d(f(z_t, t, w, c), f'(z_u, u, w, c)),    z_u = DDIM(z_t, x_w, t -> u)            (Luo eq. 14 and 17)
    x_w = f_teacher(z_t, t, none) + w (f_teacher(z_t, t, c) - f_teacher(z_t, t, none))           (the augmented ODE, eq. 11 to 13)

k is the skipping step (section 4.3), and u = 0 where t < k; w in [1, 4] is an input of the student, so that a guided sample
costs one pass a step: w = 1 is the conditional model, ours is Luo's w plus 1. Without classes x_w is the teacher's predicted
x. f(z_t, t) = a_t z_t - s_t F has the boundary f(z, 0) = z built in; see `layers.distillation`.
Sampling `lcm-N`: N passes (Song et al. 2023, arXiv:2303.01469, algorithm 1), then D; `lcm-4-cfg-W`: at guidance W.
Pictures are padded until h and w, a fourth of the sides (half, where no side has 16 pixels), are even, and cropped.

Hyper-parameters were chosen by FID against validation splits, one seed each, where differences below 0.5 are noise. MNIST,
300,000 parameters, 60 CPU-seconds, in 1, 2, 4, 8 passes: 5.8, 4.8, 3.6, 3.8; `consistency` 10.2, 9.0, 7.7, 7.4; `ddpm` by DDIM
in 4, 10, 50 steps 8.2, 6.5, 5.5, of a third of the updates. The teacher is what bounds it: in 50 steps 3.7, reconstructions
0.4 (training data 0.3).
With the autoencoder at half its rate, `lcm-4` after 40 s: 4.3; with half its share 6.3, with twice its noise 4.8; on digits
with classes after 15 s: 2.8 with w uniform and not scaled, 2.2 more often small, 2.1 scaled, 1.7 both, the teacher in 50
steps 1.5. Guidance makes classes plainer and FID worse: there 3.3 at w = 2, 4.7 at w = 4.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paragone.models.contract import Batch, Contender, DataSpec, NotTrained, register
from paragone.models.layers.convolutional import ResidualBlock
from paragone.models.layers.distillation import TIMESTEPS, Diffusion, MuonAdam, normal_like, pseudo_huber
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.noise import stratified_times
from paragone.models.layers.optim import cosine, warm_up
from paragone.models.layers.unet import UNet, from_zero

COMPRESSION = 8
"""Values of a picture for one of its latent; more latent values are rebuilt better, but drawn worse."""
LATENT_NOISE = 0.1
AUTOENCODER_RATE = 1e-2
TEACHER_RATE = 1e-2
STUDENT_RATE = 6e-3
WARM_UP_SHARE = 0.03
TEACHER_DECAY = 0.99
STUDENT_DECAY = 0.95
STATISTICS_DECAY = 0.8
SKIP = 64
"""k, of T = 1024 times."""
SOFTNESS = 0.0125
WITHOUT_LABEL = 0.1
"""Share of the teacher's items that it sees without their class."""
SMALLEST_GUIDANCE, LARGEST_GUIDANCE = 1.0, 4.0
GUIDANCE_SCALE = 4.0
"""By which the student's input w - 1 is multiplied: its weights start at 0 and have few steps to tell one w from another."""
SAMPLING_BATCH = 500  # images a network pass: bounds the memory


@register("lcm", family="diffusion", modalities=("image",))
class LCM(Contender):
    """All three parts in their stages; `width` is the channels of autoencoder and of the U-Net at half resolution."""

    batch_size = 64
    samplers = ("lcm-4", "lcm-1", "lcm-2", "lcm-8", "lcm-4-cfg-2", "lcm-4-cfg-4")
    labelled_samplers = ("lcm-4-cfg-2", "lcm-4-cfg-4")
    stages = (("autoencoder", 0.12), ("teacher", 0.5), ("student", 0.38))

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.autoencoder = Autoencoder(spec.shape, width)
        self.diffusion = Diffusion()
        self.network = Network(self.autoencoder.latent_shape[0], width, spec.classes)
        self.teacher = WeightAverage(self.network, TEACHER_DECAY)
        self.average = WeightAverage(self.network, STUDENT_DECAY)  # the target of training, and what is sampled
        self.autoencoder_optimiser = MuonAdam(list(self.autoencoder.parameters()), self.autoencoder.inner_weights())
        self.optimiser = self._new_optimiser()

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        stage, spent = self.stage_at(progress)
        decay = warm_up(spent, WARM_UP_SHARE) * cosine(spent) * self.learning_rate_factor
        if stage == "autoencoder":
            loss = self.reconstruction_loss(batch.x)
            self.autoencoder_optimiser.descend(loss, AUTOENCODER_RATE * decay)
            return {"squared_error": loss.detach()}
        labels = None if self.spec.classes is None else batch.condition  # (B,)
        with torch.no_grad():
            z = self.encode(batch.x)
        if stage == "teacher":
            loss = self.diffusion.denoising_loss(self.network, z, self.generator, self._some_without(labels))
            self.optimiser.descend(loss, TEACHER_RATE * decay)
            self.teacher.follow(self.network)
            return {"teacher_loss": loss.detach()}
        if not self.average.steps:
            self._begin_student()
        loss = self.consistency_loss(z, labels)
        self.optimiser.descend(loss, STUDENT_RATE * decay)
        self.average.follow(self.network)
        return {"student_loss": loss.detach()}

    def reconstruction_loss(self, x: Tensor) -> Tensor:
        """The autoencoder's objective; the latents' statistics follow."""
        z = self.autoencoder.encode(x, follow=True)
        return F.mse_loss(self.autoencoder.decode(z + LATENT_NOISE * normal_like(z, self.generator)), x)

    def consistency_loss(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """The student's objective on latents (B, L, h, w)."""
        t = stratified_times(len(z), TIMESTEPS, self.generator)  # (B,)
        z_t = self.diffusion.schedule.add_noise(z, normal_like(z, self.generator), t)
        w = None if labels is None else draw_guidance(len(z), self.generator)
        with torch.no_grad():
            u = (t - SKIP).clamp(min=0)
            z_u = self.diffusion.jump(z_t, self.guided(z_t, t, labels, w), t, u)
            goal = self.diffusion.clean(self.average.module, z_u, u, labels, w)
        distance = pseudo_huber(self.diffusion.clean(self.network, z_t, t, labels, w) - goal, SOFTNESS)
        return (self.diffusion.velocity_weight(t) * distance).mean()

    def guided(self, z_t: Tensor, t: Tensor, labels: Tensor | None, w: Tensor | None) -> Tensor:
        """x_w of the teacher; without labels the predicted x."""
        teacher = self.teacher.module
        if labels is None or w is None:
            return self.diffusion.clean(teacher, z_t, t)
        both = torch.cat([labels, teacher.nothing(labels)])
        known, unknown = self.diffusion.clean(teacher, torch.cat([z_t, z_t]), torch.cat([t, t]), both).chunk(2)
        return torch.lerp(unknown, known, w[:, None, None, None])

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        name = self.choose_sampler(sampler)
        if name in self.labelled_samplers and self.spec.classes is None:
            raise ValueError(f"sampler {name!r} of lcm needs labels, and this data has none")
        _, steps, *guidance = name.split("-")
        w = float(guidance[1]) if guidance else 1.0
        return self.decode(self._draw(n, generator, condition, int(steps), w))

    def encode(self, x: Tensor) -> Tensor:
        return self.autoencoder.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        return torch.cat([self.autoencoder.decode(part) for part in z.split(SAMPLING_BATCH)]).clamp(-1, 1)

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        return self._draw(n, generator, None, int(self.samplers[0].split("-")[1]), 1.0)

    def _draw(self, n: int, generator: torch.Generator, condition: Tensor | None, steps: int, w: float) -> Tensor:
        """Latents (n, L, h, w) by `steps` passes; the teacher's predicted x serves before there is a student."""
        if not self.teacher.steps:
            raise NotTrained("lcm samples once its second stage, the teacher, has begun")
        network = self.average.module if self.average.steps else self.teacher.module
        device = generator.device
        if self.spec.classes is None:
            condition = None
        elif condition is None:
            condition = torch.randint(self.spec.classes, (n,), generator=generator, device=device)
        latents = []
        for start in range(0, n, SAMPLING_BATCH):
            size = min(SAMPLING_BATCH, n - start)
            noise = torch.randn((size, *self.autoencoder.latent_shape), generator=generator, device=device)
            asked = () if condition is None else (condition[start : start + size], torch.full((size,), w, device=device))
            latents.append(self.diffusion.multistep(network, noise, steps, generator, *asked))
        return torch.cat(latents)

    def _some_without(self, labels: Tensor | None) -> Tensor | None:
        """The labels, each left out with a chance of `WITHOUT_LABEL`."""
        if labels is None:
            return None
        left_out = torch.rand(len(labels), generator=self.generator, device=labels.device) < WITHOUT_LABEL
        return torch.where(left_out, self.network.nothing(labels), labels)

    def _begin_student(self) -> None:
        """The student starts as the teacher, its average goes on from the teacher's, its optimisers have empty momenta."""
        self.network.load_state_dict(self.teacher.module.state_dict())
        self.average.load_state_dict(self.teacher.state_dict())  # with its number of steps: the decay is warm
        self.optimiser = self._new_optimiser()

    def _new_optimiser(self) -> MuonAdam:
        return MuonAdam(list(self.network.parameters()), self.network.unet.inner_weights())


def draw_guidance(count: int, generator: torch.Generator) -> Tensor:
    """w (count,) in [1, 4], more often small: where all are as likely, the conditional model, at the very end, comes out guided."""
    u = torch.rand(count, generator=generator, device=generator.device)
    return SMALLEST_GUIDANCE + (LARGEST_GUIDANCE - SMALLEST_GUIDANCE) * u**2


class Network(nn.Module):
    """Velocity of latents (B, L, h, w) at times (B,) or (1,), of classes (B,) and guidance (B,) where there are classes."""

    def __init__(self, channels: int, width: int, classes: int | None) -> None:
        super().__init__()
        full, embedding = 8 * max(1, round(width / 8)), 2 * width  # blocks of 8 channels are what vector units take
        self.unet = UNet(channels, (full, width + 3 * width // 8), embedding)
        self.classes = classes
        if classes is not None:
            self.label = nn.Embedding(classes + 1, embedding)  # the last: no class
            self.guidance = from_zero(nn.Linear(1, embedding))

    def forward(self, z_t: Tensor, time: Tensor, labels: Tensor | None = None, w: Tensor | None = None) -> Tensor:
        condition: Tensor | None = None
        if labels is not None:
            condition = self.label(labels)  # (B, embedding)
            if w is not None:
                condition = condition + self.guidance(GUIDANCE_SCALE * (w[:, None] - SMALLEST_GUIDANCE))
        velocity: Tensor = self.unet(z_t, time, condition)
        return velocity

    def nothing(self, labels: Tensor) -> Tensor:
        """As many times no class."""
        return torch.full_like(labels, cast(int, self.classes))


class Autoencoder(nn.Module):
    """Pictures of `shape` (C, H, W) to latents of `latent_shape` with zero mean and unit variance a channel, and back."""

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        hidden = 8 * max(1, round(width / 12))
        factor = 4 if max(shape[1:]) >= 16 else 2
        self.size = (shape[1], shape[2])
        extra = [-side % (2 * factor) for side in self.size]
        self.padding = (extra[1] // 2, extra[1] - extra[1] // 2, extra[0] // 2, extra[0] - extra[0] // 2)
        values = shape[0] * factor**2
        channels = max(2, values // COMPRESSION)
        self.latent_shape = (channels, *((side + more) // factor for side, more in zip(self.size, extra, strict=True)))
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(factor), nn.Conv2d(values, hidden, 3, padding=1), ResidualBlock(hidden), ResidualBlock(hidden)
        )
        self.encoder.append(nn.SiLU()).append(nn.Conv2d(hidden, channels, 1))
        self.decoder = nn.Sequential(nn.Conv2d(channels, hidden, 3, padding=1), ResidualBlock(hidden), ResidualBlock(hidden))
        self.decoder.append(nn.SiLU()).append(nn.Conv2d(hidden, values, 3, padding=1)).append(nn.PixelShuffle(factor))
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("variance", torch.ones(channels, 1, 1))
        self.mean: Tensor
        self.variance: Tensor

    def encode(self, x: Tensor, follow: bool = False) -> Tensor:
        """Latents by the running statistics, or, where these `follow`, by the batch's own."""
        z: Tensor = self.encoder(F.pad(x, self.padding, mode="replicate")).to(x.dtype)  # statistics are float32 under autocast too
        mean, variance = self.mean, self.variance
        if follow:
            mean, variance = z.mean((0, 2, 3))[:, None, None], z.var((0, 2, 3), correction=0)[:, None, None]
            self.mean.lerp_(mean.detach(), 1 - STATISTICS_DECAY)
            self.variance.lerp_(variance.detach(), 1 - STATISTICS_DECAY)
        return (z - mean) / (variance + 1e-6).sqrt()

    def decode(self, z: Tensor) -> Tensor:
        """Pictures, not bounded, with the padding cut off."""
        left, _, top, _ = self.padding
        x: Tensor = self.decoder(z)
        return x[..., top : top + self.size[0], left : left + self.size[1]]

    def inner_weights(self) -> list[nn.Parameter]:
        """Weights of the residual blocks' convolutions."""
        return [p for m in self.modules() if isinstance(m, ResidualBlock) for p in m.parameters() if p.dim() == 4]
