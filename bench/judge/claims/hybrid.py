"""Section "6. Hybrid Approaches": discrete codes with an autoregressive model on top."""

from paragone.bench.judge.claims.claim import Claim

SECTION = "6. Hybrid Approaches"

CLAIMS = (
    Claim(
        id="f1", topic="codes with a prior, quality", section=SECTION, metrics=("fid",), margin=0.05,
        statement="Discrete codes work well with an autoregressive model: better images than one over pixels at the same budget.",
        sides=(("hybrid", "autoregressive"),),
    ),
    Claim(
        id="f1-speed", topic="codes with a prior, speed", section=SECTION, margin=0.05,
        metrics=("sample_throughput_per_s", "sample_latency_s"),
        statement="Discrete codes work well with an autoregressive model: fewer of them than pixels, hence faster sampling.",
        sides=(("hybrid", "autoregressive"),),
    ),
    Claim(
        id="f2", topic="tokens from text", section=SECTION, modality="text-to-image", kind="factor",
        metrics=("satisfied_share",), statement="With images as tokens, a transformer generates them from text.",
        sides=(("parti",),), within=(0.5, None),
    ),
    Claim(
        id="f3", topic="tokens and width", section=SECTION, modality="text-to-image", kind="trend",
        metrics=("satisfied_width_slope",), statement="Token models gain from a larger transformer.",
        sides=(("parti",),), within=(0.0, None),
    ),
)  # fmt: skip
