"""Progressive distillation (Salimans and Ho 2022, arXiv:2202.00512): a teacher, then students of halved steps, in one budget.

Data x in [-1, 1], (B, C, H, W); x_t = a_t x + s_t e, t = 0 .. T; a network F gives the velocity, from which the predicted x
is f(x_t, t) = a_t x_t - s_t F(x_t, t). Sampler `pd-N` takes N deterministic steps of DDIM, each a network pass.

Stage `teacher`: F learns the velocity as `ddpm`'s does, and is sampled as if it needed 2 N = 16 steps.
Stages `to-N`, N = 8, 4, 2, 1: the student, which starts as the last network, learns to do in one step what its teacher does
in two, from t over t' = t - T / 2N to t'' = t - T / N (algorithm 2):

    x_t' = DDIM(x_t, f_teacher(x_t, t), t -> t'),   x_t'' = DDIM(x_t', f_teacher(x_t', t'), t' -> t'')
    target x = (x_t'' - (s_t'' / s_t) x_t) / (a_t'' - (s_t'' / s_t) a_t)          (appendix G, eq. 43)
    E (SNR_t + 1) |target x - f(x_t, t)|^2, t uniform over the N times            (section 4, "SNR+1")

which is the squared error of the velocity. Then the student is the next teacher. Each finished student is kept for its sampler:
`pd-4` runs the network that was made for 4 steps. Before it is made, the newest network there is runs in that many steps.
A student is the teacher's network trained on, so that parameters count once. No likelihood.

Hyper-parameters were chosen by FID against digits' validation split after 20 CPU-seconds in all, mostly at one seed, where
differences below 0.4 are noise. FID in 8, 4, 2, 1 steps is the teacher's in 16 (2.1 to 2.9) plus about 0.0, 0.3, 0.8, 1.8,
so most of the budget goes to the teacher; an average of 0.9 in the students was a little better than of 0.97, batches of 32
worse, rates from 3e-3 to 1e-2 and the other weights of section 4 as good. `ddpm` by DDIM in as many steps: 1.9, 2.7, 8.3, 92.
"""

from typing import cast

import torch
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, register
from paragone.models.layers.distillation import TIMESTEPS, Diffusion, MuonAdam, Network, normal_like
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.noise import stratified_times
from paragone.models.layers.optim import cosine, warm_up
from paragone.models.layers.unet import UNet

HALVINGS = (8, 4, 2, 1)
"""Steps of each student."""
TEACHER_RATE = 1e-2
STUDENT_RATE = 2e-3
WARM_UP_SHARE = 0.03
TEACHER_DECAY = 0.99
STUDENT_DECAY = 0.9
SAMPLING_BATCH = 500  # images a network pass: bounds the memory


@register("progressive-distillation", family="diffusion", modalities=("image",))
class ProgressiveDistillation(Contender):
    """One U-Net, first teacher, then each student in turn; `width` is its number of channels at half resolution, as in `ddpm`."""

    batch_size = 64
    samplers = ("pd-4", "pd-1", "pd-2", "pd-8")
    stages = (("teacher", 0.78), ("to-8", 0.03), ("to-4", 0.05), ("to-2", 0.07), ("to-1", 0.07))

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.diffusion = Diffusion(bound=1.0)
        full = 16 * max(1, round(width / 48))
        self.network = UNet(spec.shape[0], (full, width, width + width // 2), embedding=2 * width)
        decays = [TEACHER_DECAY, *[STUDENT_DECAY] * len(HALVINGS)]
        self.made = nn.ModuleList(WeightAverage(self.network, decay) for decay in decays)  # one a stage
        self.optimiser = self._new_optimiser()

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        name, spent = self.stage_at(progress)
        stage = [name for name, _ in self.stages].index(name)
        while self._newest() < stage:
            self._begin_next()
        decay = warm_up(spent, WARM_UP_SHARE) * cosine(spent) * self.learning_rate_factor
        if stage == 0:
            loss = self.diffusion.denoising_loss(self.network, batch.x, self.generator)
            self.optimiser.descend(loss, TEACHER_RATE * decay)
        else:
            loss = self.halving_loss(batch.x, self._average(stage - 1).module, HALVINGS[stage - 1])
            self.optimiser.descend(loss, STUDENT_RATE * decay)
        self._average(stage).follow(self.network)
        return {"teacher_loss" if stage == 0 else "student_loss": loss.detach()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        steps = int(self.choose_sampler(sampler).split("-")[1])
        network = self._average(min(1 + HALVINGS.index(steps), self._newest())).module
        images = []
        for start in range(0, n, SAMPLING_BATCH):
            shape = (min(SAMPLING_BATCH, n - start), *self.spec.shape)
            noise = torch.randn(shape, generator=generator, device=generator.device)
            images.append(self.diffusion.ddim(network, noise, steps))
        return torch.cat(images)

    def corrupt(self, x: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        return self.diffusion.corrupt(x, progress, generator)

    def halving_loss(self, x: Tensor, teacher: Network, steps: int) -> Tensor:
        """The objective on a batch (B, C, H, W) of the student that takes `steps` steps, two of `teacher` in each."""
        span = TIMESTEPS // steps
        t = stratified_times(len(x), steps, self.generator) * span  # (B,)
        x_t = self.diffusion.schedule.add_noise(x, normal_like(x, self.generator), t)
        with torch.no_grad():
            target = two_steps_in_one(self.diffusion, teacher, x_t, t, span)
        error = (self.diffusion.clean(self.network, x_t, t) - target).square().flatten(1).mean(1)
        return (self.diffusion.velocity_weight(t) * error).mean()

    def _average(self, stage: int) -> WeightAverage[UNet]:
        return cast("WeightAverage[UNet]", self.made[stage])

    def _newest(self) -> int:
        """The last stage that has begun."""
        return max((stage for stage in range(len(self.made)) if self._average(stage).steps), default=0)

    def _begin_next(self) -> None:
        """The next student starts as the average of the network before it, its optimisers with empty momenta."""
        stage = self._newest()
        before, after = self._average(stage).module, self._average(stage + 1)
        self.network.load_state_dict(before.state_dict())
        after.module.load_state_dict(before.state_dict())
        after.steps = 1
        self.optimiser = self._new_optimiser()

    def _new_optimiser(self) -> MuonAdam:
        return MuonAdam(list(self.network.parameters()), self.network.inner_weights())


def two_steps_in_one(diffusion: Diffusion, teacher: Network, x_t: Tensor, t: Tensor, span: int) -> Tensor:
    """The x that leads by one DDIM step from t to t - span where the teacher comes to in two (appendix G), (B, C, H, W)."""
    half, end = t - span // 2, t - span
    x_half = diffusion.jump(x_t, diffusion.clip(diffusion.clean(teacher, x_t, t)), t, half)
    x_end = diffusion.jump(x_half, diffusion.clip(diffusion.clean(teacher, x_half, half)), half, end)
    a_t, s_t = diffusion.schedule.at(t, x_t)
    a_end, s_end = diffusion.schedule.at(end, x_t)
    return (x_end - s_end / s_t * x_t) / (a_end - s_end / s_t * a_t)
