"""pytest-benchmark's JSON as a run of the history: a folder with a manifest and the original, all rounds kept.

The folder's name is the time of the measurement and a hash of the content, so the same file is the same run however often it is
taken in; it is filled under another name and then renamed, so that nobody sees half of it and two processes lose nothing.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from paragone.bench.errors import UsageError
from paragone.bench.files import write_atomically
from paragone.bench.history.benchmarks import BENCHMARK_FILE, SUITE, Content, commit_of, fingerprint_of, parse, soft_of
from paragone.bench.history.instants import utc
from paragone.bench.records import Manifest, to_json


def import_benchmarks(file: Path, history: Path) -> Path:
    """Take a file of pytest-benchmark into the history; the run's folder, which is the same where it was taken in before.

    Raises:
        UsageError: the file cannot be read or is not pytest-benchmark's, or the history folder cannot be written.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}. Name a file that `pytest --benchmark-json=FILE` wrote"
        ) from None
    content = parse(data, file)
    manifest = _manifest(content, data)
    folder = history / manifest.run
    try:
        history.mkdir(parents=True, exist_ok=True)
        if not _complete(folder):
            _write(folder, manifest, data)
    except OSError as error:
        raise UsageError(f"--history {history} cannot be written: {error.strerror}; name another folder") from None
    return folder


def _manifest(content: Content, data: bytes) -> Manifest:
    started = utc(content["datetime"])
    compact = started[:19].replace("-", "").replace(":", "").replace("T", "-")
    return Manifest(
        run=f"{SUITE}-{compact}-{hashlib.sha256(data).hexdigest()[:8]}", suite={"name": SUITE}, command=(),
        fingerprint=fingerprint_of(content), versions=soft_of(content), commit=commit_of(content), order=(), references=(),
        started=started, ended=started,
    )  # fmt: skip


def _write(folder: Path, manifest: Manifest, data: bytes) -> None:
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        write_atomically(made / BENCHMARK_FILE, data)
        write_atomically(made / "run.json", to_json(manifest))
        made.chmod(0o755)
        os.rename(made, folder)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        if not _complete(folder):  # else another process was faster, with the same content
            raise


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("run.json", BENCHMARK_FILE))
