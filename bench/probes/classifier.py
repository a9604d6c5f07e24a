"""How far does a classifier get with the budget that each generative model has? It stands beside `held-out real`.

Three convolutions, the second of stride 2, a dense layer and a head: the kind of network that the contenders use, its width solved
for the parameter budget as theirs is, trained from scratch on the training split by the same meter and the same rules of the clock
(the batch counts, the budget may be overrun by one update), judged on the whole test split. Every batch is moved by up to a
pixel. The rate was chosen on the validation digits, at 6 s and 200,000 parameters on one core, where .0005 gave .994 and .001 gave
.996 (mean of three seeds).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paragone.bench.budget import Budget, Meter
from paragone.bench.job import seed_of
from paragone.bench.metrics.encoder import stride_for
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.probes.probe import Asked, Finding, Measures, Probe
from paragone.bench.profile.clock import synchronise
from paragone.bench.profile.energy import EnergyCounter
from paragone.bench.sizing import outside_budget, solve_width
from paragone.bench.train import finished
from paragone.models import DataSpec
from paragone.models.layers.optim import cosine, set_learning_rate, warm_up

REFERENCE = "held-out real"
"""The reference whose cell this probe is attached to."""
BATCH_SIZE = 32
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-2


@dataclass(frozen=True)
class Lesson(Asked):
    """What the classifier may spend: the suite's training budget and its number of parameters; `energy` counts joules."""

    budget: Budget
    parameters: int
    energy: EnergyCounter | None = None


class Classifier(nn.Module):
    """Images (B, C, H, W) in [-1, 1] to logits (B, classes); `width` is the number of channels of the first map."""

    def __init__(self, spec: DataSpec, width: int, classes: int) -> None:
        super().__init__()
        stride = stride_for(*spec.shape[1:])
        self.body = nn.Sequential(
            nn.Conv2d(spec.shape[0], width, 2 * stride + 1, stride, padding=stride), nn.GroupNorm(1, width), nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, padding=1), nn.GroupNorm(1, 2 * width), nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.GroupNorm(1, 2 * width), nn.ReLU(),
            nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(32 * width, 2 * width), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(2 * width, classes)
        self.optimiser = torch.optim.AdamW(self.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes), with dropout in training."""
        logits: Tensor = self.head(F.dropout(self.body(x), 0.3, self.training))
        return logits

    def update(self, x: Tensor, labels: Tensor, progress: float) -> None:
        """One step on images (B, C, H, W) and labels (B,); the learning rate follows the share of the budget spent."""
        set_learning_rate(self.optimiser, LEARNING_RATE * warm_up(progress) * cosine(progress))
        loss = F.cross_entropy(self(x), labels, label_smoothing=0.05)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()

    def trained_parameter_count(self) -> int:
        """All parameters: each is stepped."""
        return sum(p.numel() for p in self.parameters())


def measures(lesson: Lesson) -> Measures:
    """`classifier_accuracy`; no value without labels, or where no width is within a tenth of the parameter budget."""
    return {"classifier_accuracy": lambda: _accuracy(lesson)}


def _accuracy(lesson: Lesson) -> Finding:
    data = lesson.dataset
    if data.train.labels is None or data.test.labels is None:
        raise NotMeasurable("the dataset has no labels")
    classes = int(data.train.labels.max()) + 1
    make: Any = partial(Classifier, classes=classes)  # not a contender, but all that the solver asks of one
    width, count = solve_width(make, data.spec, lesson.parameters)
    if outside_budget(count, lesson.parameters):
        raise NotMeasurable(f"no width is near {lesson.parameters} parameters; the nearest has {count}")
    torch.manual_seed(seed_of(lesson.seed, "probe classifier"))
    classifier = Classifier(data.spec, width, classes).to(lesson.device)
    meter = taught(classifier, lesson)
    with torch.no_grad():
        seen = [classifier.eval()(part).argmax(1) for part in _images(lesson, data.test.items).split(500)]
    right = float((torch.cat(seen).cpu() == torch.from_numpy(data.test.labels)).double().mean())
    spent = f"{meter.seconds:.3f} s, {meter.steps} updates, {count} parameters"
    return Finding(right, f"trained from scratch: {spent}; over the budget by {meter.overrun:.3g}", len(data.test))


def taught(classifier: Classifier, lesson: Lesson) -> Meter:
    """Train the classifier until the budget is spent; what it spent."""
    meter = Meter(lesson.budget, energy=lesson.energy)
    stream = _batches(lesson)
    classifier.train()
    synchronise(lesson.device)
    meter.resume()
    while not meter.exhausted:
        count = meter.due("train")
        x, labels = next(stream)
        _, counted = finished(partial(classifier.update, x, labels, meter.progress), count, lesson.device)
        meter.count(len(x), counted)
    meter.pause()
    return meter


def _batches(lesson: Lesson) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of training images, each batch moved by 0 or 1 pixel in each direction, with their labels."""
    x = _images(lesson, lesson.dataset.train.items)
    labels = torch.from_numpy(lesson.dataset.train.labels).to(x.device)
    draws = torch.Generator().manual_seed(seed_of(lesson.seed, "probe lesson"))
    while True:
        for index in torch.randperm(len(x), generator=draws).split(BATCH_SIZE):
            yield shifted(x[index.to(x.device)], draws), labels[index.to(x.device)]


def shifted(x: Tensor, draws: torch.Generator) -> Tensor:
    """Images (B, C, H, W) moved together by -1, 0 or 1 pixel down and right; what comes in is -1."""
    down, right = (int(s) for s in torch.randint(0, 3, (2,), generator=draws))
    return F.pad(x, (1, 1, 1, 1), value=-1.0)[..., down : down + x.shape[2], right : right + x.shape[3]]


def _images(lesson: Lesson, levels: Any) -> Tensor:
    return torch.from_numpy(lesson.dataset.to_unit(levels)).to(lesson.device)


CLASSIFIER: Probe[Lesson] = Probe(("classifier_accuracy",), lambda _: True, measures)
