"""Section "1. Autoregressive Models": exact and simple, but slow and prone to its own errors."""

from paragone.bench.judge.claims.claim import Claim, star, star_last

SECTION = "1. Autoregressive Models"
SPEED = ("sample_throughput_per_s", "sample_latency_s")

CLAIMS = (
    Claim(
        id="a1", topic="slow on images", section=SECTION, metrics=SPEED, margin=0.05,
        statement="On images, generating one element after the other makes autoregressive models the slowest family.",
        sides=star_last("autoregressive", "VAE", "GAN", "diffusion", "flow", "hybrid"),
    ),
    Claim(
        id="a1-growth", topic="time and pixels", section=SECTION, kind="trend", metrics=("latency_pixels_exponent",),
        statement="The time that an autoregressive model takes for an image grows with the number of its pixels.",
        sides=(("autoregressive",),), within=(0.0, None),
    ),
    Claim(
        id="a2", topic="exact likelihood", section=SECTION, kind="property", metrics=("tiny_space_total",),
        statement="An autoregressive model gives the exact probability of an item: over all items of a space they sum to 1.",
        sides=(("autoregressive",),), within=(0.999, 1.001),
    ),
    Claim(
        id="a2-samples", topic="likelihood of its samples", section=SECTION, kind="property", metrics=("tiny_space_distance",),
        statement="The probability that an autoregressive model states for an item is the one with which it draws that item.",
        sides=(("autoregressive",),), within=(None, 0.02),
    ),
    Claim(
        id="a3", topic="exposure bias", section=SECTION, kind="trend", modality="text", metrics=("exposure_slope",),
        statement="Fed with its own output, an autoregressive model drifts: its errors compound as the text gets longer.",
        sides=(("gpt",),), within=(0.0, None),
    ),
    Claim(
        id="a4", topic="left to right", section=SECTION, modality="text", metrics=("left_given_right_ratio",), margin=0.05,
        statement="It cannot revise what stands before: filling in a left half given the right is harder for it than for a model "
        "without an order.",
        sides=(("masked-diffusion", "gpt"),),
    ),
    Claim(
        id="a5", topic="behind diffusion on images", section=SECTION, metrics=("fid",), margin=0.05,
        statement="Autoregressive models went out of fashion for images because diffusion models make better ones.",
        sides=(("diffusion", "autoregressive"),),
    ),
    Claim(
        id="a6", topic="simple training", section=SECTION, metrics=("stability",), guard=("stability_common",),
        statement="Predicting the next element trains without trouble: less depends on its learning rate than with a GAN.",
        sides=star("autoregressive", "GAN"),
    ),
)  # fmt: skip
