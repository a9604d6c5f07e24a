"""Consistency model in pixels (Song et al. 2023, arXiv:2303.01469; Song and Dhariwal 2023, arXiv:2310.14189), in one budget.

Data x in [-1, 1], (B, C, H, W); x_t = a_t x + s_t e, t = 0 .. T. The function sought is constant along each trajectory of the
probability-flow ODE and is x at its start:

    f(x_t, t) = f(x_u, u) for all t, u of one trajectory,   f(x, 0) = x             (Song eq. 4; boundary condition)
    f(x_t, t) = a_t x_t - s_t F(x_t, t), which has the boundary built in, as s_0 = 0    (see `layers.distillation`)

Stage `teacher`: F learns the velocity as `ddpm`'s does. Stage `student`: the same F goes on, now to

    E 1 / s_t^2 d(f(x_t, t), f'(x_u, u)),   u < t neighbours on a grid of N times, f' an average of f, not differentiated

with d the pseudo-Huber distance (Song and Dhariwal section 3.3) and N growing with the stage (their section 3.4). x_u lies
beside x_t on one trajectory, found
    where t > 0.7 T: by the teacher's DDIM step from x_t               (distillation, Song algorithm 2)
    elsewhere: as a_u x + s_u e, by the x and the e of x_t itself      (training, Song theorem 2 and algorithm 3)
Of much noise a single x tells little of the trajectory, and its variance harms the quality in one step; of little noise it is
better than what a teacher of half the budget knows, which harms the quality in several.
Sampling: noise, f; then noised anew and f again, 1 to 8 passes (Song algorithm 1). Before the stage `student` the teacher's
predicted x serves as f. No likelihood.

Hyper-parameters were chosen by FID against digits' validation split after 20 CPU-seconds in all, mostly at one seed, where
differences below 0.5 are noise. In 1, 2, 4, 8 passes: both ways to x_u 3.9, 3.2, 2.0, 1.9; by the teacher alone 3.9, 3.4, 3.3,
3.2; by the data alone 6.6, 3.9, 2.3, 1.6 (one seed of a share of 0.7); squared instead of pseudo-Huber 8.1, 5.2, 3.0, 2.7 and a
target without averaging 33, 31, 30, 31 (distillation alone, N = 16). `ddpm` by DDIM in as many passes: 92, 8.3, 2.7, 1.9.
"""

import torch
from torch import Tensor

from paragone.models.contract import Batch, Contender, DataSpec, register
from paragone.models.layers.distillation import TIMESTEPS, Diffusion, MuonAdam, normal_like, pseudo_huber
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.noise import stratified_times
from paragone.models.layers.optim import cosine, warm_up
from paragone.models.layers.unet import UNet

TEACHER_RATE = 1e-2
STUDENT_RATE = 6e-3
WARM_UP_SHARE = 0.03
TEACHER_DECAY = 0.99
TARGET_DECAY = 0.95
AVERAGE_DECAY = 0.98
FIRST_GRID, LAST_GRID = 6, 20
"""N at the student's start and end; few times make a signal from t = 0 travel fast, many make neighbours near."""
TAUGHT_ABOVE = 0.7
"""Share of T above which the teacher finds the neighbour."""
SOFTNESS = 0.0125
SAMPLING_BATCH = 500  # images a network pass: bounds the memory


@register("consistency", family="diffusion", modalities=("image",))
class Consistency(Contender):
    """One U-Net, first teacher, then student; `width` is its number of channels at half resolution, as in `ddpm`."""

    batch_size = 64
    samplers = ("consistency-4", "consistency-1", "consistency-2", "consistency-8")
    stages = (("teacher", 0.5), ("student", 0.5))

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.diffusion = Diffusion(bound=1.0)
        full = 16 * max(1, round(width / 48))
        self.network = UNet(spec.shape[0], (full, width, width + width // 2), embedding=2 * width)
        self.teacher = WeightAverage(self.network, TEACHER_DECAY)
        self.target = WeightAverage(self.network, TARGET_DECAY)
        self.average = WeightAverage(self.network, AVERAGE_DECAY)
        self.register_buffer("distilling", torch.zeros((), dtype=torch.bool))
        self.distilling: Tensor
        self.optimiser = self._new_optimiser()

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        stage, spent = self.stage_at(progress)
        decay = warm_up(spent, WARM_UP_SHARE) * cosine(spent) * self.learning_rate_factor
        if stage == "teacher":
            loss = self.diffusion.denoising_loss(self.network, batch.x, self.generator)
            self.optimiser.descend(loss, TEACHER_RATE * decay)
            self.teacher.follow(self.network)
            return {"teacher_loss": loss.detach()}
        if not self.distilling:
            self._begin_student()
        loss = self.consistency_loss(batch.x, grid_size(spent))
        self.optimiser.descend(loss, STUDENT_RATE * decay)
        self.target.follow(self.network)
        self.average.follow(self.network)
        return {"student_loss": loss.detach()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        steps = int(self.choose_sampler(sampler).split("-")[1])
        network = self.average.module if self.distilling else self.teacher.module
        images = []
        for start in range(0, n, SAMPLING_BATCH):
            shape = (min(SAMPLING_BATCH, n - start), *self.spec.shape)
            noise = torch.randn(shape, generator=generator, device=generator.device)
            images.append(self.diffusion.multistep(network, noise, steps, generator))
        return torch.cat(images)

    def corrupt(self, x: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        return self.diffusion.corrupt(x, progress, generator)

    def consistency_loss(self, x: Tensor, grid: int) -> Tensor:
        """The student's objective on a batch (B, C, H, W), for neighbours on a grid of `grid` times."""
        t, u = neighbours(len(x), grid, self.generator)
        e = normal_like(x, self.generator)
        x_t = self.diffusion.schedule.add_noise(x, e, t)
        with torch.no_grad():
            x_u = self.neighbour(x, e, x_t, t, u)
            goal = self.diffusion.clip(self.diffusion.clean(self.target.module, x_u, u))
        distance = pseudo_huber(self.diffusion.clean(self.network, x_t, t) - goal, SOFTNESS)
        return (self.diffusion.velocity_weight(t) * distance).mean()

    def neighbour(self, x: Tensor, e: Tensor, x_t: Tensor, t: Tensor, u: Tensor) -> Tensor:
        """x_u beside x_t on its trajectory: by the teacher where there is much noise, else by the x and e of x_t."""
        taught = t > TAUGHT_ABOVE * TIMESTEPS  # (B,)
        predicted = self.diffusion.clip(self.diffusion.clean(self.teacher.module, x_t[taught], t[taught]))
        x_u = self.diffusion.schedule.add_noise(x, e, u)
        x_u[taught] = self.diffusion.jump(x_t[taught], predicted, t[taught], u[taught])
        return x_u

    def _begin_student(self) -> None:
        """The student, its target and its average start as the teacher, and its optimisers with empty momenta."""
        for module in (self.network, self.target.module, self.average.module):
            module.load_state_dict(self.teacher.module.state_dict())
        self.optimiser = self._new_optimiser()
        self.distilling.fill_(True)

    def _new_optimiser(self) -> MuonAdam:
        return MuonAdam(list(self.network.parameters()), self.network.inner_weights())


def grid_size(spent: float) -> int:
    """N, growing geometrically with the share of the stage that is spent."""
    return round(FIRST_GRID * (LAST_GRID / FIRST_GRID) ** spent)


def neighbours(count: int, grid: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Times t of a grid of `grid` even steps from 0 to T, stratified, and those before them, u < t; each (count,)."""
    i = stratified_times(count, grid, generator)
    return (i * TIMESTEPS) // grid, ((i - 1) * TIMESTEPS) // grid
