"""Sections "Key Takeaways", "When to Use Each Model Type" and "Why Generative Models Are Harder"."""

from paragone.bench.judge.claims.claim import Claim, star

TAKEAWAYS, TABLE = "Key Takeaways", "When to Use Each Model Type"
REALITY, HARDER = "Industry Reality (2025)", "Why Generative Models Are Harder"
SPEED = ("sample_throughput_per_s", "sample_latency_s")
FAST_LATENCY_S = 0.01
"""What "fast generation" asks for: an image in ten milliseconds, a hundred a second."""

HEADLINES = (
    Claim(
        id="g1", topic="speed", section=TAKEAWAYS, metrics=SPEED, margin=0.05,
        statement="GANs generate fastest, VAEs come second and diffusion third; autoregressive models are by far slowest.",
        sides=(("GAN", "VAE", "diffusion", "autoregressive"),),
    ),
    Claim(
        id="g3", topic="quality", section=TAKEAWAYS, metrics=("fid",), margin=0.05,
        statement="Images of diffusion models are better than those of GANs, and these better than VAEs'.",
        sides=(("diffusion", "GAN", "VAE"),),
    ),
    Claim(
        id="g2", topic="stability", section=TAKEAWAYS, metrics=("stability",), guard=("stability_common",),
        statement="Diffusion trains most stably, a VAE less so, and a GAN least.",
        sides=(("diffusion", "VAE", "GAN"),),
    ),
)  # fmt: skip
"""The three orderings that open a report."""

OTHERS = (
    Claim(
        id="g4", topic="text", section=TAKEAWAYS, modality="text", metrics=("ngram_divergence",), margin=0.05,
        statement="For text nothing competes with autoregressive models.",
        sides=star("gpt", "text-vae", "text-gan", "masked-diffusion"),
    ),
    Claim(
        id="g5-codes", topic="choose for representations", section=TABLE, metrics=("code_probe_gain",),
        statement="For latent representations choose a VAE: its codes are better features than a plain autoencoder's.",
        sides=(("VAE", "autoencoder"),),
    ),
    Claim(
        id="g5-fast", topic="choose for speed", section=TABLE, metrics=("fid",), margin=0.05,
        under=("sample_latency_s", FAST_LATENCY_S),
        statement="For fast generation choose a GAN: of what makes an image within 10 ms, it makes the best.",
        sides=star("GAN", "VAE", "autoencoder", "flow", "hybrid"),
    ),
    Claim(
        id="g5-quality", topic="choose for quality", section=TABLE, metrics=("fid",), margin=0.05,
        statement="For high-quality images choose diffusion: without a limit on time nothing is better.",
        sides=star("diffusion", "GAN", "VAE", "autoencoder", "autoregressive", "flow", "hybrid"),
    ),
    Claim(
        id="g5-sharp", topic="avoid for sharpness", section=TABLE, kind="factor", metrics=("high_frequency_ratio",),
        statement="Avoid a VAE where outputs must be sharp: even its better sampler is below nine tenths of real sharpness.",
        sides=(("VAE",),), within=(None, 0.9),
    ),
    Claim(
        id="g5-likelihood", topic="choose for likelihood", section=TABLE, metrics=("bits_per_dim_best",), margin=0.01,
        statement="For exact likelihood choose a flow: it gives unseen images more probability than other likelihood models.",
        sides=star("flow", "autoregressive", "VAE", "diffusion"),
    ),
    Claim(
        id="g5-text", topic="choose for text", section=TABLE, modality="text", metrics=("bits_per_byte",), margin=0.01,
        statement="For text and code choose an autoregressive model: none gives unseen text more probability.",
        sides=star("gpt", "text-vae", "masked-diffusion"),
    ),
    Claim(
        id="g6", topic="audio", section=REALITY, modality="audio", metrics=("frechet_audio_distance",), margin=0.05,
        statement="In audio, autoregressive and diffusion models lead: both are ahead of flows.",
        sides=(("audiolm", "waveglow"), ("audio-diffusion", "waveglow")),
    ),
    Claim(
        id="g7", topic="video", section=REALITY, modality="video", metrics=("frechet_video_distance",), margin=0.05,
        statement="In video, diffusion is ahead of autoregressive models.",
        sides=(("video-diffusion", "video-gpt"),),
    ),
    Claim(
        id="h1", topic="harder than classifying", section=HARDER, metrics=("share_right",),
        statement="Generating is harder than classifying: a classifier of the same budget gets more right than a generator makes "
        "indistinguishable.",
        sides=star("held-out real", "autoregressive", "VAE", "GAN", "diffusion", "flow", "hybrid"),
    ),
)  # fmt: skip

CLAIMS = HEADLINES + OTHERS
