"""Peaks are those of their phase: what was held before or between is not counted."""

import subprocess
import sys
import textwrap

# In a process of its own: the peak of pytest's process belongs to every test.
PROGRAM = """
import torch
from paragone.bench.profile.memory import PeakMemory, resting_rss_bytes
MB = 1 << 20
def hold(megabytes):
    torch.ones(megabytes * MB // 4).sum()
hold(400)
rest = resting_rss_bytes()
peak = PeakMemory("train", torch.device("cpu"), rest)
hold(100)
peak.pause()
hold(300)
peak.resume()
hold(50)
found = {m.metric: m.value for m in peak.read()}
net = found["train_peak_rss_net_bytes"] / MB
assert 90 < net < 150, net
assert found["train_peak_rss_bytes"] == rest + found["train_peak_rss_net_bytes"]
"""


def test_peak_of_a_phase():
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
