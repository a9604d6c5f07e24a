"""Probes inside a cell: asked for by a suite, reported last, in a phase of their own, and owed where the cell fails."""

import torch

from paragone.bench.cell import run_cell
from paragone.bench.owed import complete, owed
from paragone.bench.plan import Options, make_plan
from paragone.bench.suite import check_suite

SUITE = {
    "name": "asking",
    "seeds": 1,
    "budget": {"train": "3 steps", "parameters": 20000},
    "evaluation": {"samples": 60, "probes": ["codes", "forward_process", "objective", "classifier"]},
    "tracks": [{"name": "digits", "data": "digits", "contenders": ["autoencoder"]}],
    "samplers": {"autoencoder": {"judged": ["prior"]}},
}
ANSWERS = {"code_probe_gain", "compression_ratio_to_pca", "denoising_ratio_to_pca", "anomaly_gain_over_pca", "objective_gap"}


class Told:
    """A reporter that keeps what it is told, each measurement with the phase that it came in."""

    def __init__(self):
        self.phases, self.found = [], []

    def phase(self, name):
        self.phases.append(name)

    def measurements(self, found):
        self.found += [(self.phases[-1], m) for m in found]

    def heartbeat(self, meter):
        pass

    def facts(self, **facts):
        pass

    def samples(self, sampler, levels, level_count):
        pass


def jobs():
    plan = make_plan(check_suite(SUITE, "x"), Options(), threads=1, device="cpu")
    return {job.cell.contender: job for job in plan.jobs}


def run(job):
    told = Told()
    with torch.random.fork_rng():
        run_cell(job, told)
    return told


def test_a_contender_is_probed_last_and_owes_nothing_then():
    job = jobs()["autoencoder"]
    told = run(job)
    assert told.phases[-2:] == ["probe", "control"]
    assert {m.metric for phase, m in told.found if phase == "probe"} == ANSWERS
    found = [m for _, m in told.found]
    assert len(complete(job, found, "missing", {})) == len(found), "something is owed that was not measured"


def test_the_classifier_stands_beside_held_out_real_alone():
    told = run(jobs()["held-out real"])
    (measured,) = [m for phase, m in told.found if phase == "probe"]
    assert (measured.metric, measured.sampler) == ("classifier_accuracy", "")
    assert "3 updates" in measured.source
    assert [m for m in owed(jobs()["train copies"]) if m[0] == ""] == []


def test_a_cell_that_fails_has_a_row_for_every_answer_it_owes():
    job = jobs()["autoencoder"]
    rows = {m.metric: m for m in complete(job, [], "failed: planted", {}) if m.metric in ANSWERS}
    assert set(rows) == ANSWERS
    assert all(m.value is None and m.source == "failed: planted" for m in rows.values())
