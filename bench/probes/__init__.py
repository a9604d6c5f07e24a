"""Probes: what claims need to know of a trained contender beyond its samples; one file a probe.

A suite asks for them by name (`[evaluation] probes`). They run last in a cell, off the training clock, in the phase `probe`,
and leave contender and random states as they were.
"""

from collections.abc import Iterator, Sequence

import torch

from paragone.bench.data.dataset import Items
from paragone.bench.probes.classifier import CLASSIFIER, REFERENCE, Lesson
from paragone.bench.probes.codes import CODES
from paragone.bench.probes.density import DENSITY
from paragone.bench.probes.forward_process import FORWARD_PROCESS
from paragone.bench.probes.guidance import GUIDANCE
from paragone.bench.probes.inversion import INVERSION
from paragone.bench.probes.latents import LATENTS, interpolations
from paragone.bench.probes.memory import MEMORY
from paragone.bench.probes.objective import OBJECTIVE
from paragone.bench.probes.probe import Probe, Subject
from paragone.bench.probes.sizes import SIZES
from paragone.bench.probes.styles import STYLES
from paragone.bench.probes.tiny_space import TINY_SPACE
from paragone.bench.records import Measurement
from paragone.bench.sampling import evaluation
from paragone.models import Contender

PROBES: dict[str, Probe[Subject]] = {
    "sizes": SIZES,
    "memory": MEMORY,
    "tiny_space": TINY_SPACE,
    "latents": LATENTS,
    "codes": CODES,
    "inversion": INVERSION,
    "forward_process": FORWARD_PROCESS,
    "objective": OBJECTIVE,
    "density": DENSITY,
    "guidance": GUIDANCE,
    "styles": STYLES,
}
"""Probes of contenders, by the name that a suite asks for."""
REFERENCE_PROBES: dict[str, tuple[str, Probe[Lesson]]] = {"classifier": (REFERENCE, CLASSIFIER)}
"""Probes attached to the cell of a reference, with that reference's name."""


def owed_by(names: Sequence[str], who: type[Contender] | str, modality: str) -> list[tuple[str, str]]:
    """(sampler, metric) of what the probes asked for owe of a contender's class or of a reference's name; sampler is empty."""
    if isinstance(who, str):
        found = [REFERENCE_PROBES[name] for name in names if name in REFERENCE_PROBES]
        own = [probe for reference, probe in found if reference == who and modality in probe.modalities]
        return [("", metric) for probe in own for metric in probe.metrics]
    probes = [PROBES[name] for name in names if name in PROBES]
    return [("", metric) for probe in probes if _suits(probe, who, modality) for metric in probe.metrics]


def run_probes(names: Sequence[str], subject: Subject) -> Iterator[list[Measurement]]:
    """Measurements of each probe asked for that applies to the contender and its data, as soon as it has them."""
    for name in names:
        if name in PROBES and _suits(PROBES[name], type(subject.contender), subject.dataset.spec.modality):
            with evaluation(subject.contender):
                found = PROBES[name].run(subject)
            yield found


def latent_lines(names: Sequence[str], subject: Subject, lines: int, points: int) -> Items | None:
    """Decoded lines between latents to look at, where the probe `latents` is asked for and the contender has such lines."""
    if "latents" not in names or not _suits(LATENTS, type(subject.contender), subject.dataset.spec.modality):
        return None
    try:
        with evaluation(subject.contender):
            return interpolations(subject, lines, points)
    except Exception:  # as in every probe, it costs itself alone: the probe's own measurements say why
        return None


def run_reference_probes(names: Sequence[str], reference: str, lesson: Lesson) -> Iterator[list[Measurement]]:
    """Measurements of each probe asked for that is attached to this reference's cell."""
    for name in names:
        owner, probe = REFERENCE_PROBES.get(name, ("", None))
        if probe is not None and owner == reference and lesson.dataset.spec.modality in probe.modalities:
            with torch.random.fork_rng():
                found = probe.run(lesson)
            yield found


def _suits(probe: Probe[Subject], who: type[Contender], modality: str) -> bool:
    return modality in probe.modalities and probe.applies(who.abilities()) and {*probe.samplers} <= {*who.samplers}
