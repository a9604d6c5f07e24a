"""RAPL from a tree of files: packages only, wraps counted, and words for every way in which it cannot be read."""

import shutil
import time

import pytest

from paragone.bench.profile.answers import ABSENT, NO_PERMISSION, STUCK, UNREADABLE
from paragone.bench.profile.counter import Counter, EnergyMeter
from paragone.bench.profile.profiler import Profiler
from paragone.bench.profile.rapl import Rapl, packages, rapl_meter

RANGE_UJ = 262_143_328_850


def zone(root, folder, name, microjoules=1_000_000):
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    return path


def spend(path, joules):
    """The counter of a zone goes on by so much, and starts again at its range."""
    file = path / "energy_uj"
    file.write_text(f"{(int(file.read_text()) + round(joules * 1e6)) % RANGE_UJ}\n")


@pytest.fixture
def tree(tmp_path):
    """Two packages with parts, the platform around them, and the same package by another way."""
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0:0", "core")
    zone(tmp_path, "intel-rapl:0:1", "dram")
    zone(tmp_path, "intel-rapl:1", "package-1")
    zone(tmp_path, "intel-rapl:2", "psys")
    zone(tmp_path, "intel-rapl-mmio:0", "package-0")
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def window(source, between=lambda: None):
    """The one reading of a window in which `between` happens."""
    source.begin()
    time.sleep(0.003)  # longer than two steps of the counter
    between()
    (reading,) = source.end()
    return reading


def test_whole_packages_only(tree):
    assert [path.name for path in packages(tree)] == ["intel-rapl:0", "intel-rapl:1"]

    def between():
        for path, joules in ((tree / "intel-rapl:0", 7.5), (tree / "intel-rapl:1", 2.25), (tree / "intel-rapl:0:0", 5)):
            spend(path, joules)
        spend(tree / "intel-rapl:2", 20)

    reading = window(Rapl(tree), between)
    assert reading.value == pytest.approx(9.75)
    assert (reading.unit, reading.over_windows, reading.status) == ("J", "sum", "ok")
    assert reading.source == "RAPL, whole packages, all processes"


def test_wraps_are_counted_when_ticks_see_them(tree):
    """Three quarters of the range between looks, four times: three turns in one window."""
    source = Rapl(tree)
    assert source.ticks

    def between():
        for _ in range(4):
            spend(tree / "intel-rapl:0", 0.75 * RANGE_UJ / 1e6)
            source.tick()

    assert window(source, between).value == pytest.approx(3 * RANGE_UJ / 1e6)


def test_a_window_counts_from_its_beginning(tree):
    source = Rapl(tree)
    spend(tree / "intel-rapl:0", 100)
    assert window(source, lambda: spend(tree / "intel-rapl:0", 3)).value == pytest.approx(3)


def test_no_rapl(tmp_path):
    source = Rapl(tmp_path / "nowhere")
    reading = window(source)
    assert (reading.value, reading.status) == (None, ABSENT)
    assert not source.ticks, "there is nothing for a thread to look at"


@pytest.mark.parametrize("moment", ["before", "during"])
def test_a_zone_that_vanishes(tree, moment):
    source = Rapl(tree)
    if moment == "before":
        shutil.rmtree(tree / "intel-rapl:1")
        reading = window(source)
    else:
        reading = window(source, lambda: shutil.rmtree(tree / "intel-rapl:1"))
    assert (reading.value, reading.status) == (None, ABSENT)


def test_only_root_may_read(tree, monkeypatch):
    """Permission bits do not hold for root, who may run the tests: the refusal is planted."""
    path = type(tree)
    read = path.read_text

    def refused(self, *arguments, **names):
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(self))
        return read(self, *arguments, **names)

    monkeypatch.setattr(path, "read_text", refused)
    reading = window(Rapl(tree))
    assert (reading.value, reading.status) == (None, NO_PERMISSION)


def test_what_is_no_number(tree):
    (tree / "intel-rapl:0" / "energy_uj").write_text("soon\n")
    assert window(Rapl(tree)).status == UNREADABLE
    (tree / "intel-rapl:0" / "energy_uj").write_bytes(b"\xff\xfe")
    assert window(Rapl(tree)).status == UNREADABLE


def test_a_counter_that_stands_still_is_no_zero(tree):
    reading = window(Rapl(tree))
    assert (reading.value, reading.status) == (None, STUCK)


def test_windows_of_a_phase_add_up(tree):
    profiler = Profiler([Rapl(tree)])
    for _ in range(2):
        profiler.start("train")
        time.sleep(0.01)
        spend(tree / "intel-rapl:0", 4)
        profiler.stop()
        spend(tree / "intel-rapl:0", 50)
    (row,) = profiler.measurements("train")
    profiler.close()
    assert (row.metric, row.unit) == ("train_joules", "J")
    assert row.value == pytest.approx(8)


def test_a_total_survives_a_moment_of_deafness(tree):
    meter = rapl_meter(tree)
    energy = tree / "intel-rapl:0" / "energy_uj"
    spend(tree / "intel-rapl:0", 5)
    assert meter.joules() == pytest.approx(5)
    known = energy.read_text()
    energy.write_text("")
    assert meter.joules() is None
    energy.write_text(known)
    spend(tree / "intel-rapl:0", 1)
    assert meter.joules() == pytest.approx(6)


@pytest.mark.parametrize("wraps_at", [None, 100.0])
def test_going_down_is_a_wrap_only_where_there_are_wraps(wraps_at):
    values = iter([90.0, 10.0, 15.0])
    counter = Counter(lambda: (next(values), "ok"), wraps_at)
    found = counter.grown(), counter.grown()
    assert found == (((20.0, "ok"), (25.0, "ok")) if wraps_at else ((None, "reset"), (None, "reset")))


def test_a_total_that_stands_still_is_stuck(monkeypatch):
    now_s = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now_s)
    values = iter([0.0, 1.0, 1.0, 1.0, 3.0])
    meter = EnergyMeter([Counter(lambda: (next(values), "ok"))], 0.1, "planted")
    found = []
    for now_s in (1.0, 2.0, 3.5, 4.0):  # noqa: B007 - read by the planted clock
        found.append(meter.joules())
    assert found == [1.0, 1.0, None, 3.0]
