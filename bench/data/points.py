"""Points drawn from mixtures of known density, as datasets: 20,000 to train, 2,500 to validate, 10,000 to test, seed fixed."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from paragone.bench.data.dataset import Dataset, Items, Split
from paragone.bench.data.mixture import MIXTURES, Mixture
from paragone.models import DataSpec

SIZES = (20_000, 2_500, 10_000)
SEED = 0


@dataclass(frozen=True)
class PointsDataset(Dataset):
    """Points (N, 2) float32 as they are, and the `mixture` that they were drawn from."""

    mixture: Mixture = field(kw_only=True)

    @property
    def spec(self) -> DataSpec:
        """Points in the plane, each coordinate of variance 1; no levels, no classes."""
        return DataSpec("points", tuple(self.train.items.shape[1:]))

    def to_unit(self, items: Items) -> NDArray[np.float32]:
        """The points themselves."""
        return items.astype(np.float32)

    def to_items(self, x: NDArray[np.floating]) -> Items:
        """The points themselves: nothing is clipped."""
        return x.astype(np.float32)

    def _meaning(self) -> str:
        return f"{self.mixture.means.tolist()} {self.mixture.sd}"


def points(name: str) -> PointsDataset:
    """The points of one of `MIXTURES`."""
    mixture = MIXTURES[name]()
    draws = np.random.default_rng(SEED)
    train, validation, test = (Split(mixture.draw(n, draws).astype(np.float32)) for n in SIZES)
    return PointsDataset(name, train, validation, test, source=f"drawn, {len(mixture.means)} Gaussians", mixture=mixture)
