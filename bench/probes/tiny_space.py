"""Does a likelihood that calls itself exact sum to 1, and are samples drawn by it? Both are decided on a tiny space.

A copy of the contender's class is built for pictures of 4 x 4 pixels and two levels, of which there are 2^16 = 65,536, and trained
briefly on draws from a known distribution on them, an Ising model with a field: with spins s = +-1,

    P(s) ~ exp(J sum over neighbours s_i s_j + h sum s_i),

far from uniform and with every pixel bound to its neighbours. Then every picture's log_prob is asked for.
    Total: the sum of exp(log_prob); 1 for an exact likelihood.
    Distance: total variation D = 1/2 sum |f - p| between the frequencies f of N samples and p = exp(log_prob), less its
        mean where the samples do follow p, which is known: N f_x is binomial, and with m = floor(N p) + 1 its mean absolute
        deviation is 2 m C(N, m) p^m (1 - p)^(N - m + 1) (De Moivre 1730; Diaconis and Zabell 1991, theorem 1). Never below 0.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy
from torch import Tensor

from paragone.bench.job import seed_of
from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject
from paragone.models import Batch, Contender, DataSpec

SIDE = 4
SPEC = DataSpec("image", (1, SIDE, SIDE), levels=2)
WIDTH = 8
COUPLING, FIELD = 0.6, 0.1
STEPS = 100
SAMPLES = 20_000
SCORED = 4096
"""Pictures a call of `log_prob`."""


def measures(subject: Subject) -> Measures:
    """`tiny_space_total` and `tiny_space_distance`; no value where the likelihood is a bound."""
    device = subject.device
    space = pictures().to(device)
    copy = _trained_copy(subject, space)

    @cache
    def probabilities() -> NDArray[np.float64]:
        return _probabilities(copy, space)

    def total() -> Finding:
        source = f"sum over all {len(space):,} pictures of {SIDE} x {SIDE} pixels and two levels"
        return Finding(float(probabilities().sum()), source, len(space))

    def distance() -> Finding:
        x = copy.sample(SAMPLES, subject.torch_draws("tiny samples"))
        gap, noise = excess_distance(_frequencies(x), probabilities(), SAMPLES)
        return Finding(max(0.0, gap), f"total variation less the {noise:.4f} that sampling noise gives", SAMPLES)

    return {"tiny_space_total": total, "tiny_space_distance": distance}


def pictures() -> Tensor:
    """Every picture of the space, (65536, 1, 4, 4) of -1 and 1; picture k has the bits of k, the first pixel the highest."""
    places = torch.arange(SIDE * SIDE - 1, -1, -1)
    bits = (torch.arange(1 << SIDE * SIDE)[:, None] >> places) & 1
    return (2.0 * bits - 1.0).view(-1, *SPEC.shape)


def ising(space: Tensor) -> NDArray[np.float64]:
    """The known distribution over the pictures of `space`, (65536,)."""
    s = space[:, 0].double()
    bonds = (s[:, 1:] * s[:, :-1]).sum((1, 2)) + (s[:, :, 1:] * s[:, :, :-1]).sum((1, 2))
    weights = torch.exp(COUPLING * bonds + FIELD * s.sum((1, 2)))
    known: NDArray[np.float64] = (weights / weights.sum()).cpu().numpy()
    return known


def excess_distance(frequencies: NDArray[np.float64], probabilities: NDArray[np.float64], n: int) -> tuple[float, float]:
    """Total variation between frequencies of n draws and probabilities, less its mean under these; and that mean."""
    p = np.clip(probabilities, 0.0, 1.0)
    m = np.minimum(np.floor(n * p) + 1, n)
    log_choose = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
    deviations = 2 * m * np.exp(log_choose + xlogy(m, p) + xlog1py(n - m + 1, -p))  # E |N f - N p| of each picture
    noise = 0.5 * float(deviations.sum()) / n
    return 0.5 * float(np.abs(frequencies - probabilities).sum()) - noise, noise


def _trained_copy(subject: Subject, space: Tensor) -> Contender:
    """A copy of the contender's class, trained on draws of the known distribution, ready to be asked."""
    torch.manual_seed(seed_of(subject.seed, "probe tiny space"))
    make: Any = type(subject.contender)
    copy: Contender = make(SPEC, WIDTH)
    copy.to(subject.device)
    copy.generator = subject.torch_draws("tiny update")
    if not copy.eval().log_prob(space[:2]).exact:
        raise NotMeasurable("log_prob is a bound: nothing promises that it sums to 1")
    draws = subject.numpy_draws("tiny data")
    chosen = draws.choice(len(space), size=(STEPS, copy.batch_size), p=ising(space))
    copy.train()
    with torch.enable_grad():
        for k, index in enumerate(torch.from_numpy(chosen).to(space.device)):
            copy.update(Batch(space[index]), k / STEPS)
    return copy.eval()


def _probabilities(copy: Contender, space: Tensor) -> NDArray[np.float64]:
    """exp(log_prob) of every picture, (65536,), in float64."""
    scores = [copy.log_prob(part).log_prob.double() for part in space.split(SCORED)]
    found: NDArray[np.float64] = torch.cat(scores).exp().cpu().numpy()
    return found


def _frequencies(x: Tensor) -> NDArray[np.float64]:
    """Share of each picture of the space among samples x (n, 1, 4, 4), rounded to the two levels, (65536,)."""
    bits = (x.flatten(1) > 0).long()
    index = (bits << torch.arange(bits.shape[1] - 1, -1, -1, device=x.device)).sum(1)
    counts = torch.bincount(index, minlength=1 << SIDE * SIDE)
    shares: NDArray[np.float64] = (counts.double() / len(x)).cpu().numpy()
    return shares


TINY_SPACE: Probe[Subject] = Probe(("tiny_space_total", "tiny_space_distance"), lambda abilities: "log_prob" in abilities, measures)
