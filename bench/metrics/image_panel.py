"""Quality of images: in the features of the dataset's first frozen encoder, and by their pixels.

`fid_second_encoder` alone is taken in the features of the second encoder, of another kind.
"""

from functools import cache, cached_property, partial

import numpy as np

from paragone.bench.data.dataset import ImageDataset, Items, Labels, Levels
from paragone.bench.metrics.classes import ClassJudge, class_balance
from paragone.bench.metrics.encoder import kinds
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.features import Features, extract, load_extractor
from paragone.bench.metrics.frechet import Gaussians, Statistics, floor_distances, frechet_distance, statistics
from paragone.bench.metrics.kernel import kernel_distance, mean_kernel
from paragone.bench.metrics.memorisation import NearestImages, copied_share, near_copy_share, nearest_train_ratio
from paragone.bench.metrics.neighbours import Neighbours, RealBalls
from paragone.bench.metrics.panel import Measure, QualityPanel, measured
from paragone.bench.metrics.resampling import bootstrap_counts, bootstrap_distances, bootstrap_gaussians, infinite_distance
from paragone.bench.metrics.sharpness import high_frequency_ratio, high_frequency_share
from paragone.bench.metrics.twosample import side_size, two_sample_accuracy
from paragone.bench.records import Measurement


class ImagePanel(QualityPanel):
    """The measures of images (N, C, H, W) uint8 in 0..L-1; what a learning curve does not ask for is prepared when first needed."""

    def __init__(self, dataset: ImageDataset) -> None:
        self.dataset = dataset
        self._extractor, self._second_extractor = (load_extractor(dataset, kind) for kind in kinds(dataset))
        self._test = extract(self._extractor, dataset.test.items)
        self._test_statistics = statistics(self._test.values)
        self._validation_statistics = statistics(extract(self._extractor, dataset.validation.items).values)
        self._test_kernel = mean_kernel(self._test.values)
        self._test_high_share = high_frequency_share(dataset.test.items)
        self._train_images, self._test_images = (NearestImages(part.items) for part in (dataset.train, dataset.test))

    @cached_property
    def _test_balls(self) -> RealBalls:
        return RealBalls(self._test.values)

    @cached_property
    def _class_judge(self) -> ClassJudge:
        labels = self.dataset.test.labels
        if labels is None:
            raise NotMeasurable("the dataset has no labels")
        return ClassJudge(self._test.values, labels)

    @cached_property
    def _bootstraps(self) -> Gaussians:
        return bootstrap_gaussians(self._test.values, bootstrap_counts(self.dataset))

    @cached_property
    def _second_statistics(self) -> Statistics:
        return statistics(extract(self._second_extractor, self.dataset.test.items).values)

    def features(self, levels: Levels) -> Features:
        """Features of levels (N, C, H, W) under the dataset's frozen encoder."""
        return extract(self._extractor, self._checked(levels))

    def measure(self, items: Items, sampler: str, seed: int, full: bool = True, wanted: Labels | None = None) -> list[Measurement]:
        """As every panel's, of levels; samples of another shape or type, or above the last level, are a ValueError."""
        levels: Levels = items
        features = self.features(levels)
        measures = self._distances(features)
        if full:
            measures |= self._other_distances(features, levels, seed) | self._neighbour_measures(features)
            measures |= self._other_feature_measures(features, seed) | self._pixel_measures(levels)
        if full and wanted is not None:
            measures |= self._class_measures(features, wanted)
        counts = {"two_sample_accuracy": side_size(len(levels), len(self._test))}
        return [measured(name, measure, sampler, counts.get(name, len(levels))) for name, measure in measures.items()]

    def _distances(self, features: Features) -> dict[str, Measure]:
        own = cache(lambda: statistics(features.values))
        return {
            "fid": lambda: frechet_distance(own(), self._test_statistics),
            "validation_fid": lambda: frechet_distance(own(), self._validation_statistics),
        }

    def _second_distance(self, levels: Levels) -> float:
        return frechet_distance(statistics(extract(self._second_extractor, levels).values), self._second_statistics)

    def _other_distances(self, features: Features, levels: Levels, seed: int) -> dict[str, Measure]:
        x, n_floor = features.values, len(self.dataset.validation)
        return {
            "fid_second_encoder": lambda: self._second_distance(levels),
            "fid_floor": lambda: floor_distances(x, self._test_statistics, n_floor, seed),
            "fid_bootstrap": lambda: bootstrap_distances(statistics(x), self._bootstraps),
            "fid_infinity": lambda: infinite_distance(x, self._test_statistics, seed),
        }

    def _neighbour_measures(self, features: Features) -> dict[str, Measure]:
        found = cache(lambda: self._test_balls.measure(features.values)._asdict())
        return {name: partial(lambda name: found()[name], name) for name in Neighbours._fields}

    def _other_feature_measures(self, features: Features, seed: int) -> dict[str, Measure]:
        x, real = features.values, self._test.values
        return {
            "kid": lambda: kernel_distance(x, real, self._test_kernel),
            "two_sample_accuracy": lambda: two_sample_accuracy(x, real, seed),
            "class_balance": lambda: self._class_balance(features),
        }

    def _pixel_measures(self, levels: Levels) -> dict[str, Measure]:
        to_train = cache(lambda: self._train_images.distances(levels, 2))
        return {
            "high_frequency_ratio": lambda: high_frequency_ratio(levels, self._test_high_share),
            "copied_share": lambda: copied_share(levels, self.dataset.train.items),
            "near_copy_share": lambda: near_copy_share(to_train()),
            "nearest_train_ratio": lambda: nearest_train_ratio(to_train(), self._test_images.distances(levels, 1)),
        }

    def _class_measures(self, features: Features, wanted: Labels) -> dict[str, Measure]:
        return {
            "class_accuracy": lambda: float((features.scores.argmax(1) == wanted).mean()),
            "class_coverage": lambda: self._class_judge.coverage(features.values, wanted),
            "class_spread": lambda: self._class_judge.spread(features.values, wanted),
        }

    def _class_balance(self, features: Features) -> float:
        if self.dataset.train.labels is None:
            raise NotMeasurable("the dataset has no labels")
        return class_balance(features.scores, self._test.scores)

    def _checked(self, levels: Levels) -> Levels:
        shape, count = self.dataset.train.items.shape[1:], self.dataset.level_count
        if not isinstance(levels, np.ndarray) or levels.dtype != np.uint8:
            found = getattr(levels, "dtype", type(levels).__name__)
            raise ValueError(f"samples are {found}; round them to uint8 levels 0..{count - 1} first")
        if levels.shape[1:] != shape or not len(levels):
            raise ValueError(f"samples have shape {levels.shape}; expected (N, {', '.join(map(str, shape))}), N >= 1")
        if levels.max() >= count:
            raise ValueError(f"samples hold level {levels.max()}; this dataset has 0..{count - 1}")
        return levels
