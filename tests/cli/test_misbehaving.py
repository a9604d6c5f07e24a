"""Contenders that misbehave each become a row with status, phase and reason, and cost the others nothing."""

import hashlib

import pytest

from paragone.bench.metrics.modalities import MODALITIES
from paragone.bench.records import read_manifest, read_records
from tests.cli.conftest import CONTENDERS, bench

REFERENCES = MODALITIES["image"].references

EXPECTED = {
    "good": ("ok", None, None),
    "chatters": ("ok", None, None),
    "raises": ("failed", "train", "the generator has lost its way"),
    "raises-at-once": ("failed", "build", "cannot be built"),
    "nan-loss": ("diverged", "train", "loss = nan"),
    "nan-samples": ("diverged", "evaluate", "not finite"),
    "wrong-shape": ("invalid", "evaluate", "shape"),
    "wrong-dtype": ("invalid", "evaluate", "torch.float64"),
    "never-ends": ("timeout", "train", "the limit is 20 s"),
    "exits": ("failed", "train", "exit code 7"),
    "dumps-core": ("failed", "train", "SIGSEGV"),
    "eats-memory": ("out_of_memory", "train", "the limit is 1800 MB"),
    "writes-elsewhere": ("failed", "evaluate", "may not write into the run folder"),
    "writes-through-a-shell": ("invalid", None, "put back"),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("misbehaving")
    out = folder / "out"
    suite = folder / "tiny.toml"
    from tests.cli.conftest import SUITE

    suite.write_text(SUITE.format(seeds=1, budget="20 steps", timeout=20))
    only = [word for name in EXPECTED for word in ("--only", name)]
    done = bench("run", suite, "--add", CONTENDERS, *only, "--out", out, cwd=folder, env={"PARAGONE_TEST_OUT": str(out)})
    return done, out


def test_the_run_ends_well_and_says_how_many_failed(outcome):
    done, _ = outcome
    assert done.returncode == 0, done.stderr
    failed = sum(status != "ok" for status, _, _ in EXPECTED.values())
    assert f"{failed} of {len(EXPECTED) + len(REFERENCES)} cells failed" in done.stdout
    assert "\x1b" not in done.stdout
    assert "noise noise" not in done.stdout


@pytest.mark.parametrize("name", EXPECTED)
def test_each_is_a_row_with_status_phase_and_reason(outcome, name):
    status, phase, words = EXPECTED[name]
    record = next(r for r in read_records(outcome[1]) if r.cell.contender == name)
    assert record.status == status, record.failure
    if words is None:
        assert record.failure is None
        return
    assert words in record.failure.message
    assert phase is None or record.failure.phase == phase
    assert record.failure.elapsed_s > 0
    empty = [m for m in record.measurements if m.value is None]
    assert status == "invalid" or any(m.metric == "fid" and status in m.source for m in empty)


def test_what_was_measured_before_a_failure_stays(outcome):
    record = next(r for r in read_records(outcome[1]) if r.cell.contender == "raises")
    values = {m.metric: m.value for m in record.measurements}
    assert values["fid@0.5"] > 0
    assert values["fid"] is None


def test_the_others_lost_nothing(outcome):
    _, out = outcome
    for record in read_records(out):
        for name, digest in record.files.items():
            assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest, name
    assert len(read_records(out)) == len(read_manifest(out).order)
    assert not (out / "samples" / "mine").exists()


def test_when_every_contender_fails_the_exit_code_is_1(tmp_path, tiny):
    done = bench("run", tiny(), "--add", CONTENDERS, "--only", "raises-at-once", "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 1
    assert f"1 of {1 + len(REFERENCES)} cells failed" in done.stdout
