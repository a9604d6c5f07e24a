"""StyleGAN 2 (Karras et al. 2020, arXiv:1912.04958), sized for pictures of 8 x 8 to 64 x 64 pixels.

Generator G: a mapping turns z ~ N(0, I), scaled to unit mean square, into w, and w by one affine map a layer into that layer's
styles s (Karras et al. 2019, arXiv:1812.04948, section 2). Synthesis starts from a learned constant map; each layer l is
    w'_ijk = s_i w_ijk                                  modulation of input channel i      (2020, eq. 1)
    w''_ijk = w'_ijk / sqrt(sum_ik w'_ijk^2 + eps)      demodulation of output channel j   (2020, eq. 3)
    h <- leaky ReLU(w'' * h + b_l + c_l n_l)            n_l ~ N(0, 1) a pixel, c_l learned (2019, section 2)
From each size the picture so far, doubled, gets colours (output skips; 2020, figure 7b), by modulated 4 x 4 weights that double:
the maps stop at half the size of the picture, which halves the cost of an update.
Style mixing: some training pictures follow one z up to a random layer and another z after it (2019, section 3.1).
Truncation: the sampler psi-0.7 replaces w by m + psi (w - m), m the mean of w (2019, appendix B): fidelity for variety.
As styles are affine in w, mixing and truncating styles is mixing and truncating w, and so it is done here.

D is `dcgan`'s, and so are its loss, G's, and the lazy R1 (2020, section 3.1):
    D descends  -E log S(D(x)) - E log(1 - S(D(G(z)))) + gamma / 2 E |grad_x D(x)|^2,    G descends  -E log S(D(G(z)))
Left out: path length regularisation (2020, section 3.2), a cost of each update for smoothness of large pictures, and minibatch
statistics, no better for `dcgan`. Doubling is a learned 4 x 4 transposed convolution, as in `dcgan`, without a filter after it.
Sampling cost: one pass of an average of G's weights. No likelihood.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paragone.models.contract import Batch, Contender, DataSpec, register
from paragone.models.gan.dcgan import discriminator_loss, generator_loss
from paragone.models.layers.adversarial import SLOPE, Discriminator, pyramid, r1_penalty
from paragone.models.layers.ema import WeightAverage
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

EPS = 1e-8
GAIN = math.sqrt(2)
"""Of each layer, so that leaky ReLU leaves unit scale."""
DEVIATION = 0.05
"""Of demodulated weights at the start: without effect on the maps, but longer weights turn less in a step."""
TRUNCATION = {"default": 1.0, "psi-0.7": 0.7}
"""psi of each sampler; 1 is plain sampling."""


@register("stylegan", family="gan", modalities=("image",))
class StyleGAN(Contender):
    """The StyleGAN; both nets take one step an update, the discriminator first.

    A latent is z followed by the noise of all layers: all that G is fed, so that a latent decodes to one picture.

    Hyper-parameters, chosen by FID on validation data, pairs of figures at two seeds. What matters most is who learns fast. Adam's
    step in a layer of n inputs moves its output by up to n rates, so the mapping's rate falls with its size: at rate 5e-3, with
    0.3 of it before the styles and all of it in their affine maps, width 32 gave 45 and 196 on digits after 400 updates, at 0.1 in
    both 6.3 and 6.2. Convolutions learn fast, their weights being short: on MNIST deviation 0.3 gave 5.0 and 6.1 after 25 s, 0.05
    3.4 and 1.6. Without skips MNIST gave 8.1 and 11.9 after 500 updates, with them 8.3 and 7.7. R1 as `dcgan` has it, gamma 0.5 at
    every 8th update, and averages of decay 0.99: 1.4, 0.9 and 1.5 on MNIST after 60 s, where 0.15, 16 and 0.995 gave 1.8 and 2.4
    (`dcgan` 1.5, 1.3 and 1.2) and digits 2.7 and 2.0 after 20 s, there 2.1 and 2.6. Rate 5e-3 gave 1.2, 1.4 and 1.7, 2.6 and 1.8;
    1e-2 collapsed in one of two runs, and so did a mapping three times as fast; no pictures mixed 1.7 and 2.0. Earlier, at one
    seed: mixing half of them gave 6.4, a tenth 3.3, as in few updates not all pairs of styles are learnt; four layers of mapping
    were no better than two.
    """

    batch_size = 64
    samplers = tuple(TRUNCATION)
    learned_buffers = ("mean_styles",)
    latent = 32  # dimensions of z
    learning_rate = 7e-3  # of both nets
    mapping_slowdown = 40  # the layers from z to styles learn more slowly by this over their size (2019, appendix C: 0.01)
    betas = (0.0, 0.99)
    gamma = 0.5  # weight of R1
    penalty_interval = 8  # k, updates
    mixed_share = 0.1  # of the pictures generated in training
    average_decay = 0.99

    def __init__(self, spec: DataSpec, width: int) -> None:
        super().__init__()
        self.generator_net = Generator(spec.shape, self.latent, width)
        self.discriminator = Discriminator(spec.shape, width)
        self.average = WeightAverage(self.generator_net, self.average_decay)
        self.register_buffer("mean_styles", torch.zeros(self.generator_net.mapping.styles.out_features))
        self.mean_styles: Tensor
        self.optimisers = tuple(
            torch.optim.Adam(
                [{"params": [*net.parameters()]} for net in groups], lr=self.learning_rate, betas=self.betas, fused=True
            )
            for groups in ([self.discriminator], [self.generator_net.synthesis, self.generator_net.mapping])
        )
        self.updates = 0

    def update(self, batch: Batch, progress: float) -> dict[str, Tensor | float]:
        rate = self.learning_rate * warm_up(progress) * cosine(progress) * self.learning_rate_factor
        for optimiser in self.optimisers:
            set_learning_rate(optimiser, rate)
        self.optimisers[1].param_groups[1]["lr"] = min(1.0, self.mapping_slowdown / self.generator_net.mapping.size) * rate
        fake = self._generate(len(batch.x))
        critic_loss, penalty = self._step_discriminator(batch.x, fake.detach())
        loss = generator_loss(self.discriminator(fake))
        self._step(1, loss, self.generator_net)
        self.average.follow(self.generator_net)
        self.updates += 1
        return {"discriminator_loss": critic_loss, "generator_loss": loss.detach(), **penalty}

    def sample(self, n: int, generator: torch.Generator, condition: Tensor | None = None, sampler: str | None = None) -> Tensor:
        psi = TRUNCATION[self.choose_sampler(sampler)]
        return self.decode_truncated(self.draw_latents(n, generator), psi)

    def decode(self, z: Tensor) -> Tensor:
        return self.decode_truncated(z, 1.0)

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        size = self.latent + sum(self.generator_net.synthesis.noise_sizes)
        return torch.randn(n, size, generator=generator, device=generator.device)

    def decode_truncated(self, latents: Tensor, psi: float) -> Tensor:
        """Pictures of latents (n, ...) whose w is drawn towards its mean: psi = 1 leaves it, psi = 0 gives the mean's picture."""
        net = self.average.module
        z, noise = self._parted(latents)
        styles = net.mapping(z)
        if psi != 1.0:
            styles = self.mean_styles + psi * (styles - self.mean_styles)
        picture: Tensor = net.synthesis(styles, noise)
        return picture

    def decode_mixed(self, z: Tensor, other: Tensor, part: str) -> Tensor:
        """Early are the layers before half of them; the noise is that of `z`."""
        if part not in ("early", "late"):
            raise ValueError(f'part {part!r} of the layers is none; write "early" or "late"')
        half = len(self.average.module.synthesis.noise_sizes) // 2
        (_, noise), (styles, others) = self._parted(z), (self.average.module.mapping(self._parted(y)[0]) for y in (z, other))
        early, late = (others, styles) if part == "early" else (styles, others)
        picture: Tensor = self.average.module.synthesis(self._crossed(early, late, half), noise)
        return picture

    def _crossed(self, early: Tensor, late: Tensor, crossover: int | Tensor) -> Tensor:
        """Styles (n, ...) that are `early` before layer `crossover` of the synthesis, one or (n, 1), and `late` from there on."""
        return torch.where(self.generator_net.synthesis.layer_of_style < crossover, early, late)

    def _parted(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """z (n, latent) and the noise of all layers, (n, pixels of all layers)."""
        return latents[:, : self.latent], latents[:, self.latent :]

    def _generate(self, n: int) -> Tensor:
        """Training pictures (n, C, H, W), the first `mixed_share` of them of mixed styles."""
        mapping, synthesis, draws = self.generator_net.mapping, self.generator_net.synthesis, self.generator
        mixed = round(self.mixed_share * n)
        z, noise = self._parted(self.draw_latents(n, draws))
        others = torch.randn(mixed, self.latent, generator=draws, device=draws.device)
        styles, late = mapping(torch.cat([z, others])).split([n, mixed])
        self._follow_mean(styles.detach())
        crossover = torch.randint(1, len(synthesis.noise_sizes), (mixed, 1), generator=draws, device=draws.device)
        blend = self._crossed(styles[:mixed], late, crossover)
        pictures: Tensor = synthesis(torch.cat([blend, styles[mixed:]]), noise)
        return pictures

    def _follow_mean(self, styles: Tensor) -> None:
        """The mean of styles (B, all input channels) over updates, by the recurrence of the averaged weights."""
        decay = min(self.average_decay, (1 + self.updates) / (10 + self.updates))
        self.mean_styles.lerp_(styles.float().mean(0), 1 - decay)

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


class Generator(nn.Module):
    """Mapping and synthesis side by side, as what is mixed or truncated lies between them."""

    def __init__(self, shape: tuple[int, ...], latent: int, width: int) -> None:
        super().__init__()
        self.synthesis = Synthesis(shape, width)
        pixels = math.prod(self.synthesis.noise_shapes[0])  # of the coarsest map
        self.mapping = Mapping(latent, max(width, width * pixels // 3), len(self.synthesis.layer_of_style))


class Mapping(nn.Module):
    """z (B, latent) to w (B, size), and w to the styles of all layers, (B, styles), which start about 1."""

    def __init__(self, latent: int, size: int, styles: int, depth: int = 2) -> None:
        super().__init__()
        self.size = size
        layers = [nn.Linear(a, b) for a, b in pairwise([latent, *[size] * depth])]
        self.layers = nn.Sequential(*(m for layer in layers for m in (layer, nn.LeakyReLU(SLOPE))))
        self.styles = nn.Linear(size, styles)
        for layer in [*layers, self.styles]:
            gain = 1.0 if layer is self.styles else 2.0 / (1 + SLOPE**2)
            nn.init.normal_(layer.weight, std=math.sqrt(gain / layer.in_features))
            nn.init.constant_(layer.bias, float(layer is self.styles))

    def forward(self, z: Tensor) -> Tensor:
        w = self.layers(z * (z.square().mean(1, keepdim=True) + EPS).rsqrt())
        styles: Tensor = self.styles(w)
        return styles


def _channels(wanted: int) -> int:
    """The nearest multiple of what vector units take, 8; of 4 where that would be too coarse."""
    step = 8 if wanted >= 32 else 4
    return step * max(1, round(wanted / step))


class Synthesis(nn.Module):
    """Styles (B, styles) and noise (B, pixels of all layers) to pictures (B, C, H, W) in [-1, 1].

    Each size of map has two convolutions; the first of the coarsest is that of the constant, of a finer one it doubles the map.
    """

    layer_of_style: Tensor

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        depths, (height, breadth) = pyramid(shape, width)
        if len(depths) == 1:
            raise ValueError(f"stylegan doubles maps and needs even sides, not {shape[1]} x {shape[2]} pixels")
        channels = [_channels(width * 2 ** min(level, 2)) for level in reversed(range(len(depths) - 1))]
        first = 6 * width  # maps of the constant
        layers: list[nn.Module] = [
            StyledConstant(first, channels[0], (height, breadth)),
            StyledConvolution(channels[0], channels[0]),
        ]
        for a, b in pairwise(channels):
            layers += [StyledConvolution(a, b, doubles=True), StyledConvolution(b, b)]
        self.layers = nn.ModuleList(layers)
        self.to_picture = nn.ModuleList(ToPicture(c, shape[0]) for c in channels)
        self.noise_shapes = [(1, height << (k // 2), breadth << (k // 2)) for k in range(len(layers))]
        self.noise_sizes = [math.prod(size) for size in self.noise_shapes]
        inputs = [first, channels[0], *(c for a, b in pairwise(channels) for c in (a, b))]
        self.style_sizes = inputs + channels  # one style an input channel: the layers', then `to_picture`'s
        owners = [*range(len(layers)), *range(1, len(layers), 2)]  # `to_picture` goes with the layer before it
        owner = torch.repeat_interleave(torch.tensor(owners), torch.tensor(self.style_sizes))
        self.register_buffer("layer_of_style", owner, persistent=False)  # (styles,)

    def forward(self, styles: Tensor, noise: Tensor) -> Tensor:
        parts, maps = styles.split(self.style_sizes, 1), noise.split(self.noise_sizes, 1)
        h, picture = styles.new_zeros(()), styles.new_zeros(())
        for k, layer in enumerate(self.layers):
            h = layer(h, parts[k], maps[k].unflatten(1, self.noise_shapes[k]))  # (B, channels, H_l, W_l)
            if k % 2 == 1:  # the last layer of its size
                shown = self.to_picture[k // 2](h, parts[len(self.layers) + k // 2])  # (B, C, 2 H_l, 2 W_l)
                picture = shown if k == 1 else shown + F.interpolate(picture, scale_factor=2.0, mode="bilinear")
        return picture.tanh()


class StyledConstant(nn.Module):
    """The layer of the learned constant: style s (B, in) and noise (B, 1, H, W) to (B, out, H, W); it has no other input.

    What each channel of the constant becomes under its weights is the same for all pictures, and s weighs these maps: one
    product of matrices, ninefold cheaper than convolving the modulated constant of each picture.
    """

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(inputs, *size))
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3) * DEVIATION)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(self, _: Tensor, s: Tensor, noise: Tensor) -> Tensor:
        patches = F.unfold(self.constant[:, None], 3, padding=1)  # (in, 9, pixels)
        maps = self.weight.flatten(2).transpose(0, 1) @ patches  # (in, out, pixels)
        h = (s @ maps.flatten(1)).view(len(s), -1, *self.constant.shape[1:])  # (B, out, H, W)
        energy = self.weight.square().sum((2, 3)).T
        return activate(h, s, energy, self.bias, self.noise_strength * noise)


class StyledConvolution(nn.Module):
    """h (B, in, H, W), style s (B, in) and noise (B, 1, H', W') to (B, out, H', W'), with H' = 2 H where it doubles.

    The convolution is linear, so that scaling its input by s and its output by the demodulation is convolving with w'': all
    pictures of a batch share one convolution, where w'' differs from picture to picture.
    """

    def __init__(self, inputs: int, outputs: int, doubles: bool = False) -> None:
        super().__init__()
        self.doubles = doubles
        shape = (inputs, outputs, 4, 4) if doubles else (outputs, inputs, 3, 3)
        self.weight = nn.Parameter(torch.randn(shape) * DEVIATION)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(self, h: Tensor, s: Tensor, noise: Tensor) -> Tensor:
        energy = self.weight.square().sum((2, 3))
        h = h * s[:, :, None, None]
        if self.doubles:
            h = F.conv_transpose2d(h, self.weight, stride=2, padding=1)
            energy = energy / 4  # a quarter of the 4 x 4 weights meets in one pixel
        else:
            h = F.conv2d(h, self.weight, padding=1)
            energy = energy.T
        return activate(h, s, energy, self.bias, self.noise_strength * noise)


def activate(h: Tensor, s: Tensor, energy: Tensor, bias: Tensor, noise: Tensor) -> Tensor:
    """Demodulate h (B, out, H, W) by styles s (B, in) and `energy` (in, out), sum_k w^2; then add, scale, leaky ReLU."""
    norm = (s.square() @ energy + EPS).rsqrt()  # (B, out)
    h = torch.addcmul(bias[:, None, None], h, GAIN * norm[:, :, None, None])
    # In place, as maps are large: what is overwritten no derivative needs.
    return F.leaky_relu_(h.add_(noise), SLOPE)


class ToPicture(nn.Module):
    """h (B, in, H, W) and style (B, in) to colours (B, C, 2 H, 2 W): 4 x 4 and doubling, modulated, not demodulated."""

    def __init__(self, inputs: int, colours: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(inputs, colours, 4, 2, 1)
        nn.init.normal_(self.convolution.weight, std=math.sqrt(1 / (4 * inputs)))
        assert self.convolution.bias is not None
        nn.init.zeros_(self.convolution.bias)

    def forward(self, h: Tensor, s: Tensor) -> Tensor:
        colours: Tensor = self.convolution(h * s[:, :, None, None])
        return colours
