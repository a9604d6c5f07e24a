"""A user's folder: what is taken, as what, and the one line for everything that is not."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from paragone.bench.data import DataError, load
from paragone.bench.errors import UsageError


def everything(data):
    return np.concatenate([part.items for part in (data.train, data.validation, data.test)])


def refused(path, *words):
    """The one line, which must hold all words."""
    with pytest.raises(DataError) as caught:
        load(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert isinstance(caught.value, UsageError)
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"
    return message


def test_grey_pictures_arrive_whole_with_their_levels(folder):
    path = folder(210, (12, 8))
    data = load(str(path))
    assert data.name == "images"
    assert data.spec.shape == (1, 12, 8)
    assert (data.level_count, data.spec.levels) == (256, 256)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [126, 42, 42]
    assert data.train.labels is None
    written = {np.asarray(Image.open(file)).tobytes() for file in path.iterdir()}
    assert {image.tobytes() for image in everything(data)} == written


def test_rgb_keeps_its_channels_in_order(folder):
    path = folder(200, (8, 8, 3))
    written = {np.asarray(Image.open(file)).transpose(2, 0, 1).tobytes() for file in path.iterdir()}
    assert {image.tobytes() for image in everything(load(str(path)))} == written


def test_sub_folders_are_labels_and_every_part_has_all(folder):
    folder(120, sub="ants")
    data = load(str(folder(80, sub="bees")))
    counts = [np.bincount(part.labels).tolist() for part in (data.train, data.validation, data.test)]
    assert counts == [[72, 48], [24, 16], [24, 16]]


def test_a_single_sub_folder_is_no_label(folder):
    assert load(str(folder(200, sub="all"))).train.labels is None


def test_jpeg_and_upper_case_and_clutter(folder):
    path = folder(200, kind="jpg")
    (path / "0000.jpg").rename(path / "0000.JPEG")
    (path / ".DS_Store").write_text("")
    (path / "Thumbs.db").write_text("")
    assert len(everything(load(str(path)))) == 200


def test_a_palette_becomes_rgb_and_grey_beside_it_too(folder, pictures):
    path = folder(200)
    colours = Image.fromarray(pictures(1, 8, 8, 3)[0]).convert("P", palette=Image.Palette.ADAPTIVE)
    colours.save(path / "0000.png")
    data = load(str(path))
    assert data.spec.shape == (3, 8, 8)
    assert np.asarray(colours.convert("RGB")).transpose(2, 0, 1).tobytes() in {i.tobytes() for i in everything(data)}


def test_black_and_white_becomes_0_and_255(folder):
    path = folder(200)
    for file in path.iterdir():
        with Image.open(file) as image:
            image.convert("1").save(file)
    assert set(np.unique(everything(load(str(path))))) == {0, 255}


def test_the_same_folder_gives_the_same_split_elsewhere(folder, tmp_path):
    path = folder(200)
    shutil.copytree(path, tmp_path / "elsewhere")
    assert load(str(path)).hash == load(str(tmp_path / "elsewhere")).hash


def test_a_name_fit_for_a_track(folder):
    path = folder(200)
    path.rename(path.with_name("My pictures (2).v1"))
    assert load(str(path.with_name("My pictures (2).v1"))).name == "My-pictures-2"


def test_missing_path_guesses_the_name():
    assert "Did you mean 'digits'?" in refused("digts", "'digts'", "digits, mnist")
    refused("/nowhere/at/all", "/nowhere/at/all", "no such folder")


def test_neither_folder_nor_npz(tmp_path):
    (tmp_path / "data.zip").write_bytes(b"PK")
    refused(tmp_path / "data.zip", "data.zip", "neither a folder nor an npz")


def test_empty_folder(tmp_path):
    refused(tmp_path, str(tmp_path), "is empty", "PNG or JPEG")


def test_empty_sub_folder(folder):
    path = folder(200, sub="ants")
    (path / "bees").mkdir()
    refused(path, "bees", "is empty")


def test_too_few(folder):
    refused(folder(199), "199 images", "at least 200", "Add 1 more")


def test_the_same_picture_again_and_again(folder):
    path = folder(99)
    for i in range(200):
        shutil.copy(path / "0000.png", path / f"again{i}.png")
    refused(path, "only 99 different images among 299", "at least 100")


def test_a_class_too_small_to_split(folder):
    folder(200, sub="ants")
    refused(folder(4, sub="bees"), "class 'bees' has 4 different images", "at least 5")


def test_other_files(folder):
    path = folder(200)
    (path / "notes.txt").write_text("")
    refused(path, "notes.txt", "neither PNG nor JPEG", "move it")


def test_files_beside_sub_folders_and_folders_too_deep(folder):
    path = folder(200)
    folder(10, sub="ants")
    refused(path, "0000.png", "beside sub-folders", "ants")
    shutil.rmtree(path)
    refused(folder(200, sub="ants/red"), "red", "one level deep")


@pytest.mark.parametrize("content", [b"", b"no picture", b"GIF89a rest", None], ids=["empty", "text", "gif", "cut off"])
def test_unreadable_picture_is_named(folder, content):
    path = folder(200)
    file = path / "0117.png"
    file.write_bytes(file.read_bytes()[:-30] if content is None else content)
    refused(path, "0117.png", "cannot be read", "replace or remove")


def test_another_kind_under_the_name_of_a_png(folder, pictures):
    path = folder(200)
    Image.fromarray(pictures(1, 8, 8)[0]).save(path / "0117.png", format="GIF")
    refused(path, "0117.png", "cannot be read")


def test_transparency_and_sixteen_bits(folder, pictures):
    path = folder(200)
    Image.fromarray(pictures(1, 8, 8, 4)[0]).save(path / "0050.png")
    refused(path, "0050.png", "transparency", "mogrify -background white -alpha remove")
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 900).save(path / "0050.png")
    refused(path, "0050.png", "16 bits", "mogrify -depth 8")
    palette = Image.fromarray(pictures(1, 8, 8)[0]).convert("P")
    palette.save(path / "0050.png", transparency=0)
    refused(path, "0050.png", "transparency")


def test_mixed_sizes_show_one_of_each(folder, pictures):
    path = folder(200, (16, 16))
    Image.fromarray(pictures(1, 9, 20)[0]).save(path / "0003.png")
    refused(path, "199 like", "0000.png have 16x16", "0003.png has 20x9", "-resize '16x16!'")


@pytest.mark.parametrize(
    ("shape", "target"),
    [((28, 30), "32x28"), ((6, 6), "8x8"), ((100, 50), "32x64"), ((256, 256), "64x64"), ((300, 10), "8x64")],
)
def test_wrong_size_says_how_to_resize(folder, shape, target):
    message = refused(folder(200, shape), f"{shape[1]}x{shape[0]} pixels", "8 to 64 and a multiple of 4")
    assert f"-resize '{target}!'" in message


MOGRIFY = """#!{python}
import sys
from PIL import Image
assert sys.argv[1] == "-resize" and sys.argv[2].endswith("!")
for file in sys.argv[3:]:
    Image.open(file).resize(tuple(map(int, sys.argv[2][:-1].split("x")))).save(file)
"""


def test_the_command_that_resizes_works_as_printed_and_spares_the_originals(folder, tmp_path):
    folder(100, (30, 50), sub="red ants")
    path = folder(100, (30, 50), sub="bees").rename(tmp_path / "my images")
    command = refused(path, "Resize them: ").split("Resize them: ")[1]
    tool = tmp_path / "bin" / "mogrify"
    tool.parent.mkdir()
    tool.write_text(MOGRIFY.format(python=sys.executable))
    tool.chmod(0o755)
    subprocess.run(command, shell=True, check=True, env={**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}"})
    resized = load(re.search(r"find '([^']+)'", command)[1])
    assert resized.spec.shape == (1, 32, 48)
    assert resized.train.labels is not None
    with Image.open(path / "bees" / "0000.png") as original:
        assert original.size == (50, 30)
