"""How exact is the inverse? A flow's code has as many numbers as the data, and decode(encode(x)) should be x.

Behrmann et al. 2021 (arXiv:2006.09347) show that invertible networks can lose their inverse to rounding; so the error is
measured in the contender's own float32, as the largest over all pixels of the test split, on data of unit range or variance.
"""

import math

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject


def measures(subject: Subject) -> Measures:
    """`inversion_error`; no value where the code is not as many real numbers as the data."""
    return {"inversion_error": lambda: _error(subject)}


def _error(subject: Subject) -> Finding:
    x = subject.unit(subject.dataset.test)
    z = subject.encode(x)
    numbers, data = z[0].numel(), math.prod(x.shape[1:])
    if not z.is_floating_point() or numbers < data:
        kind = "real numbers" if z.is_floating_point() else "discrete codes"
        raise NotMeasurable(f"the code is {numbers} {kind}, the data {data} numbers: no inverse is promised")
    error = float((subject.decode(z) - x).abs().max())
    return Finding(error, f"largest over the test split, {str(z.dtype).removeprefix('torch.')}", len(x))


INVERSION: Probe[Subject] = Probe(
    ("inversion_error",), lambda abilities: {"encode", "decode"} <= abilities, measures, ("image", "points")
)
