"""The contenders: every generative model that competes, usable without the harness."""

from importlib import import_module

from paragone.models.contract import (
    FAMILIES,
    Batch,
    Contender,
    ContractError,
    DataSpec,
    Likelihood,
    NotTrained,
    register,
    registered,
)

MODULES: tuple[str, ...] = (
    # One line a contender, in the order of the families.
    "autoregressive.pixelcnn",
    "autoregressive.imagegpt",
    "autoregressive.made",
    "autoencoder.autoencoder",
    "autoencoder.vae",
    "autoencoder.vae_kl",
    "autoencoder.mlp_vae",
    "gan.gan_minimax",
    "gan.dcgan",
    "gan.stylegan",
    "gan.biggan",
    "gan.mlp_gan",
    "diffusion.ddpm",
    "diffusion.flow_matching",
    "diffusion.consistency",
    "diffusion.progressive_distillation",
    "diffusion.lcm",
    "flow.realnvp",
    "flow.glow",
    "flow.spline_flow",
    "hybrid.vqvae",
    "hybrid.mlp_vqvae",
)

for _module in MODULES:
    import_module(f"{__name__}.{_module}")

__all__ = [
    "FAMILIES",
    "Batch",
    "Contender",
    "ContractError",
    "DataSpec",
    "Likelihood",
    "NotTrained",
    "register",
    "registered",
]
