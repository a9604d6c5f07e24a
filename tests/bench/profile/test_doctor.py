"""`doctor` as a whole process: with and without a library, whatever torch does, exit code 0 and words for what is missing."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from paragone.bench.doctor import SCHEMA_VERSION, measures, torch_capabilities
from paragone.bench.profile import host, torch_probe
from paragone.bench.profile.answers import ABSENT, NO_PERMISSION
from paragone.bench.profile.capability import Capability, known
from paragone.reports.doctor import shown
from tests.bench.profile.fake_library import LARGE, ROOT, SLICE, SMALL, WATTS, environment

STUB = """
from types import SimpleNamespace
__version__, version = "2.99.0", SimpleNamespace(cuda="13.0")
uuids = {uuids!r}
cuda = SimpleNamespace(
    init=lambda: None, device_count=lambda: len(uuids),
    get_device_properties=lambda index: SimpleNamespace(name="stub", uuid=uuids[index]),
)
"""
GPU_WORDS = {
    "name", "uuid", "cuda_index", "mig_mode", "mig_slices", "memory", "memory_in_use", "energy_counter", "power", "process_list",
    "process_memory", "throttle_reasons", "sm_clock", "temperature", "utilisation",
}  # fmt: skip


def stub(folder, text):
    """A package `torch` of this text, to be found before the real one."""
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text(text)
    return {"PYTHONPATH": str(folder)}


def doctor(*options, env, cwd=ROOT):
    command = [sys.executable, str(ROOT / "run_bench.py"), "doctor", *options]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def examined(library, fake, extra):
    return json.loads(doctor("--json", env={**environment(library, fake), **extra}))


def assert_explained(capabilities):
    """What is available has a value, what is not says why; and never both."""
    for name, found in capabilities.items():
        assert set(found) == {"available", "value", "unit", "why", "advice"}
        assert found["available"] == (found["value"] is not None) == (found["why"] == ""), (name, found)
        assert found["available"] or found["advice"], (name, found)


def test_two_gpus_in_another_order_than_cuda(library, tmp_path):
    """CUDA's device 0 is the large GPU, which NVML lists second."""
    torch = stub(tmp_path, STUB.format(uuids=[LARGE[4:], SMALL[4:]]))
    found = examined(library, "throttle=0x24", torch)
    assert found["schema_version"] == SCHEMA_VERSION
    assert [(gpu["uuid"], gpu["cuda_index"]) for gpu in found["gpus"]] == [(SMALL, 1), (LARGE, 0)]
    for part in ("host", "torch", "nvml", "measures"):
        assert_explained(found[part])
    for gpu in found["gpus"]:
        assert_explained(gpu["capabilities"])
        assert set(gpu["capabilities"]) == GPU_WORDS
        assert gpu["capabilities"]["power"]["value"] == WATTS[gpu["uuid"]]
        assert gpu["capabilities"]["throttle_reasons"]["value"].endswith("too hot, held at its power cap")
    small, large = (gpu["capabilities"]["energy_counter"]["value"] for gpu in found["gpus"])
    assert large / small == pytest.approx(2.5, rel=0.2)
    assert found["nvml"]["driver_version"]["value"] == "580.00.fake"
    assert found["measures"]["budget_in_joules_on_cuda_0"]["available"]
    assert found["measures"]["budget_in_flops"]["available"]


def test_a_cut_gpu_of_which_torch_sees_the_slice(library, tmp_path):
    found = examined(library, "mig=1 pids=host", stub(tmp_path, STUB.format(uuids=[SLICE[4:]])))
    whole, part, other = found["gpus"]
    assert (whole["uuid"], whole["slice_of"], whole["cuda_index"]) == (SMALL, None, None)
    assert (part["uuid"], part["slice_of"], part["cuda_index"]) == (SLICE, SMALL, 0)
    assert other["uuid"] == LARGE
    assert whole["capabilities"]["mig_mode"]["value"] == "on"
    assert whole["capabilities"]["mig_slices"]["value"] == 1
    assert part["capabilities"]["memory"]["available"]
    assert part["capabilities"]["process_memory"]["why"] == "not listed"
    joules = found["measures"]["budget_in_joules_on_cuda_0"]
    assert (joules["available"], joules["why"]) == (False, "unsupported")
    assert "turn MIG off" in joules["advice"]
    for gpu in found["gpus"]:
        assert_explained(gpu["capabilities"])


@pytest.mark.parametrize(("fake", "why"), [("stuck=1", "stuck"), ("all=15", "device lost")])
def test_an_energy_counter_is_tried_not_believed(library, tmp_path, fake, why):
    found = examined(library, fake, stub(tmp_path, STUB.format(uuids=[SMALL[4:]])))
    assert found["gpus"][0]["capabilities"]["energy_counter"]["why"] == why
    assert found["measures"]["budget_in_joules_on_cuda_0"]["why"] == why
    assert_explained(found["gpus"][0]["capabilities"])


def test_torch_may_crash(library, tmp_path):
    """Nothing but torch's own lines is lost."""
    found = examined(library, "init=18", stub(tmp_path, "import os\nos.abort()\n"))
    assert "signal 6" in found["torch"]["cuda_devices"]["why"]
    assert "signal 6" in found["measures"]["gpu_energy_memory_and_throttling"]["why"]
    assert found["nvml"]["library"]["why"] == "wrong version"
    assert "restart the machine" in found["nvml"]["library"]["advice"]
    assert found["gpus"] == []
    assert found["host"]["memory"]["value"] > 2**28


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise OSError('libcudart.so: file too short')", "exit code 1: OSError: libcudart.so: file too short"),
        (STUB.format(uuids=[]).replace("init=lambda: None", "init=lambda: exit(3)"), "exit code 3: no message"),
        (STUB.format(uuids=[]) + "def no(): raise RuntimeError('no driver. Get one')\ncuda.init = no", "no driver"),
        (STUB.format(uuids=["a"]), ""),
    ],
)
def test_how_torch_ended_is_said(tmp_path, monkeypatch, text, why):
    monkeypatch.setenv("PYTHONPATH", stub(tmp_path, text)["PYTHONPATH"])
    found = torch_probe.seen()
    assert found.why.endswith(why)
    assert found.index_of == ({"a": 0} if why == "" else {})


def test_plain_text_ends_with_what_a_run_can_measure(tmp_path):
    """Without a library, with the real torch and not a folder of this name: no line is wrapped, each has yes or no."""
    (tmp_path / "libnvidia-ml.so.1").write_text("no library\n")
    stub(tmp_path, "raise SystemExit(7)\n")
    env = {**environment(tmp_path), "COLUMNS": "40", "CUDA_VISIBLE_DEVICES": ""}
    above, below = doctor(env=env, cwd=tmp_path).split("\nwhat a run here can measure\n")
    for table in (above.splitlines(), below.splitlines()):
        column = table[0].index("here")
        assert all(line[column : column + 4].strip() in ("yes", "no") for line in table[1:]), table
    assert "no library; install NVIDIA's driver" in above
    assert version("torch") in above
    assert [line.split("  ")[0] for line in below.splitlines()[1:5]] == [
        f"budget in {axis}" for axis in ("seconds", "steps", "samples", "flops")
    ]


def test_measures_name_what_nvml_does_not_list():
    torch = torch_probe.Seen("2.99", "13.0", "", {"abc": 0})
    of_host = [known("peak_mark", "yes"), known("foreign_load", 0.0), Capability("rapl", False, why=ABSENT, advice="-")]
    found = {row.name: row for row in measures(of_host, torch, ())}
    assert not found["nvml_on_cuda_0"].available
    assert "gpu_energy_memory_and_throttling" not in found
    assert all(row.available for row in torch_capabilities(torch))


def test_the_peak_mark_is_tried(tmp_path):
    assert host.peak_mark(tmp_path / "nothing" / "here") == (None, ABSENT)
    assert host.peak_mark(tmp_path) == (None, NO_PERMISSION)
    (tmp_path / "clear_refs").write_text("")
    assert host.peak_mark(tmp_path / "clear_refs")[1] == "ok"


def test_the_timer_steps():
    assert 0 < host.timer_step_s() < 1e-3


@pytest.mark.parametrize(
    ("capability", "text"),
    [
        (known("memory", 80 * 2**30, "bytes"), "80.0 GiB"), (known("steal", 0.034, "share"), "3%"), (known("gpus", 2), "2"),
        (known("timer_step", 4.1e-8, "s"), "41 ns"), (known("power", 99.96, "W"), "99.96 W"), (known("name", "H100"), "H100"),
        (Capability("power", False, why="unsupported"), "-"),
    ],
)  # fmt: skip
def test_values_are_shown_as_people_read_them(capability, text):
    assert shown(capability) == text
