"""Ablations of the VAE: its KL term with a quarter and with four times its weight (Higgins et al. 2017, "beta-VAE").

Objective: -E_q log P(x|z) + beta KL(q(z|x) || p(z)), nats a picture; beta = 1 is `vae`                    (Higgins eq. 4)
Everything else is `vae`: the pair isolates what regularising costs. They do not stand for their family (`ablation`).
"""

from paragone.models.autoencoder.vae import VAE
from paragone.models.contract import register


@register("vae-kl-quarter", family="autoencoder", modalities=("image",))
class WeakKL(VAE):
    """beta = 1/4."""

    samplers = ("mean",)
    ablation = True
    kl_weight = 0.25


@register("vae-kl-4", family="autoencoder", modalities=("image",))
class StrongKL(VAE):
    """beta = 4."""

    samplers = ("mean",)
    ablation = True
    kl_weight = 4.0
