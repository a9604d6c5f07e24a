"""Class balance: 1 - total variation, by the encoder's head on both sides."""

import numpy as np
import pytest

from paragone.bench.data import embedded
from paragone.bench.metrics.classes import ClassJudge, class_balance
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.panel import quality_panel


def test_known_shares():
    generated, real = np.eye(3)[[0, 0, 0, 1]], np.eye(3)[[0, 1, 1, 2]]
    assert class_balance(generated, real) == pytest.approx(1 - 0.5 * (0.5 + 0.25 + 0.25))
    assert class_balance(real, real) == 1.0
    assert class_balance(np.eye(3)[[0]], np.eye(3)[[2]]) == 0.0


def test_a_dropped_digit_is_missed(digits, panel):
    real = panel.features(digits.test.items).scores
    scores = panel.features(digits.validation.items).scores
    assert class_balance(scores, real) > 0.95
    assert class_balance(scores[digits.validation.labels != 3], real) < 0.93


def test_variety_within_classes_against_planted_features():
    """Two classes of features: one copied faithfully, one collapsed to a point; and all of them asked for the wrong class."""
    rng = np.random.default_rng(0)
    centres, labels = np.array([[0.0, 0.0], [50.0, 0.0]]), np.arange(400) % 2
    real, like = (centres[labels] + rng.normal(size=(400, 2)) for _ in range(2))
    judge = ClassJudge(real, labels)
    assert judge.coverage(like, labels) > 0.95
    assert judge.spread(like, labels) == pytest.approx(1, abs=0.05)
    collapsed = np.where(labels[:, None] == 1, centres[1] + 1e-3 * rng.normal(size=(400, 2)), like)
    assert judge.coverage(collapsed, labels) == pytest.approx(judge.coverage(like, labels) / 2, abs=0.1)
    assert judge.spread(collapsed, labels) == pytest.approx(1e-3**0.5, rel=0.1)
    assert judge.coverage(like, 1 - labels) == 0
    halved = centres[labels] + (like - centres[labels]) / 2
    assert judge.spread(halved, labels) == pytest.approx(0.5, abs=0.05)


def test_a_class_with_too_few_items_has_no_variety():
    with pytest.raises(NotMeasurable, match="items of class 1"):
        ClassJudge(np.zeros((40, 2)), np.arange(40) % 2).coverage(np.zeros((20, 2)), np.zeros(20, np.int64))


def test_accuracy_of_what_was_asked_for():
    data = embedded("digits-labelled")
    panel = quality_panel(data)
    found = {}
    for name, wanted in (("asked", data.validation.labels), ("other", (data.validation.labels + 1) % 10)):
        rows = panel.measure(data.validation.items, "default", 0, wanted=wanted)
        found[name] = {m.metric: m.value for m in rows}
    assert found["asked"]["class_accuracy"] > 0.97
    assert found["other"]["class_accuracy"] < 0.03
    assert found["asked"]["class_coverage"] > 0.95 > 0.1 > found["other"]["class_coverage"]
    assert "class_accuracy" not in {m.metric for m in panel.measure(data.validation.items, "default", 0)}
