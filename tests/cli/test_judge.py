"""`judge` as a user runs it: one file three ways gives the same figures, several sets a ranking, every error one line."""

import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import run_bench
from paragone.bench.data import embedded
from paragone.bench.metrics.references import independent_pixels, train_copies
from tests.cli.conftest import bench


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Held-out digits as PNGs, as levels and as 0..255; copies of training digits, and noise."""
    folder, digits = tmp_path_factory.mktemp("samples"), embedded("digits")
    levels = digits.validation.items
    pictures = np.rint(levels * (255 / 16)).astype(np.uint8)
    (folder / "pngs").mkdir()
    for place, image in enumerate(pictures[:, 0]):
        Image.fromarray(image).save(folder / "pngs" / f"{place:04}.png")
    np.savez(folder / "levels.npz", x=levels)
    np.savez(folder / "pictures.npz", x=pictures[:, 0])
    np.savez(folder / "copies.npz", x=train_copies(digits, 400, 1))
    np.savez(folder / "noise.npz", x=independent_pixels(digits, 400, 2))
    (folder / "text.txt").write_text("words, words, words\n")
    np.savez(folder / "pickled.npz", x=np.array([{"a": 1}], dtype=object))
    return folder


@pytest.fixture(scope="module")
def answer(samples):
    sets = ("pngs", "levels.npz", "pictures.npz", "copies.npz", "noise.npz")
    return bench("judge", *sets, "--data", "digits", "--out", "out", cwd=samples, check=0), samples / "out"


def test_the_same_images_three_ways_have_the_same_figures_and_tie(answer):
    done, out = answer
    table = pd.read_csv(out / "judged.csv")
    assert list(table.columns) == ["set", "metric", "value", "ci_low", "ci_high", "n", "unit", "source"]
    figures = table.drop(columns="source").set_index("set")
    held = figures.loc["held-out real"].reset_index(drop=True)
    for name in ("pngs", "levels.npz", "pictures.npz"):
        pd.testing.assert_frame_equal(figures.loc[name].reset_index(drop=True), held)
    ranked = [line.split() for line in done.stdout.splitlines() if line.startswith("1 ")]
    assert sorted(words[4] for words in ranked) == ["levels.npz", "pictures.npz", "pngs"]
    assert all(words[:4] == ["1", "1", "to", "3"] for words in ranked)


def test_plain_lines_say_rank_gate_reading_and_what_intervals_cover(answer):
    done, _ = answer
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    (noise,) = [line for line in lines if "noise.npz  " in line and line.startswith("4")]
    assert "below hopeless" in noise or noise.rstrip().endswith("ok")
    (copies,) = [line for line in lines if line.startswith("-") and "copies.npz" in line]
    assert copies.rstrip().endswith("memorised")
    assert any(line.startswith("copies.npz: memorised") and "exact copies" in line for line in lines)
    assert any(line.startswith("pngs: not memorised") for line in lines)
    assert "360 pictures, 0 to 255, rounded to the data's 17 levels" in done.stdout
    assert "judged on 360 samples, the smallest set's number" in done.stdout
    assert "not the training of the model" in done.stdout


def test_files_are_complete(answer):
    _, out = answer
    names = {path.name for path in out.iterdir()}
    sheets = {f"{stem}.png" for stem in ("pngs", "levels-npz", "pictures-npz", "copies-npz", "noise-npz")}
    assert names == {"judged.csv", "judged.md", *sheets}
    page = (out / "judged.md").read_text()
    for name in sheets:
        assert f"]({name})" in page
        with Image.open(out / name) as sheet:
            assert sheet.width >= 90
    table = pd.read_csv(out / "judged.csv")
    fids = table[table.metric == "fid"].set_index("set")
    assert (fids.ci_low < fids.value).all()
    assert (fids.value < fids.ci_high).all()
    assert (table[table.value.isna()].source.str.len() > 0).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent", "--data", "digits"], ["absent", "no such file or folder"]),
        (["levels.npz", "--data", "digts"], ["unknown dataset 'digts'", "Did you mean 'digits'"]),
        (["levels.npz", "absent", "--data", "digits"], ["absent"]),
        (["levels.npz", "--data", "mnist"], ["8x8 pixels", "mnist has 28x28"]),
        (["text.txt", "--data", "digits"], ["text.txt is text", "image data"]),
        (["pickled.npz", "--data", "digits"], ["pickled.npz", "never loaded"]),
        (["levels.npz", "--data", "digits", "--out", "pngs"], ["--out pngs", "not empty"]),
        (["levels.npz", "--data", "digits", "--out", "text.txt"], ["--out text.txt", "is a file"]),
        (["levels.npz", "--data", "digits", "--out", "/proc/nowhere"], ["cannot be written"]),
        (["levels.npz"], ["--data"]),
        ([], ["Missing argument"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_judged_ends_with_one_clear_line_and_exit_code_2(samples, arguments, words, monkeypatch, capsys):
    monkeypatch.chdir(samples)
    monkeypatch.setattr(sys, "argv", ["run_bench.py", "judge", *arguments])
    with pytest.raises(SystemExit) as end:
        run_bench.main()
    said = capsys.readouterr()
    assert end.value.code == 2, said.err
    assert said.out == ""
    for word in words:
        assert word in said.err
