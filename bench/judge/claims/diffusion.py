"""Section "4. Diffusion Models": best, stable and diverse, slow, hungry for memory, and what makes them faster."""

from paragone.bench.judge.claims.claim import Claim, star, star_last

SECTION = "4. Diffusion Models"
SPEED = ("sample_throughput_per_s", "sample_latency_s")

CLAIMS = (
    Claim(
        id="d1", topic="best images", section=SECTION, metrics=("fid",), margin=0.05,
        statement="Diffusion models make the best images of all families.",
        sides=star("diffusion", "autoregressive", "VAE", "GAN", "flow", "hybrid"),
    ),
    Claim(
        id="d2", topic="stable diffusion", section=SECTION, metrics=("stability",), guard=("stability_common",),
        statement="Without an adversary, diffusion models train more stably than GANs.",
        sides=(("diffusion", "GAN"),),
    ),
    Claim(
        id="d3", topic="diverse images", section=SECTION, metrics=("coverage",),
        statement="Different noise gives different images: diffusion models cover more of the data than GANs and VAEs.",
        sides=star("diffusion", "GAN", "VAE"),
    ),
    Claim(
        id="d3-modes", topic="diverse points", section=SECTION, modality="points", metrics=("modes",),
        statement="Diffusion models find more modes of a grid of clusters than GANs and VAEs.",
        sides=star("diffusion", "GAN", "VAE"),
    ),
    Claim(
        id="d4", topic="slow diffusion", section=SECTION, metrics=SPEED, margin=0.05,
        statement="Iterating over many steps makes diffusion models slower than GANs, VAEs and flows.",
        sides=star_last("diffusion", "VAE", "GAN", "flow"),
    ),
    Claim(
        id="d4-steps", topic="time and steps", section=SECTION, kind="factor", metrics=("latency_steps_exponent",),
        statement="The time to sample a diffusion model is proportional to the number of its steps.",
        sides=(("diffusion",),), within=(0.9, 1.1),
    ),
    Claim(
        id="d5", topic="memory in training", section=SECTION, metrics=("train_own_memory_bytes",), margin=0.05,
        statement="At equal parameters, training a diffusion model needs more memory than training a GAN, a VAE or a flow.",
        sides=star_last("diffusion", "VAE", "GAN", "flow"),
    ),
    Claim(
        id="d5-train-batch", topic="memory a training item", section=SECTION, metrics=("train_memory_per_item_bytes",),
        margin=0.05,
        statement="At equal parameters, an item of a training batch needs more memory with a diffusion model than with a GAN, a "
        "VAE or a flow.",
        sides=star_last("diffusion", "VAE", "GAN", "flow"),
    ),
    Claim(
        id="d5-train-steps", topic="memory and updates", section=SECTION, kind="trend", metrics=("train_memory_steps_exponent",),
        statement="Diffusion models store intermediate states: memory in training grows with the number of updates.",
        sides=(("diffusion",),), within=(0.05, None),
    ),
    Claim(
        id="d5-sampling", topic="memory in sampling", section=SECTION, metrics=("sample_own_memory_bytes",), margin=0.05,
        statement="At equal parameters, sampling a diffusion model needs more memory than sampling a GAN, a VAE or a flow.",
        sides=star_last("diffusion", "VAE", "GAN", "flow"),
    ),
    Claim(
        id="d5-sample-batch", topic="memory a sampled item", section=SECTION, metrics=("sample_memory_per_item_bytes",),
        margin=0.05,
        statement="At equal parameters, an item sampled at once needs more memory with a diffusion model than with a GAN, a VAE or "
        "a flow.",
        sides=star_last("diffusion", "VAE", "GAN", "flow"),
    ),
    Claim(
        id="d5-steps", topic="memory and steps", section=SECTION, kind="trend", metrics=("memory_steps_exponent",),
        statement="Diffusion models store intermediate states: memory in sampling grows with the number of steps.",
        sides=(("diffusion",),), within=(0.05, None),
    ),
    Claim(
        id="d6", topic="DDIM in 50 steps", section=SECTION, kind="parity", metrics=("fid",), margin=0.1,
        statement="With DDIM 50 steps are enough: as good as 1,000 ancestral steps.",
        sides=(("ddpm/ddim-50", "ddpm/ddpm-1000"),),
    ),
    Claim(
        id="d7", topic="LCM in 4 steps", section=SECTION, kind="parity", metrics=("fid",), margin=0.1,
        statement="A latent consistency model needs 4 to 8 steps for what a diffusion model needs 50 for.",
        sides=(("lcm/lcm-4", "ddpm/ddim-50"),),
    ),
    Claim(
        id="d8", topic="distilled student", section=SECTION, metrics=SPEED, margin=0.05,
        statement="Distillation makes a fast student: faster than its teacher.",
        sides=(("progressive-distillation", "ddpm/ddim-50"),),
    ),
    Claim(
        id="d8-quality", topic="student's quality", section=SECTION, kind="parity", metrics=("fid",), margin=0.1,
        statement="A distilled student is as good as its teacher.",
        sides=(("progressive-distillation", "ddpm/ddim-50"),),
    ),
    Claim(
        id="d9", topic="latent diffusion's speed", section=SECTION, kind="factor", metrics=("sample_throughput_per_s",),
        statement="Diffusing in a latent space is 10 to 100 times faster than in pixels, for the same size of image.",
        sides=(("latent-diffusion", "ddpm"),), within=(10.0, 100.0),
    ),
    Claim(
        id="d10", topic="guidance and faith", section=SECTION, kind="trend", metrics=("class_accuracy_guidance_slope",),
        statement="More guidance makes samples more faithful to what was asked.",
        sides=(("ddpm/cfg-3",),), within=(0.0, None),
    ),
    Claim(
        id="d10-diversity", topic="guidance and diversity", section=SECTION, kind="trend", metrics=("coverage_guidance_slope",),
        statement="More guidance makes samples less diverse within what was asked.",
        sides=(("ddpm/cfg-3",),), within=(None, 0.0),
    ),
    Claim(
        id="d11", topic="forward process ends in noise", section=SECTION, kind="property", metrics=("forward_end_gap",),
        statement="The forward process ends in pure noise: a standard Gaussian without a trace of the image.",
        sides=(("diffusion",),), within=(None, 0.05),
    ),
    Claim(
        id="d12", topic="flexible conditions", section=SECTION, modality="text-to-image", kind="factor",
        metrics=("condition_gain",), statement="One diffusion model takes text, an image or a sketch as its condition.",
        sides=(("latent-diffusion",),), within=(0.0, None),
    ),
    Claim(
        id="d13", topic="imprecise control", section=SECTION, modality="text-to-image", kind="trend",
        metrics=("satisfied_attributes_slope",),
        statement="Prompts control imprecisely: the more attributes are asked for, the smaller the share of prompts satisfied.",
        sides=(("latent-diffusion",),), within=(None, 0.0),
    ),
    Claim(
        id="d14", topic="forward process keeps variance", section=SECTION, kind="property", metrics=("forward_variance_gap",),
        statement="Each forward step of DDPM mixes the image with noise so that the squares of their weights sum to 1.",
        sides=(("ddpm",),), within=(None, 0.02),
    ),
    Claim(
        id="d14-guidance", topic="guidance formula", section=SECTION, kind="property", metrics=("guidance_gap",),
        statement="Guided noise is the unconditional prediction plus w times the difference to the conditional one: w = 0 gives "
        "the one, w = 1 the other.",
        sides=(("ddpm",),), within=(None, 1e-4),
    ),
)  # fmt: skip
