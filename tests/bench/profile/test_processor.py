"""Processor time is the process's own; load is what others took of its cores."""

import multiprocessing
import os
import time

import pytest

from paragone.bench.profile.processor import FOREIGN_BOUND, STEAL_BOUND, Load, LoadWatch, ProcessorTime


def spin(seconds, core=None):
    if core is not None:
        os.sched_setaffinity(0, [core])
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass


def test_processor_time_leaves_out_waiting():
    source = ProcessorTime()
    source.begin()
    spin(0.1)
    time.sleep(0.2)
    (found,) = source.end()
    assert found.value == pytest.approx(0.1, abs=0.05)


STAT = """cpu  100 0 100 800 0 0 0 0 0 0
cpu0 {0} 0 {1} {2} 5 1 2 {3} 40 0
cpu1 9999 0 9999 0 0 0 0 9999 0 0
intr 5
"""


def test_shares_follow_from_the_system_s_counters(tmp_path, monkeypatch):
    stat = tmp_path / "stat"
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    stat.write_text(STAT.format(1000, 500, 8000, 10))
    watch = LoadWatch(stat)
    stat.write_text(STAT.format(1400, 600, 8480, 30))  # 500 busy, 480 idle, 20 stolen of 1,000; guest time is in user already
    load = watch.load()
    assert load.steal_share == pytest.approx(0.02)
    assert load.foreign_share == pytest.approx(0.5, abs=0.02)  # this process took next to nothing of it


def test_what_is_not_told_is_not_zero(tmp_path):
    assert LoadWatch(tmp_path / "absent").load() == Load(None, None)
    (tmp_path / "stat").write_text("cpu  1 2 3\n")
    assert LoadWatch(tmp_path / "stat").load() == Load(None, None)
    watch = LoadWatch()
    assert Load(None, None).doubts() == []
    assert watch.load() == Load(None, None) or watch.load().foreign_share >= 0


def test_bounds_are_stated():
    assert Load(STEAL_BOUND, FOREIGN_BOUND).doubts() == []
    (stolen,) = Load(2 * STEAL_BOUND, 0.0).doubts()
    (foreign,) = Load(0.0, 2 * FOREIGN_BOUND).doubts()
    assert stolen.fatal
    assert stolen.words == "the hypervisor took 10% of the cores' time (bound 5%)"
    assert foreign.words == "other processes took 20% of the cores' time (bound 10%)"


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="Linux")
def test_another_process_on_our_cores_is_seen():
    cores = sorted(os.sched_getaffinity(0))
    watch = LoadWatch()
    others = [multiprocessing.get_context("spawn").Process(target=spin, args=(0.6, core)) for core in cores]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert watch.load().foreign_share > FOREIGN_BOUND
