"""Who is asked what: names in a suite, abilities, metrics owed; a probe that raises; random states; real contenders."""

import math

import numpy as np
import pytest
import torch

from paragone.bench.budget import Budget
from paragone.bench.data.dataset import ImageDataset, Split
from paragone.bench.errors import UsageError
from paragone.bench.metrics.table import METRICS
from paragone.bench.probes import PROBES, REFERENCE_PROBES, Lesson, Subject, owed_by, run_probes, run_reference_probes
from paragone.bench.probes.classifier import Classifier, shifted, taught
from paragone.bench.suite import PROBES as NAMES
from paragone.bench.suite import check_suite
from paragone.models import Batch, registered
from tests.bench.probes.planted import Linear, Silent, Table, subject

SUITE = {
    "name": "small",
    "budget": {"train": "5 steps", "parameters": 1000},
    "tracks": [{"name": "digits", "data": "digits", "contenders": ["vae"]}],
}


def test_names_that_a_suite_may_use_are_those_that_can_be_asked():
    assert set(NAMES) == {*PROBES, *REFERENCE_PROBES}
    asked = check_suite({**SUITE, "evaluation": {"probes": ["codes", "sizes", "codes"]}}, "x").evaluation.probes
    assert asked == ("codes", "sizes")
    assert check_suite(SUITE, "x").evaluation.probes == ()


def test_an_unknown_probe_gets_a_guess():
    with pytest.raises(UsageError, match=r"unknown probe 'latent'\. Did you mean 'latents'"):
        check_suite({**SUITE, "evaluation": {"probes": ["latent"]}}, "x")


def test_every_answer_is_a_metric_of_the_group_and_given_once():
    metrics = [m for probe in [*PROBES.values(), *(p for _, p in REFERENCE_PROBES.values())] for m in probe.metrics]
    assert len(metrics) == len(set(metrics))
    assert {METRICS[metric].group for metric in metrics} == {"probe"}


def test_what_is_owed_follows_from_abilities_alone():
    def owes(who, *names):
        return {metric for sampler, metric in owed_by(names or NAMES, who, "image") if sampler == ""}

    known = registered()
    everybody = {"latency_pixels_exponent", *PROBES["memory"].metrics}
    assert owes(Silent) == everybody
    assert owes(Table) == everybody | {"tiny_space_total", "tiny_space_distance"}
    assert owes(known["dcgan"], "latents", "codes") == set(PROBES["latents"].metrics)
    assert owes(known["vae"], "codes") == owes(Linear, "codes") == set(PROBES["codes"].metrics)
    assert owes(known["ddpm"], "forward_process") == {"forward_end_gap", "forward_variance_gap"}
    assert owes("held-out real") == {"classifier_accuracy"}
    assert owes("held-out real", "sizes") == owes("train copies") == set()
    assert owed_by((), Table, "image") == []


def test_a_probe_that_raises_costs_its_own_metrics_alone(digits, panel):
    class Raising(Linear):
        def encode(self, x):
            raise RuntimeError("planted\nfailure")

    contender = Raising(digits.spec, np.eye(64)[:4], np.zeros(64))
    contender.decode = lambda z: 1 / 0
    found = [m for part in run_probes(["codes", "inversion", "sizes"], subject(contender, digits, panel)) for m in part]
    assert {m.metric for m in found} == {m for n in ("codes", "inversion", "sizes") for m in PROBES[n].metrics}
    assert {m.source for m in found[:5]} == {"RuntimeError: planted failure"}
    assert all(m.value is None for m in found[:5])


def test_a_value_that_is_not_finite_is_none(digits):
    broken = Linear(digits.spec, np.eye(64), np.zeros(64))
    broken.decode = lambda z: Linear.decode(broken, z) * math.nan
    (measured,) = PROBES["inversion"].run(subject(broken, digits))
    assert (measured.value, measured.source) == (None, "not finite (nan)")


def trained(name, digits, updates=6):
    torch.manual_seed(0)
    contender = registered()[name](digits.spec, 8)
    contender.generator = torch.Generator().manual_seed(0)
    x = torch.from_numpy(digits.train.items / np.float32(8) - np.float32(1))
    for k in range(updates):
        contender.update(Batch(x[k * 16 : k * 16 + 16]), k / updates)
    if "prepare" in contender.abilities():
        contender.eval().prepare([Batch(x[:200])])
    return contender.train()


@pytest.mark.parametrize("name", ["pixelcnn", "autoencoder", "vae", "dcgan", "ddpm", "realnvp", "vqvae"])
def test_real_contenders_answer_the_same_twice_and_are_left_as_they_were(name, digits, panel, monkeypatch):
    monkeypatch.setattr("paragone.bench.probes.sizes.LIMIT_S", 0.0)
    monkeypatch.setattr("paragone.bench.probes.tiny_space.STEPS", 2)
    monkeypatch.setattr("paragone.bench.probes.memory.PERIOD", 2)
    monkeypatch.setattr("paragone.bench.probes.memory.COUNTS", (2, 4))
    monkeypatch.setattr("paragone.bench.probes.memory.DRAWS", (2, 4, 8))
    contender = trained(name, digits)
    asked = Subject(digits, torch.device("cpu"), 3, contender, 8, panel)
    before = [contender.generator.get_state(), torch.get_rng_state(), *(p.clone() for p in contender.state_dict().values())]
    found = [m for part in run_probes(NAMES, asked) for m in part]
    after = [contender.generator.get_state(), torch.get_rng_state(), *contender.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True)), "a probe changed what it looked at"
    assert contender.training
    assert [("", m.metric) for m in found] == owed_by(NAMES, type(contender), "image")
    for measured in found:
        assert measured.sampler == ""
        reason = measured.source.partition(":")[0]
        assert measured.value is not None or not reason.endswith("Error"), f"{measured.metric}: {measured.source}"
    again = [m for part in run_probes([n for n in NAMES if n not in ("sizes", "tiny_space")], asked) for m in part]
    assert again == [m for m in found if m.metric in {a.metric for a in again}]
    truth = {m.metric: m.value for m in found if m.value is not None}
    assert truth.get("tiny_space_total", 1) == pytest.approx(1, abs=1e-5)
    assert truth.get("tiny_space_distance", 0) < 0.01
    assert truth.get("objective_gap", 0) < 1e-5
    assert truth.get("inversion_error", 0) < 1e-4
    assert truth.get("forward_end_gap", 0) == truth.get("forward_variance_gap", 0) == 0


def lesson(digits, budget="60 steps", parameters=20_000):
    return Lesson(digits, torch.device("cpu"), 0, Budget.parse(budget), parameters)


def test_the_classifier_learns_within_its_budget_and_its_size(digits):
    ((measured,),) = run_reference_probes(["classifier"], "held-out real", lesson(digits))
    assert measured.value > 0.5, "chance is .1"
    assert measured.n == len(digits.test)
    assert "60 updates" in measured.source
    parameters = int(measured.source.split(" parameters")[0].rsplit(" ", 1)[1])
    assert abs(parameters - 20_000) <= 2_000
    ((again,),) = run_reference_probes(["classifier"], "held-out real", lesson(digits))
    assert again.value == measured.value
    assert list(run_reference_probes(["classifier", "sizes"], "train copies", lesson(digits))) == []


def test_the_classifier_overruns_by_no_more_than_one_update(digits):
    meter = taught(Classifier(digits.spec, 8, 10), lesson(digits, "0.2 s"))
    assert meter.seconds >= 0.2
    assert meter.overrun <= meter.last_update


def test_a_classifier_needs_labels_and_a_width(digits):
    parts = (Split(part.items) for part in (digits.train, digits.validation, digits.test))
    unlabelled = ImageDataset("digits", *parts, level_count=17, source="digits without labels")
    ((measured,),) = run_reference_probes(["classifier"], "held-out real", lesson(unlabelled))
    assert (measured.value, measured.source) == (None, "the dataset has no labels")
    ((measured,),) = run_reference_probes(["classifier"], "held-out real", lesson(digits, parameters=5))
    assert measured.value is None
    assert "no width is near 5 parameters" in measured.source


def test_pictures_are_shifted_together_by_a_pixel_at_most():
    draws = torch.Generator().manual_seed(0)
    x = torch.zeros(2, 1, 5, 5)
    x[:, 0, 2, 2] = 1.0
    places = {tuple(shifted(x, draws)[0, 0].argmax().item() // np.array([5, 1]) % 5) for _ in range(100)}
    assert places == {(r, c) for r in (1, 2, 3) for c in (1, 2, 3)}
