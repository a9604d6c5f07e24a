"""The frozen encoders of an image dataset: a small convolutional network whose penultimate layer is the feature space.

FID and its kin need features of the data's own domain, and a verdict should not hang on one network's taste: each dataset has
two encoders of different kinds, which see its training split only. The first ranks, the second checks.

    classifier        trained to tell the classes: the first, where there are labels
    self-supervised   trained to tell the rotation of an image (4 classes) and the order of its quarters (24 classes) (Gidaris
                      et al. 2018, arXiv:1803.07728; Noroozi and Favaro 2016, arXiv:1603.09246): the second with labels, the
                      first without
    random            not trained at all, weights drawn by a fixed seed: the second without labels. Features of a randomly
                      initialised network carry no other data's bias (Naeem et al. 2020, arXiv:2002.09797, who recommend
                      them, of 64 dimensions too, where the data is far from ImageNet)

Training counts steps, not seconds: same data, code, machine and number of threads, same weights (another number of threads
rounds differently). Weights of embedded datasets lie beside this file; make them with
`python -m paragone.bench.metrics.encoder digits mnist`. Those of a user's data are trained once, each in less than a minute on
two cores, and kept in `$XDG_CACHE_HOME/paragone` (`~/.cache/paragone`) under the hash of data and code and the kind.
"""

import fcntl
import hashlib
import itertools
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from paragone.bench.data.dataset import ImageDataset
from paragone.bench.files import write_atomically

FEATURES = 64
STEPS = 600
BATCH_SIZE = 128
FOLDER = Path(__file__).parent
Kind = Literal["classifier", "self-supervised", "random"]
ORDERS = tuple(itertools.permutations(range(4)))


class Encoder(nn.Module):
    """Images (N, C, H, W) in [-1, 1] to features (N, 64) >= 0, and to class scores (N, classes).

    `stride` is the first convolution's, whose kernel has the side 2 stride + 1.
    """

    def __init__(self, channels: int, classes: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 2 * stride + 1, stride, padding=stride), nn.GroupNorm(8, 32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1, stride=2), nn.GroupNorm(8, 64), nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1), nn.GroupNorm(8, 64), nn.ReLU(),
            nn.AdaptiveAvgPool2d(4), nn.Flatten(),
            nn.Linear(64 * 16, FEATURES), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        """Features (N, 64) of images (N, C, H, W) in [-1, 1]."""
        features: Tensor = self.body(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (N, classes)."""
        scores: Tensor = self.head(F.dropout(self.features(x), 0.3, self.training))
        return scores


def stride_for(height: int, width: int) -> int:
    """Stride of the first convolution: larger images are thinned, so that every encoder trains within a minute."""
    side = max(height, width)
    return 1 if side < 16 else 2 if side <= 32 else 4


def kinds(dataset: ImageDataset) -> tuple[Kind, Kind]:
    """The kinds of a dataset's first encoder, in whose features it is judged, and of its second, which checks verdicts."""
    return ("classifier", "self-supervised") if dataset.train.labels is not None else ("self-supervised", "random")


def train_encoder(dataset: ImageDataset, kind: Kind, seed: int = 0) -> Encoder:
    """Train an encoder on a dataset's training split: about 15 s on two cores for 8x8 images, at most 60 s for 64x64.

    The global generators are seeded inside a fork, so that the caller's random states stay as they were.

    Raises:
        ValueError: a classifier is wanted of data without labels.
    """
    images = torch.from_numpy(dataset.to_unit(dataset.train.items))
    labels = dataset.train.labels
    if kind == "classifier" and labels is None:
        raise ValueError(f"dataset {dataset.name!r} has no labels to train a classifier on; its encoders are {kinds(dataset)}")
    targets = torch.from_numpy(labels) if labels is not None else torch.empty(0)
    draws = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classes = int(targets.max()) + 1 if kind == "classifier" else 4 + len(ORDERS)
        encoder = Encoder(images.shape[1], classes, stride_for(*images.shape[2:]))
        if kind == "classifier":
            _fit(encoder, len(images), draws, lambda index: _classify(encoder, images[index], targets[index], draws))
        elif kind == "self-supervised":
            _fit(encoder, len(images), draws, lambda index: _supervise_itself(encoder, images[index], draws))
    return encoder.eval().requires_grad_(False)


def prepare_encoders(dataset: ImageDataset) -> None:
    """Train and cache both encoders where they are neither shipped nor cached, so that no cell has to."""
    for kind in kinds(dataset):
        load_encoder(dataset, kind)


def load_encoder(dataset: ImageDataset, kind: Kind | None = None) -> Encoder:
    """A frozen encoder of a dataset, by default its first: shipped weights, else trained once and cached."""
    kind = kind or kinds(dataset)[0]
    shipped = _shipped_path(dataset, kind)
    if shipped.exists():
        return _read(shipped)
    if kind == "random":
        return train_encoder(dataset, kind)  # drawing the weights costs less than reading them
    path = _cache_path(dataset, kind)
    try:
        with _locked(path):
            return _cached(path, dataset, kind)
    except OSError as error:
        warnings.warn(f"{path} cannot be kept ({error}); the encoder is trained each time. Set XDG_CACHE_HOME", stacklevel=2)
        return train_encoder(dataset, kind)


def _cached(path: Path, dataset: ImageDataset, kind: Kind) -> Encoder:
    """The encoder in the cache; trained anew where there is none or its file is damaged."""
    if path.exists():
        try:
            return _read(path)
        except (SafetensorError, KeyError, RuntimeError, IndexError):  # cut off, or not our weights
            path.unlink()
    print(f"training the {kind} encoder of {dataset.name}, once: up to a minute", file=sys.stderr, flush=True)
    write_atomically(path, save(train_encoder(dataset, kind).state_dict()))
    return _read(path)


def _read(path: Path) -> Encoder:
    state = load(path.read_bytes())
    first, head = state["body.0.weight"], state["head.bias"]
    encoder = Encoder(first.shape[1], len(head), (first.shape[2] - 1) // 2)
    encoder.load_state_dict(state)
    return encoder.eval().requires_grad_(False)


def _shipped_path(dataset: ImageDataset, kind: Kind) -> Path:
    suffix = "" if kind == kinds(dataset)[0] else f"_{kind}"
    return FOLDER / f"encoder_{dataset.images_name}_{dataset.hash}{suffix}.safetensors"


def _cache_path(dataset: ImageDataset, kind: Kind) -> Path:
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "paragone" / f"encoder_{dataset.hash}_{code}_{kind}.safetensors"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock beside `path`: of several processes one trains, the others wait; a killed one lets go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fit(encoder: Encoder, n: int, draws: torch.Generator, loss: Callable[[Tensor], Tensor]) -> None:
    optimiser = torch.optim.AdamW(encoder.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=STEPS)
    encoder.train()
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss(torch.randint(n, (BATCH_SIZE,), generator=draws)).backward()
        optimiser.step()
        schedule.step()


def _classify(encoder: Encoder, x: Tensor, target: Tensor, draws: torch.Generator) -> Tensor:
    return F.cross_entropy(encoder(_shift(x, draws)), target, label_smoothing=0.05)


def _supervise_itself(encoder: Encoder, x: Tensor, draws: torch.Generator) -> Tensor:
    """Half of the batch is turned, half is cut into quarters and reordered: one pass tells how."""
    first, second = x.chunk(2)
    turns = torch.randint(4, (len(first),), generator=draws)
    orders = torch.randint(len(ORDERS), (len(second),), generator=draws)
    turned = [_turn(image, k) for image, k in zip(first, turns.tolist(), strict=True)]
    mixed = [_reorder(image, ORDERS[k]) for image, k in zip(second, orders.tolist(), strict=True)]
    scores = encoder(torch.stack(turned + mixed))
    rotation = F.cross_entropy(scores[: len(first), :4], turns)
    order = F.cross_entropy(scores[len(first) :, 4:], orders)
    return rotation + order


def _turn(image: Tensor, k: int) -> Tensor:
    """The image (C, H, W) turned by k quarters; an oblong one, which must keep its shape, mirrored and flipped instead."""
    if image.shape[1] == image.shape[2]:
        return image.rot90(k, (1, 2))
    return image.flip([axis for axis, bit in ((1, 1), (2, 2)) if k & bit])


def _reorder(image: Tensor, order: tuple[int, ...]) -> Tensor:
    """The image's four quarters in another order, (C, H, W)."""
    quarters = [q for half in image.chunk(2, 1) for q in half.chunk(2, 2)]
    a, b, c, d = (quarters[k] for k in order)
    return torch.cat([torch.cat([a, b], 2), torch.cat([c, d], 2)], 1)


def _shift(x: Tensor, draws: torch.Generator) -> Tensor:
    """All images moved by the same 0 or +-1 pixel: features must not hang on the exact position."""
    down, right = (int(s) for s in torch.randint(-1, 2, (2,), generator=draws))
    return F.pad(x, (1, 1, 1, 1), value=-1.0)[..., 1 + down : 1 + down + x.shape[2], 1 + right : 1 + right + x.shape[3]]


def _make(name: str) -> None:
    """Train both encoders of an embedded dataset and say how often a test item's nearest training item is of its class."""
    from sklearn.neighbors import KNeighborsClassifier

    from paragone.bench.data import embedded_images

    dataset = embedded_images(name)
    train, test = (torch.from_numpy(dataset.to_unit(part.items)) for part in (dataset.train, dataset.test))
    for kind in kinds(dataset):
        encoder, path = train_encoder(dataset, kind), _shipped_path(dataset, kind)
        write_atomically(path, save(encoder.state_dict()))
        nearest = KNeighborsClassifier(1).fit(encoder.features(train).numpy(), dataset.train.labels)
        right = nearest.score(encoder.features(test).numpy(), dataset.test.labels)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        print(f"{path.name}: {right:.3f} of the test split classified by their nearest neighbour, sha256 {digest}")


if __name__ == "__main__":
    for _name in sys.argv[1:]:
        _make(_name)
