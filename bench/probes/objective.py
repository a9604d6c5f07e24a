"""Is the loss the sum of its parts? For a variational autoencoder -ELBO = reconstruction + KL (Kingma and Welling 2013, eq. 3).

One more update is made on a deep copy, and what it logs is compared: `loss` with `reconstruction` + `kl`. A contender that logs
other names claims no such identity.
"""

import copy

import torch

from paragone.bench.metrics.errors import NotMeasurable
from paragone.bench.probes.probe import Finding, Measures, Probe, Subject
from paragone.models import Batch

PARTS = ("loss", "reconstruction", "kl")


def measures(subject: Subject) -> Measures:
    """`objective_gap`, |loss - (reconstruction + KL)| / |loss|; no value where an update does not log the three."""
    return {"objective_gap": lambda: _gap(subject)}


def _gap(subject: Subject) -> Finding:
    twin = copy.deepcopy(subject.contender).train()
    x = subject.unit(subject.dataset.train)[: twin.batch_size]
    with torch.enable_grad():
        logs = twin.update(Batch(x), 1.0)
    missing = [part for part in PARTS if part not in logs]
    if missing:
        raise NotMeasurable(f"an update logs no {', '.join(missing)}")
    loss, reconstruction, kl = (float(logs[part]) for part in PARTS)
    source = f"one update: {loss:.6g} against {reconstruction:.6g} + {kl:.6g}"
    return Finding(abs(loss - (reconstruction + kl)) / abs(loss), source, len(x))


OBJECTIVE: Probe[Subject] = Probe(("objective_gap",), lambda abilities: {"encode", "decode"} <= abilities, measures)
