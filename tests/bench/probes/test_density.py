"""The integral of a density over the plane, with densities whose integral is known."""

import numpy as np
import pytest
import torch

from paragone.bench.data import embedded
from paragone.bench.metrics.panel import quality_panel
from paragone.bench.probes import run_probes
from paragone.bench.probes.probe import Subject
from tests.bench.metrics.test_likelihoods import Known

GRID = embedded("grid25")


def integral(contender):
    subject = Subject(GRID, torch.device("cpu"), 0, contender, 8, quality_panel(GRID))
    (found,) = next(run_probes(["density"], subject))
    return found


@pytest.mark.parametrize("kept", [1.0, 0.8])
def test_the_true_density_integrates_to_one_and_leaked_mass_is_missed(kept):
    density = GRID.mixture.log_density
    found = integral(Known(lambda x: torch.from_numpy(density(x.double().numpy()) + np.log(kept))))
    assert found.metric == "density_integral"
    assert found.value == pytest.approx(kept, abs=1e-3)


def test_a_bound_is_no_density():
    assert "bound" in integral(Known(lambda x: torch.zeros(len(x)), exact=False)).source


def test_images_are_not_asked():
    digits = embedded("digits")
    subject = Subject(digits, torch.device("cpu"), 0, Known(lambda x: torch.zeros(len(x))), 8, quality_panel(digits))
    assert list(run_probes(["density"], subject)) == []
