"""The counter for budgets in joules: NVML for a GPU, RAPL for the processor, and a refusal that says what to do."""

import json
import subprocess
import sys
import time

import pytest
import torch

from paragone.bench.profile import nvml_device
from paragone.bench.profile.energy import Refusal, energy_counter
from tests.bench.profile.fake_library import LARGE, SLICE, SMALL, WATTS, environment
from tests.bench.profile.test_rapl import spend, zone

CPU, CUDA = torch.device("cpu"), torch.device("cuda:1")
ASK = """
import json, sys, time
from types import SimpleNamespace
uuid = sys.argv[1][4:]
sys.modules["torch"] = SimpleNamespace(cuda=SimpleNamespace(get_device_properties=lambda device: SimpleNamespace(uuid=uuid)))
from paragone.bench.profile.energy import Refusal, energy_counter
counter = energy_counter(SimpleNamespace(type="cuda"))
if isinstance(counter, Refusal):
    print(json.dumps(counter.words))
else:
    began = time.perf_counter()
    time.sleep(1.0)
    joules = counter.joules()
    print(json.dumps([joules / (time.perf_counter() - began), counter.tick_s, counter.source]))
"""


def asked(folder, uuid, fake=""):
    """What a process with this library finds: [mean power in W, tick, source], or the refusal's words."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, uuid], env=environment(folder, fake), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_gpu_by_its_uuid(library):
    watts, tick_s, source = asked(library, LARGE)
    assert watts == pytest.approx(WATTS[LARGE], rel=0.1)
    assert (tick_s, source) == (0.1, "NVML, energy counter")


@pytest.mark.parametrize(
    ("uuid", "fake", "status", "advice"),
    [
        (SMALL, "energy=3", "unsupported", "Volta"),
        (SMALL, "energy=4", "no permission", "root"),
        (SMALL, "init=9", "no driver", "nvidia-smi"),
        (SMALL, "init=18", "wrong version", "restart the machine"),
        (SLICE, "mig=1", "unsupported", "turn MIG off"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(library, uuid, fake, status, advice):
    words = asked(library, uuid, fake)
    assert status in words
    assert advice in words


def test_the_processor(tmp_path):
    package = zone(tmp_path, "intel-rapl:0", "package-0")
    counter = energy_counter(CPU, tmp_path)
    assert not isinstance(counter, Refusal)
    spend(package, 12)
    assert counter.joules() == pytest.approx(12)
    assert counter.tick_s < 0.01
    assert "RAPL" in counter.source


def test_no_rapl_and_no_such_device(tmp_path):
    refusal = energy_counter(CPU, tmp_path)
    assert refusal == Refusal(
        "the energy of the processor cannot be read, absent (RAPL, whole packages, all processes): "
        "run on a machine, not a virtual one, whose Linux shows intel-rapl in /sys/class/powercap"
    )
    assert isinstance(energy_counter(torch.device("mps")), Refusal)


@pytest.mark.parametrize(("status", "expected"), [("ok", "GPU-5e1f"), ("not found", "MIG-5e1f"), ("no library", "GPU-5e1f")])
def test_uuid_of_a_gpu_and_of_a_slice(monkeypatch, status, expected):
    """CUDA gives bare numbers; a slice is what NVML does not know as a GPU."""
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: type("Properties", (), {"uuid": "5e1f"}))
    monkeypatch.setattr(nvml_device, "Device", lambda uuid: type("Found", (), {"status": status}))
    assert nvml_device.uuid_of(CUDA) == expected


def test_reading_the_counter_is_cheap(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0")
    counter = energy_counter(CPU, tmp_path)
    began = time.process_time()
    for _ in range(100):
        counter.joules()
    assert time.process_time() - began < 0.1  # 1 ms each, where some ten us are expected
