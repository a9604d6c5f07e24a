"""NVML through the real pynvml and a fake library: the right value, or null with the right words; never 0, never an exception."""

import statistics
import sys

import pytest

from paragone.bench.profile import nvml
from paragone.bench.profile.answers import (
    BLOCKED,
    LOST,
    MISSING,
    NO_DRIVER,
    NO_LIBRARY,
    NO_PERMISSION,
    NOT_FOUND,
    NOT_LISTED,
    RESET,
    STUCK,
    TIMEOUT,
    TOO_SHORT,
    UNSUPPORTED,
    WRONG_VERSION,
)
from paragone.bench.profile.nvml_device import Process
from paragone.bench.records import Measurement
from tests.bench.profile.fake_library import LARGE, SLICE, SMALL, WATTS, Watcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the loader's path is Linux's")
SAMPLED = ("power_w", "gpu_utilisation", "sm_clock_mhz", "temperature_c")
ALL = ("joules", "nvml_device_bytes", *SAMPLED, "nvml_process_bytes")
MIB = 2**20


def readings(found, phase="train"):
    """{name: (value, source)} of a phase; every one of them is a valid row of a record."""
    rows = {name.removeprefix(f"{phase}_"): row for name, row in found["readings"].items() if name.startswith(f"{phase}_")}
    for name, (value, source) in rows.items():
        Measurement(metric=f"{phase}_{name}", value=value, unit="", source=source)
    return rows


def assert_without(rows, names, status):
    """These have no value, and say why first."""
    for name in names:
        value, source = rows[name]
        assert value is None, name
        assert source.startswith(status), (name, source)


def assert_whole(rows, names=ALL):
    assert all(rows[name][0] is not None for name in names), rows


@pytest.mark.parametrize("uuid", [SMALL, LARGE])
def test_each_reading_has_its_value(watched, uuid):
    """The GPU is the one of this UUID: the library lists the small one first, CUDA would list the large one."""
    found = watched([("train", 1.0, "used_mib=512"), ("sample", 0.1, "used_mib=1024")], uuid)
    rows = readings(found)
    assert rows["joules"][0] == pytest.approx(WATTS[uuid] * 1.0, rel=0.1)
    assert rows["power_w"][0] == WATTS[uuid]
    assert rows["gpu_utilisation"][0] == 0.75
    assert rows["sm_clock_mhz"][0] == 1410
    assert rows["temperature_c"][0] == 61
    assert rows["nvml_device_bytes"][0] == 512 * MIB
    assert rows["nvml_process_bytes"][0] == 1536 * MIB
    assert readings(found, "sample")["nvml_device_bytes"][0] == 1024 * MIB
    assert found["doubts"] == []
    assert not found["torch"], "asking NVML must not need torch"


def test_memory_given_back_within_a_window_still_counts(watched):
    rows = readings(watched([("train", 0.4, "used_mib=700 -> used_mib=300")], before="used_mib=200"))
    assert rows["nvml_device_bytes"][0] == 500 * MIB


def test_memory_that_others_gave_back_tells_nothing_of_ours(watched):
    rows = readings(watched([("train", 0.3, "used_mib=100")], before="used_mib=200"))
    assert_without(rows, ["nvml_device_bytes"], "unsteady")


@pytest.mark.parametrize(("code", "status"), [(9, NO_DRIVER), (18, WRONG_VERSION), (17, BLOCKED), (4, NO_PERMISSION)])
def test_a_library_that_cannot_start(watched, code, status):
    found = watched([("train", 0.1, f"init={code}")], before=f"init={code}")
    assert_without(readings(found), ALL, status)
    assert all(not fatal for _, fatal in found["doubts"])


def test_no_library(tmp_path):
    (tmp_path / "libnvidia-ml.so.1").write_text("no library at all\n")
    watcher = Watcher(tmp_path)
    found = watcher([("train", 0.1, "")])
    watcher.close()
    assert_without(readings(found), ALL, NO_LIBRARY)


def test_a_device_that_is_not_there(watched):
    assert_without(readings(watched([("train", 0.1, "")], "GPU-of-somebody-else")), ALL, NOT_FOUND)


@pytest.mark.parametrize(
    ("code", "status"),
    [(3, UNSUPPORTED), (4, NO_PERMISSION), (10, TIMEOUT), (17, BLOCKED), (999, "NVML error 999"), (16, "NVML error 16")],
)
def test_every_query_refused(watched, code, status):
    found = watched([("train", 0.15, f"all={code}")])
    assert_without(readings(found), ALL, status)
    assert found["doubts"] == [[f"whether the GPU was slowed down cannot be told: {status}", False]]


def test_energy_alone_unsupported(watched):
    rows = readings(watched([("train", 0.15, "energy=3")]))
    assert_without(rows, ["joules"], UNSUPPORTED)
    assert_whole(rows, [name for name in ALL if name != "joules"])


def test_a_function_that_the_library_has_not(watched_with_later_library):
    rows = readings(watched_with_later_library([("train", 0.3, "throttle=64")]))
    assert_without(rows, ["joules"], MISSING)
    assert_whole(rows, [name for name in ALL if name != "joules"])  # the temperature by its newer name


def test_throttling_by_its_newer_name(watched_with_later_library):
    assert watched_with_later_library([("train", 0.1, "throttle=64")])["doubts"] == [[f"the GPU was {nvml.SLOWED[64]}", True]]


def test_a_mig_slice_has_memory_only(watched):
    rows = readings(watched([("train", 0.3, "mig=1 used_mib=64")], SLICE, before="mig=1"))
    assert_without(rows, ["joules", *SAMPLED], UNSUPPORTED)
    assert all(rows[name][1].endswith("a MIG slice has none of its own") for name in ("joules", *SAMPLED))
    assert rows["nvml_device_bytes"][0] == 64 * MIB
    assert rows["nvml_process_bytes"][0] == 1536 * MIB


def test_a_device_lost_in_mid_run(watched):
    found = watched([("train", 0.4, " -> all=15"), ("sample", 0.1, "")])
    train = readings(found)
    assert_without(train, ["joules", "nvml_process_bytes"], LOST)
    assert train["power_w"][0] == WATTS[SMALL], "what was sampled before stays"
    assert_without(readings(found, "sample"), ALL, LOST)  # and it does not come back
    assert ["the driver lost the GPU", True] in found["doubts"]


@pytest.mark.parametrize("queries", [1, 2, 4, 5, 8, 13])
def test_a_device_lost_at_any_moment(watched, queries):
    """While the source is made, as a window begins, in a tick: the cell goes on and knows that its times are worthless."""
    scenario = f"lost_after={queries}"
    found = watched([("train", 0.15, scenario)], before=scenario)
    assert_without(readings(found), ["joules", "nvml_process_bytes"], LOST)
    assert ["the driver lost the GPU", True] in found["doubts"]


def test_host_process_numbers(watched):
    """One listed process that is not ours by number is ours all the same, in a container: no doubt, but no memory either."""
    found = watched([("train", 0.1, "pids=host")], before="pids=host")
    assert_without(readings(found), ["nvml_process_bytes"], NOT_LISTED)
    assert found["doubts"] == []


def test_an_empty_process_list(watched):
    found = watched([("train", 0.1, "pids=none")], before="pids=none")
    assert_without(readings(found), ["nvml_process_bytes"], NOT_LISTED)
    assert found["doubts"] == []


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_second_compute_process(watched, when):
    scenario = "pids=self,host"
    found = watched([("train", 0.1, scenario if when == "during" else "")], before=scenario if when == "before" else "")
    assert readings(found)["nvml_process_bytes"][0] == 1536 * MIB
    assert found["doubts"] == [["other processes computed on the GPU: 1", True]]


def test_others_counts_processes_once():
    mine = Process(1, None)
    assert nvml.others([]) == 0
    assert nvml.others([mine, mine]) == 0  # one process in two MIG instances
    assert nvml.others([mine, Process(2, 5), Process(3, 5)]) == 2


def test_process_memory_not_told(watched):
    rows = readings(watched([("train", 0.1, "process_memory=na")]))
    assert_without(rows, ["nvml_process_bytes"], UNSUPPORTED)
    assert rows["nvml_process_bytes"][1].endswith("the driver does not tell a process's memory")


def test_a_counter_that_stands_still(watched):
    found = watched([("train", 0.4, "stuck=1"), ("sample", 0.05, "stuck=1")], before="stuck=1")
    assert_without(readings(found), ["joules"], STUCK)
    assert_without(readings(found, "sample"), ["joules"], TOO_SHORT)


def test_a_counter_that_was_reset(watched):
    rows = readings(watched([("train", 0.4, " -> reset=1")]))
    assert_without(rows, ["joules"], RESET)
    assert_whole(rows, [name for name in ALL if name != "joules"])


def test_a_counter_that_was_reset_before_counts_on(watched):
    found = watched([("train", 0.5, "")], before="reset=1")
    assert readings(found)["joules"][0] == pytest.approx(WATTS[SMALL] * 0.5, rel=0.2)


def test_a_window_shorter_than_the_counter_and_the_sampling(watched):
    rows = readings(watched([("train", 0.12, "")], interval_s=0.5))
    assert_without(rows, ["joules", *SAMPLED], TOO_SHORT)
    assert_whole(rows, ["nvml_process_bytes", "nvml_device_bytes"])


@pytest.mark.parametrize("bit", nvml.SLOWED)
def test_each_kind_of_slowing_down(watched, bit):
    assert watched([("train", 0.05, f"throttle={bit}")])["doubts"] == [[f"the GPU was {nvml.SLOWED[bit]}", True]]


def test_power_cap_is_a_warning_and_other_bits_are_none(watched):
    """Idle, the application's clocks, sync boost and display clocks are no reason to doubt a time."""
    quiet = 0x1 | 0x2 | 0x10 | 0x100
    assert watched([("train", 0.05, f"throttle={quiet}")])["doubts"] == []
    assert watched([("train", 0.05, f"throttle={quiet | 4}")])["doubts"] == [["the GPU ran at its power cap", False]]


def test_what_profiling_costs(watched):
    """At 2 Hz the thread takes at most 1 % of the time; ending a window and beginning the next, at most a few ms anywhere."""
    found = watched([("train", 0.05, "")] * 20 + [("train", 2.0, "")], interval_s=0.5)
    assert 0 < found["overhead"]["profile_thread_share"] <= 0.01
    assert statistics.median(found["boundaries_s"]) <= 0.005
