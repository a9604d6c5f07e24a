"""Section "5. Flow-Based Models": exact and stable, but constrained, slower than GANs and behind diffusion."""

from paragone.bench.judge.claims.claim import Claim, star_last

SECTION = "5. Flow-Based Models"

CLAIMS = (
    Claim(
        id="e1", topic="exact likelihood", section=SECTION, modality="points", kind="property", metrics=("density_integral",),
        statement="A flow gives the exact density of an item: it integrates to 1, its log-determinant is the Jacobian's.",
        sides=(("flow",),), within=(0.99, 1.01),
    ),
    Claim(
        id="e2", topic="exact inference", section=SECTION, kind="property", metrics=("inversion_error",),
        statement="A flow's z = f(x) is exact: the inverse gives x back, to a thousandth of the range of a pixel.",
        sides=(("flow",),), within=(None, 2e-3),
    ),
    Claim(
        id="e3", topic="stable flow", section=SECTION, metrics=("stability",), guard=("stability_common",),
        statement="Without an adversary, flows train more stably than GANs.",
        sides=(("flow", "GAN"),),
    ),
    Claim(
        id="e4", topic="slower than GANs", section=SECTION, metrics=("sample_throughput_per_s", "sample_latency_s"), margin=0.05,
        statement="A flow's heavier architecture makes it slower to sample than a GAN.",
        sides=(("GAN", "flow"),),
    ),
    Claim(
        id="e5", topic="behind diffusion", section=SECTION, metrics=("fid",), margin=0.05,
        statement="Diffusion models produce better results than flows.",
        sides=(("diffusion", "flow"),),
    ),
    Claim(
        id="e6", topic="limited by invertibility", section=SECTION, metrics=("fid",), margin=0.05,
        statement="Invertible layers limit what a flow can express: with as many parameters every other family is better.",
        sides=star_last("flow", "autoregressive", "VAE", "GAN", "diffusion", "hybrid"),
    ),
)  # fmt: skip
