"""What torch sees, asked in a process of its own: starting CUDA on a broken machine may raise, hang or crash.

Run as a module it prints one JSON object: version, cuda_build (null for a build without), why CUDA cannot be used (empty where it
can), and devices, each with index, name and the 16 bytes of its UUID as CUDA writes them.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

LIMIT_S = 120


@dataclass(frozen=True)
class Seen:
    """What torch sees; `why` says why it sees no CUDA device, `index_of` gives the CUDA index by UUID without its prefix."""

    version: str
    cuda_build: str | None
    why: str
    index_of: dict[str, int]


def seen() -> Seen:
    """Ask a new process; whatever happens to it is said in words."""
    command = [sys.executable, "-P", "-m", __name__]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return Seen("", None, f"torch did not answer within {LIMIT_S} s", {})
    return from_output(done.returncode, done.stdout, done.stderr)


def from_output(code: int, stdout: str, stderr: str) -> Seen:
    """What the process said, or how it died."""
    if code != 0:
        last = (stderr.strip().splitlines() or ["no message"])[-1]
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Seen("", None, f"asking torch ended with {ended}: {last}", {})
    found = json.loads(stdout.strip().splitlines()[-1])
    index_of = {device["uuid"]: device["index"] for device in found["devices"]}
    return Seen(found["version"], found["cuda_build"], found["why"], index_of)


def _ask() -> dict[str, Any]:
    import torch

    found: dict[str, Any] = {"version": torch.__version__, "cuda_build": torch.version.cuda, "why": "", "devices": []}
    try:
        torch.cuda.init()
        for index in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(index)
            found["devices"].append({"index": index, "name": device.name, "uuid": str(device.uuid)})
    except (RuntimeError, AssertionError) as error:  # no driver; a build without CUDA
        found["why"] = str(error).strip().splitlines()[0].split(". ")[0]
    return found


if __name__ == "__main__":
    print(json.dumps(_ask()))
