"""A user's npz: what is taken, that pickles are not, and the one line for each fault."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from paragone.bench.data import DataError, load


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "data.npz", **arrays)
        return str(tmp_path / "data.npz")

    return write


def refused(path, *words):
    with pytest.raises(DataError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"
    return message


@pytest.mark.parametrize(
    ("shape", "expected"), [((8, 12), (1, 8, 12)), ((8, 12, 1), (1, 8, 12)), ((8, 12, 3), (3, 8, 12)), ((64, 64, 3), (3, 64, 64))]
)
def test_shapes(save, pictures, shape, expected):
    x = pictures(200, *shape)
    data = load(save(x=x))
    assert data.name == "data"
    assert data.spec.shape == expected
    known = {image.tobytes() for image in x.reshape(200, *shape[:2], -1).transpose(0, 3, 1, 2)}
    assert all(image.tobytes() in known for image in data.test.items)


def test_the_only_array_may_have_any_name_and_labels_may_be_words(save, pictures):
    words = np.array(["cat", "dog"] * 100)
    data = load(save(pictures=pictures(200, 8, 8), y=words))
    assert np.bincount(data.test.labels).tolist() == [20, 20]


def test_labels_stay_with_their_images(save, pictures):
    x, y = pictures(300, 8, 8), np.arange(300) % 3
    data = load(save(x=x, y=y, more=np.zeros(3)))
    label = {image.tobytes(): k for image, k in zip(x, y, strict=True)}
    for part in (data.train, data.validation, data.test):
        assert [label[image.tobytes()] for image in part.items] == part.labels.tolist()


def test_pickles_are_never_loaded(save, pictures, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    objects = np.array([Bomb()] * 200, dtype=object)
    refused(save(x=objects), "'x'", "pickled Python objects, which are never loaded")
    refused(save(x=pictures(200, 8, 8), y=objects), "'y'", "pickled Python objects")
    (tmp_path / "data.npz").write_bytes(pickle.dumps(Bomb()))
    refused(str(tmp_path / "data.npz"), "data.npz", "pickled")
    assert not (tmp_path / "exploded").exists()


def test_files_that_are_no_npz(tmp_path, save, pictures):
    path = tmp_path / "data.npz"
    for content in (b"", b"nonsense", b"PK\x03\x04 cut"):
        path.write_bytes(content)
        refused(str(path), "data.npz", "numpy.savez")
    with path.open("wb") as file:
        np.save(file, pictures(200, 8, 8))
    refused(str(path), "single npy array", "numpy.savez")


def test_a_file_that_may_not_be_read(save, pictures, monkeypatch):
    path = save(x=pictures(200, 8, 8))

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(path, "data.npz cannot be read (Permission denied)", "make it readable")


def test_a_cut_off_array_is_named(save, pictures):
    path = save(x=pictures(200, 8, 8))
    with open(path, "r+b") as file:
        file.seek(2000)
        file.write(b"\xff" * 100)
    refused(path, "'x'", "no readable npz")


def test_which_array(save):
    refused(save(a=np.zeros(3), b=np.zeros(3)), "no array 'x'", "a, b", "name the images 'x'")
    refused(save(y=np.zeros(3)), "no array 'x'", "y")
    refused(save(), "none at all")


def test_dtypes(save, pictures):
    refused(save(x=np.zeros((200, 8, 8), np.float32)), "'x' is float32", "uint8", "(x * 255).round().astype('uint8')")
    refused(save(x=np.zeros((200, 8, 8), np.int64)), "'x' is int64", "x.astype('uint8')")
    refused(save(x=pictures(200, 8, 8), y=np.zeros(200)), "'y' are float64", "one integer or word an image")
    refused(save(x=pictures(200, 8, 8), y=np.zeros(199, int)), "shape (199,)", "shape (200,)")


def test_wrong_shapes(save, pictures):
    refused(save(x=pictures(200, 64)), "shape (200, 64)", "(N, H, W)")
    refused(save(x=pictures(200, 8, 8, 4)), "shape (200, 8, 8, 4)", "C 1 (grey) or 3 (RGB)")
    refused(save(x=pictures(200, 3, 8, 8)), "channels first", "x.transpose(0, 2, 3, 1)")
    refused(save(x=pictures(150, 8, 8)), "150 images", "at least 200")
    refused(save(x=pictures(200, 8, 8), y=np.arange(200) // 197), "class '1' has 3 different images")


@pytest.mark.parametrize("shape", [(30, 50), (30, 50, 1), (30, 50, 3)])
def test_the_command_that_resizes_works_as_printed(save, pictures, tmp_path, shape):
    path = save(x=pictures(200, *shape), y=np.arange(200) % 2)
    command = refused(path, "50x30 pixels", "multiple of 4").split("Resize them: python")[1]
    subprocess.run(f"{sys.executable}{command}", shell=True, check=True)
    resized = load(str(tmp_path / "data-48x32.npz"))
    assert resized.spec.shape[1:] == (32, 48)
    assert resized.train.labels is not None
