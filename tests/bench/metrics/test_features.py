"""The frozen encoder as a torch-fidelity extractor: the library's own command gives our numbers."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch_fidelity
from scipy.special import softmax
from torch.utils.data import Dataset as TorchDataset

from paragone.bench.data.dataset import to_unit
from paragone.bench.metrics.encoder import kinds, load_encoder
from paragone.bench.metrics.features import extract, load_extractor, register_extractor
from paragone.bench.metrics.frechet import frechet_distance, statistics
from paragone.bench.metrics.neighbours import RealBalls


class Images(TorchDataset):
    def __init__(self, levels):
        self.levels = torch.from_numpy(levels)

    def __len__(self):
        return len(self.levels)

    def __getitem__(self, index):
        return self.levels[index]


def test_calculate_metrics_takes_the_registered_extractor(digits):
    name = register_extractor(digits)
    found = torch_fidelity.calculate_metrics(
        input1=Images(digits.validation.items), input2=Images(digits.test.items), feature_extractor=name, fid=True, prc=True,
        isc=True, isc_splits=1, prc_neighborhood=3, cuda=False, save_cpu_ram=True, verbose=False, cache=False,
    )  # fmt: skip
    extractor = load_extractor(digits)
    held_out = extract(extractor, digits.validation.items)
    one, two = held_out.values, extract(extractor, digits.test.items).values
    assert found["frechet_inception_distance"] == pytest.approx(frechet_distance(statistics(one), statistics(two)), rel=1e-3)
    assert (found["precision"], found["recall"]) == pytest.approx(RealBalls(two).measure(one)[:2], abs=0.01)
    p = softmax(held_out.scores, axis=1)
    score = np.exp((p * np.log(p / p.mean(0))).sum(1).mean())
    assert found["inception_score_mean"] == pytest.approx(score, rel=1e-3)


def test_features_are_the_encoders_and_do_not_hang_on_the_batch(digits):
    levels = digits.test.items
    found = extract(load_extractor(digits), levels)
    encoder, images = load_encoder(digits), torch.from_numpy(to_unit(levels, 17))
    assert found.values.shape == (360, 64)
    assert torch.allclose(torch.from_numpy(found.values).float(), encoder.features(images), atol=1e-4)
    assert torch.allclose(torch.from_numpy(found.scores).float(), encoder(images), atol=1e-4)


def test_registering_twice_is_no_error_and_names_the_data(digits):
    assert register_extractor(digits) == register_extractor(digits) == f"paragone-digits-{digits.hash}"
    assert register_extractor(digits, "self-supervised") == f"paragone-digits-{digits.hash}-self-supervised"


def test_the_second_extractor_has_features_of_its_own(digits):
    first, second = (extract(load_extractor(digits, kind), digits.test.items) for kind in kinds(digits))
    assert first.values.shape == second.values.shape == (360, 64)
    assert not np.allclose(first.values, second.values)


def test_importing_the_panel_does_not_import_torch_fidelity():
    code = "import sys, paragone.bench.metrics.panel; sys.exit('torch_fidelity' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0
