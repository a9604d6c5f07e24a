"""Do layers act on scales of their own? Styles of the early or of the late layers are replaced, and the change looked at.

Of each change of a picture, the share of its spectral power up to half the Nyquist frequency is coarse (see `metrics.sharpness`).
`style_scale_ratio` is that share of what the early layers change over that of what the late ones change: 1 where all layers do
the same, above 1 where early ones act more coarsely (Karras et al. 2019, arXiv:1812.04948, section 3.1, shows it in pictures).
"""

import numpy as np
from torch import Tensor

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.metrics.sharpness import high_frequency_share
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject

PAIRS = 500


def measures(subject: Subject) -> Measures:
    """`style_scale_ratio`."""
    return {"style_scale_ratio": lambda: _ratio(subject)}


def _ratio(subject: Subject) -> Finding:
    z, others = subject.contender.draw_latents(2 * PAIRS, subject.torch_draws("styles")).chunk(2)
    plain = subject.decode(z)
    early, late = (_coarse_share(subject.contender.decode_mixed(z, others, part) - plain) for part in ("early", "late"))
    if late == 0.0:
        raise NotMeasurable("the late layers change nothing coarse at all")
    source = f"coarse share of the change: {early:.3f} by early layers, {late:.3f} by late ones"
    return Finding(early / late, source, PAIRS)


def _coarse_share(change: Tensor) -> float:
    """Share of the power of changes (n, C, H, W), without their means, up to half the Nyquist frequency."""
    return 1.0 - high_frequency_share(change.double().cpu().numpy().astype(np.float32))


STYLES: Probe[Subject] = Probe(
    ("style_scale_ratio",), lambda abilities: {"decode", "decode_mixed", "draw_latents"} <= abilities, measures
)
