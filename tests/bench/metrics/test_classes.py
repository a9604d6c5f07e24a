"""Class balance: 1 - total variation, by the encoder's head on both sides."""

import numpy as np
import pytest

from paragone.bench.metrics.classes import class_balance


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
