"""Section "2. Autoencoders": a plain one does not generate; a variational one does, smoothly, quickly and blurrily."""

from paragone.bench.judge.claims.claim import Claim, star

SECTION = "2. Autoencoders"
SPEED = ("sample_throughput_per_s", "sample_latency_s")

CLAIMS = (
    Claim(
        id="b1", topic="plain autoencoder, noise decoded", section=SECTION, metrics=("fid",), margin=0.05,
        statement="A plain autoencoder cannot generate: noise through its decoder is worse than a VAE's samples.",
        sides=(("vae/mean", "autoencoder/prior"),),
    ),
    Claim(
        id="b1-gaussian", topic="plain autoencoder, Gaussian codes", section=SECTION, metrics=("fid",), margin=0.05,
        statement="A plain autoencoder cannot generate: not even with codes drawn from a Gaussian of their mean and covariance.",
        sides=(("vae/mean", "autoencoder/gaussian"),),
    ),
    Claim(
        id="b1-mixture", topic="plain autoencoder, fitted codes", section=SECTION, metrics=("fid",), margin=0.05,
        statement="A plain autoencoder cannot generate: not even with codes drawn from a Gaussian mixture fitted to them.",
        sides=(("vae/mean", "autoencoder/mixture"),),
    ),
    Claim(
        id="b2", topic="blurry VAE", section=SECTION, kind="factor", metrics=("high_frequency_ratio",),
        statement="A VAE's images are blurry: its decoder's means hold less than nine tenths of real images' high frequencies.",
        sides=(("vae/mean",),), within=(None, 0.9),
    ),
    Claim(
        id="b3", topic="VAE less diverse", section=SECTION, metrics=("coverage",), margin=0.0,
        statement="A VAE's samples are less diverse than those of GANs and diffusion models.",
        sides=(("GAN", "VAE"), ("diffusion", "VAE")),
    ),
    Claim(
        id="b4", topic="smooth latent space", section=SECTION, margin=0.05,
        metrics=("interpolation_distance", "interpolation_confidence"),
        statement="A VAE's latent space is smooth: what lies between two codes stays nearer to the data, and clearer, than with a "
        "plain autoencoder or a GAN.",
        sides=star("vae/mean", "autoencoder", "GAN"),
    ),
    Claim(
        id="b5", topic="VAE in one pass", section=SECTION, kind="property", metrics=("network_evaluations",),
        statement="A VAE samples in a single pass of its decoder.",
        sides=(("vae/mean",),), within=(None, 1.0),
    ),
    Claim(
        id="b5-speed", topic="fast VAE", section=SECTION, metrics=SPEED, margin=0.05,
        statement="Sampling a VAE is fast: faster than autoregressive, flow and diffusion models.",
        sides=star("VAE", "autoregressive", "flow", "diffusion"),
    ),
    Claim(
        id="b6", topic="the VAE's loss", section=SECTION, kind="property", metrics=("objective_gap",),
        statement="A VAE's loss is the reconstruction error plus the KL divergence of its codes from the prior.",
        sides=(("VAE",),), within=(None, 1e-4),
    ),
    Claim(
        id="b7", topic="autoencoders compress", section=SECTION, kind="factor", metrics=("compression_ratio_to_pca",),
        statement="Autoencoders reduce dimensions well: they reconstruct better than as many principal components.",
        sides=(("autoencoder",),), within=(None, 1.0),
    ),
    Claim(
        id="b7-denoising", topic="autoencoders denoise", section=SECTION, kind="factor", metrics=("denoising_ratio_to_pca",),
        statement="Autoencoders remove noise better than a projection on as many principal components.",
        sides=(("autoencoder",),), within=(None, 1.0),
    ),
    Claim(
        id="b7-anomalies", topic="autoencoders find anomalies", section=SECTION, kind="factor", metrics=("anomaly_gain_over_pca",),
        statement="An autoencoder's reconstruction error tells strange items from usual ones better than that of PCA does.",
        sides=(("autoencoder",),), within=(0.0, None),
    ),
    Claim(
        id="b8", topic="VAE's representations", section=SECTION, kind="factor", metrics=("code_probe_gain",),
        statement="A VAE learns good features: its codes tell classes apart better than as many principal components.",
        sides=(("VAE",),), within=(0.0, None),
    ),
    Claim(
        id="b9", topic="KL against diversity", section=SECTION, metrics=("coverage",),
        statement="The more weight the KL term has, the less of the data a VAE covers: regularising costs diversity.",
        sides=(("vae-kl-quarter", "vae/mean", "vae-kl-4"),),
    ),
    Claim(
        id="b10", topic="VAE as a component", section=SECTION, metrics=("fid",), margin=0.05,
        statement="A VAE is worth more inside a latent diffusion model than alone.",
        sides=(("latent-diffusion", "VAE"),),
    ),
)  # fmt: skip
