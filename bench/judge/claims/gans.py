"""Section "3. GANs": sharp and fast, unstable, narrow, without structure in z, and hard to evaluate."""

from paragone.bench.judge.claims.claim import Claim, star, star_last

SECTION = "3. GANs (Generative Adversarial Networks)"
SPEED = ("sample_throughput_per_s", "sample_latency_s")

CLAIMS = (
    Claim(
        id="c1", topic="sharp GAN", section=SECTION, kind="factor", metrics=("high_frequency_ratio",),
        statement="A GAN's images are as sharp as real ones: their high frequencies lie within a tenth of real images'.",
        sides=(("GAN",),), within=(0.9, 1.1),
    ),
    Claim(
        id="c2", topic="mode collapse, images", section=SECTION, metrics=("coverage",),
        statement="GANs produce limited variety: they cover less of the data than VAEs and diffusion models.",
        sides=star_last("GAN", "VAE", "diffusion"),
    ),
    Claim(
        id="c2-modes", topic="mode collapse, modes", section=SECTION, modality="points", metrics=("modes",),
        statement="GANs miss modes: of a grid of clusters they find fewer than VAEs and diffusion models.",
        sides=star_last("GAN", "VAE", "diffusion"),
    ),
    Claim(
        id="c3", topic="unstable GAN", section=SECTION, metrics=("stability",), guard=("stability_common",),
        statement="GANs are hard to train: their result depends more on the learning rate than that of any other family.",
        sides=star_last("GAN", "autoregressive", "VAE", "diffusion", "flow"),
    ),
    Claim(
        id="c4", topic="no structure in z", section=SECTION, metrics=("latent_probe_accuracy",), margin=0.0,
        statement="A GAN's latent space has no structure that can be read, a VAE's has: classes are read better from a VAE's z.",
        sides=(("VAE", "GAN"),),
    ),
    Claim(
        id="c4-chance", topic="z tells nothing", section=SECTION, kind="factor", metrics=("latent_probe_accuracy",),
        statement="A GAN's z cannot be interpreted: the class of what it becomes is read from it hardly better than by chance.",
        sides=(("GAN",),), within=(None, 0.2),
    ),
    Claim(
        id="c5", topic="GAN in one pass", section=SECTION, kind="property", metrics=("network_evaluations",),
        statement="A GAN samples in a single pass of its generator.",
        sides=(("GAN",),), within=(None, 1.0),
    ),
    Claim(
        id="c5-speed", topic="fast GAN", section=SECTION, metrics=SPEED, margin=0.05,
        statement="Sampling a GAN is fast: faster than autoregressive, flow and diffusion models.",
        sides=star("GAN", "autoregressive", "flow", "diffusion"),
    ),
    Claim(
        id="c6", topic="non-saturating loss", section=SECTION, metrics=("fid",), margin=0.05,
        statement="A generator that maximises log D trains better than one that plays the minimax game as written.",
        sides=(("dcgan", "gan-minimax"),),
    ),
    Claim(
        id="c7", topic="translation with pairs", section=SECTION, modality="image-to-image", margin=0.05,
        metrics=("translation_error",),
        statement="With pairs Pix2Pix translates images more faithfully than CycleGAN does without.",
        sides=(("pix2pix", "cyclegan"),),
    ),
    Claim(
        id="c7-unpaired", topic="translation without pairs", section=SECTION, modality="image-to-image", kind="factor",
        metrics=("content_kept",), statement="CycleGAN translates images without pairs and keeps their content.",
        sides=(("cyclegan",),), within=(0.5, None),
    ),
    Claim(
        id="c8", topic="imperfect metrics", section=SECTION, kind="factor", metrics=("rank_agreement",),
        statement="No metric of generated images is good alone: rankings by usual ones disagree (a correlation below .9).",
        sides=(("all entries",),), within=(None, 0.9),
    ),
    Claim(
        id="c8-copies", topic="FID and copies", section=SECTION, metrics=("fid",), margin=0.05,
        statement="FID is imperfect: it prefers copies of the training data to every model.",
        sides=star("train copies", "autoregressive", "VAE", "GAN", "diffusion", "flow", "hybrid"),
    ),
    Claim(
        id="c9", topic="styles at scales", section=SECTION, kind="factor", metrics=("style_scale_ratio",),
        statement="StyleGAN's early layers control coarse features and its late ones fine features.",
        sides=(("stylegan",),), within=(1.0, None),
    ),
)  # fmt: skip
