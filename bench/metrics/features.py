"""Features of images under their dataset's frozen encoders, through torch-fidelity's registry of feature extractors.

The same registered extractor serves `torch_fidelity.calculate_metrics(feature_extractor=...)` and the harness, which calls it
in-process on batches: no temporary files, no data loader. torch-fidelity is imported when first needed: it costs seconds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from paragone.bench.data.dataset import ImageDataset, Levels
from paragone.bench.metrics.encoder import Encoder, Kind, kinds, load_encoder

BATCH_SIZE = 250
LAYERS = ("features", "scores")


@dataclass(frozen=True)
class Features:
    """What the frozen encoder sees in N images: `values` (N, D) float64 and `scores` (N, classes) float64 of its head."""

    values: NDArray[np.float64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)


def extractor_name(dataset: ImageDataset, kind: Kind) -> str:
    """The name under which a dataset's extractor stands in torch-fidelity's registry."""
    suffix = "" if kind == kinds(dataset)[0] else f"-{kind}"
    return f"paragone-{dataset.images_name}-{dataset.hash}{suffix}"


def register_extractor(dataset: ImageDataset, kind: Kind | None = None) -> str:
    """Enter a frozen encoder of the dataset (its first, if no kind is named) into torch-fidelity's registry, once a process.

    Returns its name there. The extractor takes levels (N, C, H, W) uint8 in 0..L-1 and gives `features` (the default of FID,
    KID and PRC) and `scores` (the default of the inception score).
    """
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY, register_feature_extractor

    kind = kind or kinds(dataset)[0]
    name = extractor_name(dataset, kind)
    if name not in FEATURE_EXTRACTORS_REGISTRY:
        register_feature_extractor(name, _extractor_class(load_encoder(dataset, kind), dataset.level_count))
    return name


def load_extractor(dataset: ImageDataset, kind: Kind | None = None) -> nn.Module:
    """A dataset's extractor as torch-fidelity creates it, on the CPU; its output is the tuple (features, scores)."""
    from torch_fidelity.utils import create_feature_extractor

    extractor: nn.Module = create_feature_extractor(register_extractor(dataset, kind), list(LAYERS), cuda=False, verbose=False)
    return extractor


def extract(extractor: nn.Module, levels: Levels) -> Features:
    """Features of levels (N, C, H, W) uint8, N >= 1, in batches."""
    with torch.no_grad():
        parts = [extractor(batch) for batch in torch.from_numpy(levels).split(BATCH_SIZE)]
    values, scores = (torch.cat(layer).double().numpy() for layer in zip(*parts, strict=True))
    return Features(values, scores)


def _extractor_class(encoder: Encoder, level_count: int) -> type:
    """A class for torch-fidelity, which registers classes and makes the instances itself."""
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    class FrozenEncoder(FeatureExtractorBase):  # type: ignore[misc]  # torch-fidelity has no types
        """The frozen encoder behind torch-fidelity's interface."""

        def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
            super().__init__(name, features_list)
            self.encoder = encoder

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return LAYERS

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "scores" if metric == "isc" else "features"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        def forward(self, levels: Tensor) -> tuple[Tensor, ...]:
            features = self.encoder.features(levels.float() * (2.0 / (level_count - 1)) - 1.0)
            layers = {"features": features, "scores": self.encoder.head(features)}
            return tuple(layers[name] for name in self.features_list)

    return FrozenEncoder
