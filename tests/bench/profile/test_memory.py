"""Peaks are those of their window: what was held before or between is not counted, by the kernel's mark as by polling."""

import subprocess
import sys
import textwrap

import pytest

# In a process of its own: the peak of pytest's process belongs to every test.
PROGRAM = """
import sys, time, torch
from pathlib import Path
from paragone.bench.profile.memory import PeakMark, ResidentSet, release_freed, resting_rss_bytes
MB = 1 << 20
def hold(megabytes):
    x = torch.ones(megabytes * MB // 4)
    time.sleep(0.05)  # a peak shorter than a poll can be missed
mark = PeakMark(clear=Path(sys.argv[1]))
source = ResidentSet(mark)
hold(400)
release_freed()
rest = resting_rss_bytes()
source.begin()
hold(100)
first, = source.end()
hold(300)
source.begin()
hold(50)
second, = source.end()
assert 95 < (first.value - rest) / MB < 110, (first.value - rest) / MB
assert 45 < (second.value - rest) / MB < 60, (second.value - rest) / MB
assert sys.argv[2] in first.source, first.source
"""


@pytest.mark.parametrize(
    ("clear", "source"), [("/proc/self/clear_refs", "VmHWM"), ("/nowhere/clear_refs", "polled at 100 Hz: the mark cannot be reset")]
)
def test_peak_of_a_window(clear, source):
    words = [sys.executable, "-c", textwrap.dedent(PROGRAM), clear, source]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
