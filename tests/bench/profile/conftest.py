"""The fake library, compiled once a session."""

import pytest

from tests.bench.profile.fake_library import Watcher, compile_library


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Folder of the fake libnvidia-ml.so.1."""
    return compile_library(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="module")
def watched(library):
    """Watch phases with the fake library."""
    watcher = Watcher(library)
    yield watcher
    watcher.close()


@pytest.fixture(scope="module")
def watched_with_later_library(tmp_path_factory):
    """The same with a library that has no energy call and, as from CUDA 14 on, no deprecated names."""
    watcher = Watcher(compile_library(tmp_path_factory.mktemp("later_nvml"), "WITHOUT_ENERGY", "NEW_NAMES"))
    yield watcher
    watcher.close()
