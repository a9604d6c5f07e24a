"""KID: unbiased, and torch-fidelity's own number where that takes all items too."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

from paragone.bench.metrics import kernel
from paragone.bench.metrics.errors import NotMeasurable


def test_equal_sets_give_torch_fidelitys_number(rng):
    one, two = rng.normal(size=(120, 16)), rng.normal(size=(120, 16)) + 0.3
    tensors = torch.from_numpy(one), torch.from_numpy(two)
    theirs = kid_features_to_metric(*tensors, kid_subsets=1, kid_subset_size=120, verbose=False)
    assert kernel.kernel_distance(one, two) == pytest.approx(theirs[KEY_METRIC_KID_MEAN], rel=1e-9)


def test_mean_is_zero_over_draws_from_one_distribution(rng):
    draws = [kernel.kernel_distance(rng.normal(size=(20, 5)), rng.normal(size=(30, 5))) for _ in range(400)]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 3 * error
    assert min(draws) < 0 < max(draws)


def test_sees_a_shift_and_does_not_hang_on_blocks(rng, monkeypatch):
    one, two = rng.normal(size=(90, 5)) + 1, rng.normal(size=(70, 5))
    whole = kernel.kernel_distance(one, two)
    assert whole > 1
    monkeypatch.setattr(kernel, "BLOCK", 7)
    assert kernel.kernel_distance(one, two) == pytest.approx(whole, rel=1e-12)
    assert kernel.kernel_distance(one, two, kernel.mean_kernel(two)) == pytest.approx(whole, rel=1e-12)


def test_one_item_is_too_few(rng):
    with pytest.raises(NotMeasurable, match="too few"):
        kernel.kernel_distance(rng.normal(size=(1, 5)), rng.normal(size=(9, 5)))
