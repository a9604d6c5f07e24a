"""Windows and phases: what belongs to whom, how windows combine, and what profiling itself costs."""

import statistics
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.profile.memory import ResidentSet
from paragone.bench.profile.processor import ProcessorTime
from paragone.bench.profile.profiler import Profiler
from paragone.bench.profile.readings import UNREAD_SHARE, Reading, Source, combined


class Script(Source):
    """Reads what the test wrote down, window by window."""

    def __init__(self, *windows):
        self.windows, self.log = list(windows), []

    def begin(self):
        self.log.append("begin")

    def end(self):
        self.log.append("end")
        return self.windows.pop(0)


def peak(value):
    return Reading("peak", value, "bytes", "script", "ok" if value is not None else "lost")


def joules(value, status="too short"):
    return Reading("joules", value, "J", "script", "ok" if value is not None else status, over_windows="sum")


def test_a_phase_is_put_together_from_its_windows():
    source = Script([peak(5), joules(1.0)], [peak(90), joules(50.0)], [peak(7), joules(2.0)])
    profiler = Profiler([source])
    for phase in ("train", "evaluate", "train"):
        profiler.start(phase)
        time.sleep(0.01)
    profiler.stop()
    profiler.stop()  # nothing is open
    train = {m.metric: m.value for m in profiler.measurements("train")}
    assert train == {"train_peak": 7, "train_joules": 3.0}
    assert {m.metric: m.value for m in profiler.measurements("evaluate")} == {"evaluate_peak": 90, "evaluate_joules": 50.0}
    assert profiler.measurements("sample", "never") == []
    assert source.log == ["begin", "end"] * 3


def test_samplers_are_apart():
    profiler = Profiler([Script([peak(1)], [peak(2)])])
    profiler.start("sample", "fast")
    profiler.start("sample", "slow")
    profiler.close()
    assert [(m.sampler, m.value) for m in profiler.measurements("sample", "slow")] == [("slow", 2)]


def test_what_cannot_be_read_has_no_value_and_says_why():
    (row,) = [r.measurement("train") for r in combined([(1.0, [joules(None, "no permission")]), (9.0, [joules(4.0)])])]
    assert row.value is None
    assert row.source.startswith("no permission: ")


def test_a_sum_forgives_windows_too_short_to_matter_and_no_others():
    short = UNREAD_SHARE / 2
    assert combined([(short, [joules(None)]), (1 - short, [joules(4.0)])])[0].value == 4.0
    assert combined([(0.5, [joules(None)]), (0.5, [joules(4.0)])])[0].value is None


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0, 1e6)), min_size=1, max_size=8))
def test_sum_mean_and_maximum(parts):
    seconds, values = zip(*parts, strict=True)

    def over(rule):
        return combined([(s, [Reading("x", v, "1", "", over_windows=rule)]) for s, v in parts])[0].value

    assert over("sum") == pytest.approx(sum(values))
    assert over("max") == max(values)
    mean = sum(s * v for s, v in parts) / sum(seconds)
    assert over("mean") == pytest.approx(mean)


class Slow(Source):
    """Takes 2 ms a look."""

    ticks = True

    def begin(self):
        pass

    def end(self):
        return []

    def tick(self):
        time.sleep(0.002)


def test_the_thread_accounts_for_its_own_time_and_ends():
    profiler = Profiler([Slow()], interval_s=0.02)
    time.sleep(0.4)
    share, _ = profiler.overhead()
    profiler.close()
    assert share.metric == "profile_thread_share"
    assert 0.03 < share.value < 0.5  # 2 in 22 ms on an idle machine
    spent_s = profiler._thread.spent_s
    time.sleep(0.05)
    assert profiler._thread.spent_s == spent_s


def test_without_a_source_that_ticks_there_is_no_thread():
    profiler = Profiler([ProcessorTime()])
    share, boundary = profiler.overhead()
    assert (share.value, share.source) == (0.0, "no source here needs a thread")
    assert boundary.unit == "s"


def test_a_boundary_is_cheap():
    profiler = Profiler([ResidentSet(), ProcessorTime()])
    for k in range(200):
        profiler.start("train" if k % 2 else "evaluate")
    profiler.stop()
    boundary = profiler.overhead()[1]
    assert boundary.value == statistics.median(profiler._boundaries_s) < 1e-3  # a busy machine can hold up any one of them
    assert "the longest took" in boundary.source
    profiler.close()
