"""Is guidance the formula that it is said to be? e = e_none + w (e_class - e_none): w = 0 ignores the class, w = 1 is conditional.

Asked of what comes out, with the same noise throughout, in samplers `cfg-0` and `cfg-1` of labelled data: at w = 0 nothing may
change with the class asked for, and w = 1 must give what the default sampler gives for the same class.
"""

import torch
from torch import Tensor

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject

UNCONDITIONAL, CONDITIONAL = "cfg-0", "cfg-1"
ITEMS = 50


def measures(subject: Subject) -> Measures:
    """`guidance_gap`, in units of the data's range [-1, 1]."""
    return {"guidance_gap": lambda: _gap(subject)}


def _gap(subject: Subject) -> Finding:
    classes = subject.dataset.spec.classes
    if classes is None:
        raise NotMeasurable("the data hands out no labels")
    asked = torch.arange(ITEMS, device=subject.device) % classes
    others = (asked + 1) % classes
    default = subject.contender.samplers[0]
    given = _draw(subject, CONDITIONAL, asked)
    if torch.equal(given, _draw(subject, CONDITIONAL, others)):
        raise NotMeasurable("samples do not depend on the class at all, so that every weight gives the same")
    ignored = _largest(_draw(subject, UNCONDITIONAL, asked), _draw(subject, UNCONDITIONAL, others))
    kept = _largest(given, _draw(subject, default, asked))
    source = f"w = 0 under other classes {ignored:.1e}, w = 1 against {default} {kept:.1e}, same noise"
    return Finding(max(ignored, kept), source, ITEMS)


def _draw(subject: Subject, sampler: str, classes: Tensor) -> Tensor:
    return subject.contender.sample(ITEMS, subject.torch_draws("guidance"), classes, sampler)


def _largest(x: Tensor, y: Tensor) -> float:
    return float((x - y).abs().max())


GUIDANCE: Probe[Subject] = Probe(("guidance_gap",), lambda _: True, measures, samplers=(UNCONDITIONAL, CONDITIONAL))
