"""What each modality is judged by: the metric that ranks, and the references that stand beside its entries.

Importing it costs nothing, so that suites, judge and reports share it.
"""

from dataclasses import dataclass

HELD_OUT = "held-out real"


@dataclass(frozen=True)
class Modality:
    """`primary` is the metric that ranks and that curves follow; `references` are in the order in which reports show them.

    `hopeless` is the reference that nobody should be worse than, `item` what one sample is called.
    """

    primary: str
    references: tuple[str, ...]
    hopeless: str
    item: str


MODALITIES: dict[str, Modality] = {
    "image": Modality(
        "fid",
        (HELD_OUT, "train copies", "gaussian mixture", "real blurred", "real + noise", "independent pixels"),
        "independent pixels",
        "image",
    ),
    "points": Modality("energy_distance", (HELD_OUT, "train copies", "gaussian mixture", "one gaussian"), "one gaussian", "point"),
}

REFERENCES: tuple[str, ...] = tuple(dict.fromkeys(name for modality in MODALITIES.values() for name in modality.references))
"""The references of all modalities."""


def primary(modality: str) -> str:
    """The metric that ranks data of this modality."""
    return MODALITIES[modality].primary


def of_validation(metric: str) -> str:
    """The name of a metric taken against the validation split, by which the best of a family is chosen."""
    return f"validation_{metric}"


def noise_of(metric: str) -> str:
    """The name of the noise of one evaluation of a metric."""
    return f"{metric}_noise"
