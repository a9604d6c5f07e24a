"""Denoising diffusion (Ho et al. 2020, arXiv:2006.11239), sampled by DDPM, DDIM (Song et al. 2020, arXiv:2010.02502) or a solver.

Data x: images in [-1, 1], (B, C, H, W), or points (B, C). Forward: x_t = a_t x + s_t e, e ~ N(0, I), a_t^2 + s_t^2 = 1,
t = 0 .. T = 1000, with the cosine schedule (Nichol and Dhariwal 2021, arXiv:2102.09672). The network predicts v = a_t e - s_t x
(Salimans and Ho 2022, arXiv:2202.00512), from which the predicted x = a_t x_t - s_t v. Objective, t uniform and stratified:

    E w_t |v - v_theta(x_t, t, c)|^2, w_t = min(SNR_t, 5) / (SNR_t + 1) = min(a_t^2, 5 s_t^2)  (Hang et al. 2023, arXiv:2303.09556)

c is the class where data is labelled: an embedding, added to that of the time. In a tenth of the training items it is the null
class, which stands for any. Guided samplers `cfg-w` take v = v_null + w (v_c - v_null): 0 is unconditional, 1 conditional, more
is more typical of the class (Ho and Salimans 2022, arXiv:2207.12598, eq. 6, whose w is ours less 1). As predicted e and x are
affine in v, and the weights 1 - w and w sum to 1, theirs is the same formula. All other samplers are conditional, w = 1.

Samplers (`layers/denoising.py`): `ddim-N` and `ddpm-N` in N steps, `dpm-N` the second-order DPM-Solver++(2M), `cfg-w` by DDIM
in 50. One network pass a step; guidance with w other than 0 and 1 doubles its batch. For images the predicted x is clipped to
[-1, 1], where they lie (as Ho's published code does). Sampling uses averaged weights (EMA). Training is by Muon (inner
matrices) and Adam (the rest).
Likelihood: an unbiased estimate of the variational bound (`layers/variational.py`), hence `Likelihood(..., exact=False)`;
unconditional where data is labelled; none for continuous data.

Hyper-parameters were chosen by FID against digits' validation split after 10 CPU-seconds of training, one seed each, where
differences below 1 are noise: v with w_t 6.7, weighted as e 7.4, plain v 8.5; plain v with the linear schedule 12.8.
"""

import torch
from torch import Tensor, nn

from paragone.models.contract import Batch, Contender, DataSpec, Likelihood, register
from paragone.models.layers.denoising import Denoiser, ancestral, ddim, dpm_solver, normal
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.muon import Muon
from paragone.models.layers.noise import NoiseSchedule, cosine_alpha_bar, stratified_times
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up
from paragone.models.layers.timed_mlp import TimedMLP
from paragone.models.layers.unet import UNet
from paragone.models.layers.variational import variational_bound

TIMESTEPS = 1000
LEARNING_RATE = 1e-2
"""Of both optimisers; far above the papers' 1e-4 to 1e-3: they train for 10^5 to 10^6 steps, this for 10^2 to 10^3."""
POINTS_LEARNING_RATE = 3e-3
POINT_DRAWS = 4  # of time and noise for each point of a batch
WARM_UP_SHARE = 0.03
BETAS = (0.9, 0.99)
EMA_DECAY = 0.99
SNR_CEILING = 5.0
NULL_SHARE = 0.1  # of training items whose class is hidden
GUIDED_STEPS = 50
SAMPLING_BATCH = 500  # items of which samples are drawn at once: bounds the memory
BOUND_EVALUATIONS = 16  # network passes an image in `log_prob`
DRAWS = {"ddim": ddim, "ddpm": ancestral, "dpm": dpm_solver}


@register("ddpm", family="diffusion", modalities=("image", "points"))
class DDPM(Contender):
    """A network that predicts the velocity; `width` is the number of channels at half resolution, or of hidden units."""

    batch_size = 64
    samplers = (
        "ddim-50", "ddim-4", "ddim-10", "ddim-20", "ddim-100", "ddim-1000", "ddpm-4", "ddpm-10", "ddpm-20", "ddpm-50", "ddpm-100",
        "ddpm-1000", "dpm-10", "dpm-20", "cfg-0", "cfg-1", "cfg-3", "cfg-7",
    )  # fmt: skip
    labelled_samplers = ("cfg-0", "cfg-1", "cfg-3", "cfg-7")
    autocast = True  # FID of `ddim-50` 2.9 with, 3.0 without, sd 0.3 over 3 seeds of 600 updates on digits

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.spec, self.points = spec, spec.modality == "points"
        self.network = Network(spec, width)
        self.average = WeightAverage(self.network, EMA_DECAY)
        self.schedule = NoiseSchedule(cosine_alpha_bar(TIMESTEPS))
        weight = self.schedule.a**2  # w_t
        if not self.points:
            weight = torch.minimum(weight, SNR_CEILING * self.schedule.s**2)
        self.register_buffer("weight", weight, persistent=False)
        self.weight: Tensor
        self.learning_rate = POINTS_LEARNING_RATE if self.points else LEARNING_RATE
        inner = [] if self.points else self.network.body.inner_weights()
        others = [p for p in self.network.parameters() if all(p is not weight for weight in inner)]
        adam = torch.optim.Adam(others, lr=self.learning_rate, betas=BETAS, fused=True)
        self.optimisers: tuple[torch.optim.Optimizer, ...] = (*([Muon(inner, lr=LEARNING_RATE)] if inner else []), adam)

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        schedule, x, classes = self.schedule, batch.x, batch.condition
        if self.points:
            x, classes = x.repeat(POINT_DRAWS, 1), None if classes is None else classes.repeat(POINT_DRAWS)
        t = stratified_times(len(x), TIMESTEPS, self.generator)  # (B,)
        e = torch.randn(x.shape, generator=self.generator, device=x.device)
        v = self.network(schedule.add_noise(x, e, t), t / TIMESTEPS, self._hide_some(classes))
        error = (v - schedule.velocity(x, e, t)).square().flatten(1).mean(1)  # (B,)
        loss = (self.weight[t].to(error.dtype) * error).mean()
        rate = self.learning_rate * warm_up(progress, WARM_UP_SHARE) * cosine(progress) * self.learning_rate_factor
        self.network.zero_grad()
        loss.backward()
        for optimiser in self.optimisers:
            set_learning_rate(optimiser, rate)
            optimiser.step()
        self.average.follow(self.network)
        return {"loss": loss.detach()}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        name = self.choose_sampler(sampler)
        if name not in self.offered_samplers(self.spec):
            raise ValueError(f"{self.name}/{name} needs labels, and this data has none; choose {self.samplers[0]}, for example")
        kind, number = name.split("-")
        draw, steps, w = (ddim, GUIDED_STEPS, float(number)) if kind == "cfg" else (DRAWS[kind], int(number), 1.0)
        if self.spec.classes is not None and condition is None:
            condition = torch.randint(self.spec.classes, (n,), generator=generator, device=generator.device)
        items = []
        for start in range(0, n, SAMPLING_BATCH):
            shape = (min(SAMPLING_BATCH, n - start), *self.spec.shape)
            noise = torch.randn(shape, generator=generator, device=generator.device)
            classes = None if condition is None else condition[start : start + SAMPLING_BATCH]
            items.append(draw(self.schedule, self._denoiser(classes, w), noise, steps, generator))
        return torch.cat(items)

    def log_prob(self, x: Tensor) -> Likelihood:
        if self.spec.levels is None:
            raise NotImplementedError("ddpm bounds the likelihood of discrete data only; this data has no levels")
        generator = torch.Generator(x.device).manual_seed(0)  # its own: the estimate is the same each time
        bound = variational_bound(self.schedule, self._denoiser(), x, self.spec.levels, BOUND_EVALUATIONS, generator)
        return Likelihood(bound, exact=False)

    def corrupt(self, x: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        t = torch.full((1,), round(progress * TIMESTEPS), device=x.device)
        return self.schedule.add_noise(x, normal(x, generator), t)

    def _hide_some(self, classes: Tensor | None) -> Tensor | None:
        """Classes (B,), about a tenth of which are replaced by the null class."""
        if self.spec.classes is None or classes is None:
            return None
        hidden = torch.rand(len(classes), generator=self.generator, device=classes.device) < NULL_SHARE
        return classes.masked_fill(hidden, self.spec.classes)

    def _denoiser(self, classes: Tensor | None = None, w: float = 1.0) -> Denoiser:
        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            v = guided(self.average.module, x_t, t / TIMESTEPS, classes, w)
            x = self.schedule.clean_from_velocity(x_t, v, t)
            return x if self.points else x.clamp(-1, 1)

        return denoise


class Network(nn.Module):
    """v (B, ...) of x_t (B, ...), times in [0, 1], (B,) or (1,), and classes (B,); None, or their number, is the null class."""

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        embedding = 2 * width
        self.body: UNet | TimedMLP
        if spec.modality == "points":
            embedding = 64
            self.body = TimedMLP(spec.shape[0], width, embedding)
        else:
            full = 16 * max(1, round(width / 48))  # blocks of 16 channels are what vector units take
            self.body = UNet(spec.shape[0], (full, width, width + width // 2), embedding)
        self.null = spec.classes or 0  # index of the null class
        self.classes = None if spec.classes is None else nn.Embedding(spec.classes + 1, embedding)
        if self.classes is not None:
            nn.init.zeros_(self.classes.weight)  # at first the classes share all that is learnt

    def forward(self, x_t: Tensor, time: Tensor, classes: Tensor | None = None) -> Tensor:
        condition = None
        if self.classes is not None:
            condition = self.classes(torch.full((1,), self.null, device=x_t.device) if classes is None else classes)
        v: Tensor = self.body(x_t, time, condition)
        return v


def guided(network: "Network", x_t: Tensor, time: Tensor, classes: Tensor | None, w: float) -> Tensor:
    """v_null + w (v_c - v_null), (B, ...): one pass where one of the two has weight 0, else one pass of twice the batch."""
    if classes is None or w in (0, 1):
        v: Tensor = network(x_t, time, None if w == 0 else classes)
        return v
    both = torch.cat([torch.full_like(classes, network.null), classes])  # (2 B,)
    v = network(torch.cat([x_t, x_t]), time.expand(len(x_t)).repeat(2), both).to(x_t.dtype)
    v_null, v_c = v.chunk(2)
    return torch.lerp(v_null, v_c, w)
