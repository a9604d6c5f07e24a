"""A wheel holds `paragone` and the command's one module, and nothing that collides with a project's own folders."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl"))).namelist()


def test_top_level_is_ours_alone(names):
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"paragone", "run_bench.py"}


def test_what_is_read_at_run_time_is_inside(names):
    for part in (
        "bench/suites/quick.toml",
        "reports/templates/report.html.j2",
        "reports/templates/report.css",
        "models/contract.py",
    ):
        assert f"paragone/{part}" in names
    assert any(name.startswith("paragone/bench/metrics/encoder_digits_") for name in names)
