"""Everything bad that a user can give ends with one clear line and exit code 2 (1 for a full disk), without a traceback."""

import os
import subprocess
import sys

import numpy as np
import pytest

import run_bench
from paragone.bench.metrics.modalities import MODALITIES
from tests.cli.conftest import CONTENDERS, ROOT, bench

REFERENCES = MODALITIES["image"].references


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "syntax.py").write_text("def broken(:\n")
    (tmp_path / "nothing.py").write_text("x = 1\n")
    (tmp_path / "bad.toml").write_text("name = [")
    (tmp_path / "file").write_text("x")
    np.savez(tmp_path / "pickled.npz", x=np.array([{"a": 1}], dtype=object))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "quik"], ["unknown suite 'quik'", "Did you mean 'quick'"]),
        (["run", "absent.toml"], ["absent.toml", "cannot be read"]),
        (["run", "bad.toml"], ["bad.toml", "not valid TOML"]),
        (["run", "smoke", "--only", "dcgn"], ["unknown contender 'dcgn'", "Did you mean 'dcgan'"]),
        (["run", "smoke", "--budget", "20 sek"], ["no known unit 'sek'"]),
        (["run", "smoke", "--budget", "0 s"], ["more than 0"]),
        (["run", "smoke", "--budget", "-5 steps"], ["more than 0"]),
        (["run", "smoke", "--seeds", "0"], ["--seeds 0"]),
        (["run", "smoke", "--parameters", "-1"], ["--parameters -1"]),
        (["run", "smoke", "--jobs", "0"], ["--jobs 0"]),
        (["run", "smoke", "--jobs", "x"], ["--jobs"]),
        (["run", "smoke", "--device", "tpu"], ["--device 'tpu'"]),
        (["run", "smoke", "--add", "absent.py"], ["absent.py", "no such file"]),
        (["run", "smoke", "--add", "syntax.py"], ["syntax.py", "SyntaxError"]),
        (["run", "smoke", "--add", "nothing.py"], ["nothing.py", "registers no contender"]),
        (["run", "smoke", "--data", "absent"], ["absent"]),
        (["run", "smoke", "--data", "empty"], ["empty"]),
        (["run", "smoke", "--data", "pickled.npz"], ["pickled.npz", "pickle"]),
        (["run", "smoke", "--cell", "digits.vae.s9"], ["unknown cell 'digits.vae.s9'"]),
        (["run", "smoke", "--out", "file"], ["is a file"]),
        (["run", "smoke", "--out", "/proc/nowhere"], ["cannot be written"]),
        (["report", "empty"], ["not a run folder"]),
        (["list", "contendres"], ["Did you mean 'contenders'"]),
        (["rum"], ["rum"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_one_clear_line_and_exit_code_2(folder, arguments, words, monkeypatch, capsys):
    """In this process, to save the seconds of an import each; the next test does it as a user does."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["run_bench.py", *arguments])
    with pytest.raises(SystemExit) as end:
        run_bench.main()
    said = capsys.readouterr().err
    assert end.value.code == 2, said
    for word in words:
        assert word in said
    assert not (folder / "results").exists()


def test_a_usage_error_as_a_user_meets_it(folder):
    done = bench("run", "smoke", "--budget", "20 sek", cwd=folder, check=2)
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_said_in_one_line_and_loses_nothing(tmp_path, tiny):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", disk], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        arguments = ["run", tiny(), "--add", CONTENDERS, "--only", "good", "--out", disk / "out"]
        done = bench(*arguments, cwd=tmp_path, check=1)
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        again = bench(*arguments, "--resume", cwd=tmp_path, check=0)
        assert f"all {1 + len(REFERENCES)} cells ok" in again.stdout
    finally:
        subprocess.run(["umount", disk], check=True)


def test_not_installed_says_how(tmp_path):
    """Without the package, as with another interpreter, the script says in one line how to install."""
    done = subprocess.run(
        [sys.executable, "-S", "-I", str(ROOT / "run_bench.py")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "make bench" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("what", ["contenders", "suites", "datasets", "metrics"])
def test_lists_are_plain_lines(tmp_path, what):
    done = bench("list", what, cwd=tmp_path, check=0)
    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) >= 2


def test_contenders_are_added_from_a_project_with_a_models_folder_of_its_own(tmp_path, tiny):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("MINE = 41\n")
    (tmp_path / "mine.py").write_text(CONTENDERS.read_text() + "\nfrom models import MINE\nassert MINE == 41\n")
    bench("run", tiny(), "--add", "mine.py", "--only", "good", "--out", "out", cwd=tmp_path, check=0)
