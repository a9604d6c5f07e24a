"""What a learned likelihood is turned into, with contenders whose likelihood is known."""

import numpy as np
import pytest
import torch

from paragone.bench.data import embedded
from paragone.bench.metrics.likelihoods import likelihood, likelihood_metric
from paragone.models import Contender, Likelihood

DIGITS, RING = embedded("digits"), embedded("ring8")


class Known(Contender):
    """Gives the log-likelihood that a test names."""

    def __init__(self, function, exact=True):
        super().__init__()
        self.function, self.exact = function, exact

    def update(self, batch, progress):
        raise NotImplementedError

    def sample(self, n, generator, condition=None, sampler=None):
        raise NotImplementedError

    def log_prob(self, x):
        return Likelihood(self.function(x), self.exact)


def test_a_uniform_code_has_the_logarithm_of_the_levels():
    x = torch.from_numpy(DIGITS.to_unit(DIGITS.test.items))
    uniform = Known(lambda x: torch.full((len(x),), -64 * np.log(17)))
    found = likelihood(uniform, DIGITS, likelihood_metric(DIGITS), x)
    assert (found.metric, found.unit, found.n, found.source) == ("bits_per_dim", "bits/dim", 360, "exact")
    assert found.value == pytest.approx(np.log2(17))


@pytest.mark.parametrize("lost", [0.0, 0.7])
def test_the_gap_is_what_the_learned_density_lacks(lost):
    true = RING.mixture.log_density
    x = torch.from_numpy(RING.to_unit(RING.test.items))
    learned = Known(lambda x: torch.from_numpy(true(x.double().numpy()) - lost), exact=not lost)
    found = likelihood(learned, RING, likelihood_metric(RING), x)
    assert (found.metric, found.unit, found.n) == ("log_density_gap", "nats", 10_000)
    assert found.value == pytest.approx(lost, abs=1e-9)
    assert (found.source == "exact") == (not lost)


def test_the_gap_of_a_wider_ring_is_its_divergence():
    """Round Gaussians in the plane, s for the true sd: KL = log s'^2 / s^2 + s^2 / s'^2 - 1."""
    from dataclasses import replace

    wide = replace(RING.mixture, sd=2 * RING.mixture.sd)
    x = torch.from_numpy(RING.to_unit(RING.test.items))
    found = likelihood(Known(lambda x: torch.from_numpy(wide.log_density(x.double().numpy()))), RING, "log_density_gap", x)
    assert found.value == pytest.approx(np.log(4) + 1 / 4 - 1, abs=0.03)


def test_no_value_where_there_is_no_likelihood():
    def unsupported(x):
        raise NotImplementedError("discrete data only")

    x = torch.zeros(3, 2)
    assert likelihood(Known(unsupported), RING, "log_density_gap", x).source == "unsupported: discrete data only"
    infinite = likelihood(Known(lambda x: torch.full((len(x),), -torch.inf)), RING, "log_density_gap@0.5", x)
    assert (infinite.value, infinite.source, infinite.unit) == (None, "not finite", "nats")
