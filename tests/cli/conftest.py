"""The command as a user runs it: in a process of its own, in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTENDERS = Path(__file__).parent / "contenders.py"

SUITE = """
name = "tiny"
seeds = {seeds}
cell_timeout_s = {timeout}
memory_limit_bytes = 1800000000
[budget]
train = "{budget}"
parameters = 20000
[evaluation]
samples = 100
shares = [0.5]
curve_samples = 100
[[tracks]]
name = "digits"
data = "digits"
contenders = []
"""


def bench(*arguments, cwd, check=None, env=None, timeout=240):
    """Run the command line; assert its exit code if `check` is given."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_bench.py"), *map(str, arguments)],
        cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    if check is not None:
        assert done.returncode == check, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture
def tiny(tmp_path):
    """A suite file of almost nothing; call it to write another."""

    def write(seeds=1, budget="20 steps", timeout=60):
        path = tmp_path / "tiny.toml"
        path.write_text(SUITE.format(seeds=seeds, budget=budget, timeout=timeout))
        return path

    return write
