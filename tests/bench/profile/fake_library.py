"""The fake libnvidia-ml.so.1 of fake_nvml.c: compile it, and make an environment in which the loader finds it."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SMALL = "GPU-aaaaaaaa-0000-4000-8000-000000000000"
LARGE = "GPU-bbbbbbbb-1111-4111-8111-111111111111"
SLICE = "MIG-cccccccc-2222-4222-8222-222222222222"
WATTS = {SMALL: 100, LARGE: 250}


def compile_library(folder, *defines):
    """Compile the fake into this folder, with these macros; returns the folder for the loader's path."""
    folder.mkdir(parents=True, exist_ok=True)
    to = folder / "libnvidia-ml.so.1"
    words = ["gcc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", *(f"-D{d}" for d in defines), "-o", to, HERE / "fake_nvml.c"]
    subprocess.run(words, check=True)
    return folder


def environment(folder, fake=""):
    """This process's environment, with the library of the folder first on the loader's path and set to a scenario."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("LD_LIBRARY_PATH", "")]))
    return {**os.environ, "LD_LIBRARY_PATH": path, "FAKE_NVML": fake}


class Watcher:
    """A process of watch.py that finds the library of a folder. Call it with phases [(phase, seconds, scenario)]."""

    def __init__(self, folder):
        command = [sys.executable, str(HERE / "watch.py")]
        self._process = subprocess.Popen(
            command, env=environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __call__(self, phases, uuid=SMALL, **settings):
        """What the task's answer says; `before` is the scenario as the source is made."""
        print(json.dumps({"uuid": uuid, "phases": phases, **settings}), file=self._process.stdin, flush=True)
        found = json.loads(self._process.stdout.readline())
        assert "error" not in found
        return found

    def close(self):
        self._process.stdin.close()
        assert self._process.wait(10) == 0
        self._process.stdout.close()
