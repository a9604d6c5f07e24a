"""Run phases under the profiler, each task in a process of its own that the loader gives the library it finds.

A task is a line of JSON on stdin: {"uuid": ..., "before": FAKE_NVML as the source is made, "phases": [[phase, seconds, FAKE_NVML
while it lasts], ...], "interval_s": ...}; FAKE_NVML may be "early -> late", half of the phase each. Each is answered by a line
{"readings": {metric: [value, source]}, "doubts": [[words, fatal], ...], "overhead": {metric: value}, "boundaries_ms": [...]}.
"""

import json
import os
import sys
import time

from paragone.bench.profile.nvml import Nvml
from paragone.bench.profile.profiler import Profiler


def watch(uuid, phases, before="", interval_s=0.05):
    """The readings of all phases, in order; each is asked for when it is over."""
    os.environ["FAKE_NVML"] = before
    profiler, readings = Profiler([Nvml(uuid)], interval_s), {}
    for phase, seconds, fake in phases:
        early, *late = fake.split(" -> ")
        os.environ["FAKE_NVML"] = early
        profiler.start(phase)
        for scenario in (early, *late):
            os.environ["FAKE_NVML"] = scenario
            time.sleep(seconds / (1 + len(late)))
        profiler.stop()
        readings |= {m.metric: [m.value, m.source] for m in profiler.measurements(phase)}
    profiler.close()
    return {
        "readings": readings,
        "doubts": [[doubt.words, doubt.fatal] for doubt in profiler.doubts()],
        "overhead": {m.metric: m.value for m in profiler.overhead()},
        "boundaries_s": profiler._boundaries_s,
        "torch": "torch" in sys.modules,
    }


if __name__ == "__main__":
    for line in sys.stdin:
        if os.fork() == 0:  # nothing has been loaded yet: the child begins as a new process would
            print(json.dumps(watch(**json.loads(line))), flush=True)
            os._exit(0)
        if os.wait()[1] != 0:
            print(json.dumps({"error": "see stderr"}), flush=True)
