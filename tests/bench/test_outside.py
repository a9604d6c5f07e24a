"""Samples made elsewhere: what is read and what is refused, that the numbers are the panel's, and that ranks tell the truth."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paragone.bench.data import DataError, embedded
from paragone.bench.data.dataset import to_levels, to_unit
from paragone.bench.metrics.frechet import frechet_distance, statistics
from paragone.bench.metrics.image_panel import ImagePanel
from paragone.bench.metrics.references import gaussian_mixture, independent_pixels, train_copies
from paragone.bench.outside import judging
from paragone.bench.outside.judging import equal_sized, judge_sets
from paragone.bench.outside.ranking import Estimate, compared, ranks
from paragone.bench.outside.reading import SampleSet, read_sets, to_dataset_levels, unique_names
from paragone.bench.outside.resampling import resampled_log_fid

TOP = 16


@pytest.fixture(scope="module")
def digits():
    return embedded("digits")


def as_pictures(levels):
    return np.rint(levels * (255.0 / TOP)).astype(np.uint8)


def write_pngs(folder, levels, mode="L"):
    folder.mkdir(parents=True)
    for place, image in enumerate(as_pictures(levels)[:, 0]):
        Image.fromarray(image).convert(mode).save(folder / f"{place:04}.png")
    return folder


def write_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def refused(path, dataset, *words):
    with pytest.raises(DataError) as caught:
        read_sets([path], dataset)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"


# Reading


def test_pictures_levels_and_any_layout_are_read_as_the_same_levels(tmp_path, digits):
    levels = digits.validation.items[:60]
    pictures = as_pictures(levels)
    paths = [
        write_pngs(tmp_path / "grey", levels),
        write_pngs(tmp_path / "rgb", levels, "RGB"),
        write_npz(tmp_path / "levels.npz", x=levels),
        write_npz(tmp_path / "flat.npz", x=levels[:, 0]),
        write_npz(tmp_path / "only.npz", samples=pictures),
        write_npz(tmp_path / "last.npz", x=pictures.transpose(0, 2, 3, 1)),
        write_npz(tmp_path / "three.npz", x=np.repeat(pictures, 3, axis=1).transpose(0, 2, 3, 1)),
    ]
    write_pngs(tmp_path / "classes" / "a", levels[:30])
    write_pngs(tmp_path / "classes" / "b", levels[30:])
    for one in read_sets([*paths, tmp_path / "classes"], digits):
        assert np.array_equal(one.levels, levels), one.name
        assert ("taken as the data's levels" in one.how) == (one.name in ("levels.npz", "flat.npz")), one.how
        assert ("three equal channels" in one.how) == (one.name in ("rgb", "three.npz")), one.how


def test_every_level_survives_its_picture_and_between_them_the_nearest_is_taken():
    every = np.arange(TOP + 1, dtype=np.uint8)
    assert np.array_equal(to_dataset_levels(as_pictures(every), TOP + 1, pictures=True)[0], every)
    values = np.arange(256, dtype=np.uint8)
    levels, how = to_dataset_levels(values, TOP + 1, pictures=False)
    assert np.array_equal(levels, to_levels(values / 127.5 - 1.0, TOP + 1))
    assert "rounded to the data's 17 levels" in how
    assert np.array_equal(to_dataset_levels(values, 256, pictures=True)[0], values)


def test_levels_saved_as_pictures_are_pictures_and_the_answer_says_so(tmp_path, digits):
    (tmp_path / "dark").mkdir()
    for place, image in enumerate(digits.test.items[:50, 0]):
        Image.fromarray(image).save(tmp_path / "dark" / f"{place}.png")
    (one,) = read_sets([tmp_path / "dark"], digits)
    assert one.levels.max() == 1
    assert "levels belong into an npz" in one.how


def test_names_are_the_last_parts_made_unique():
    assert unique_names([Path("runs/vae.npz"), Path("gan")]) == ["vae.npz", "gan"]
    assert unique_names([Path("a/samples"), Path("b/samples")]) == ["a/samples", "b/samples"]
    assert unique_names([Path("x.npz"), Path("x.npz"), Path("y.npz")]) == ["x.npz", "x.npz (2)", "y.npz"]
    assert unique_names([Path("train copies")], taken=["train copies"]) == ["train copies (2)"]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((60, 8, 8), np.float32), ["float32", "(x * 255).round().astype('uint8')", "0..1"]),
        (np.full((60, 8, 8), -1.0), ["float64", "((x + 1) * 127.5).round()", "-1..1"]),
        (np.zeros((60, 8, 8), np.int64), ["int64", "x.astype('uint8')"]),
        (np.zeros((60, 12, 16), np.uint8), ["16x12 pixels", "digits has 8x8", "resize((8, 8))"]),
        (np.arange(60 * 64 * 3, dtype=np.uint8).reshape(60, 8, 8, 3), ["3 channels, digits has 1", "Gray"]),
        (np.zeros((60, 64), np.uint8), ["shape (60, 64)", "(N, 8, 8), (N, 8, 8, 1) or (N, 1, 8, 8)"]),
        (np.zeros((49, 8, 8), np.uint8), ["holds 49 images", "at least 50", "Add 1 more"]),
        (np.array([{"a": 1}] * 60, dtype=object), ["pickled Python objects, which are never loaded"]),
    ],
    ids=["floats 0..1", "floats -1..1", "integers", "size", "channels", "shape", "too few", "pickled"],
)
def test_arrays_that_cannot_be_judged(tmp_path, digits, array, words):
    refused(write_npz(tmp_path / "bad.npz", x=array), digits, "bad.npz", *words)


def test_paths_that_cannot_be_judged(tmp_path, digits):
    refused(tmp_path / "absent", digits, "absent", "no such file or folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", digits, "is empty")
    (tmp_path / "text.txt").write_text("Once upon a time, ä ".ljust(4095) + "ä")
    refused(tmp_path / "text.txt", digits, "is text", "digits is image data", "not among the embedded datasets yet")
    (tmp_path / "bytes.bin").write_bytes(b"\xff\x00\xfe")
    refused(tmp_path / "bytes.bin", digits, "neither a folder nor an npz")
    refused(write_pngs(tmp_path / "few", digits.test.items[:9]), digits, "holds 9 images", "Add 41 more")
    refused(tmp_path / "few" / "0001.png", digits, "single picture")
    np.save(tmp_path / "one.npy", digits.test.items)
    refused(tmp_path / "one.npy", digits, "single npy array", "numpy.savez")
    big = tmp_path / "big"
    big.mkdir()
    for place in range(50):
        Image.new("L", (9, 8)).save(big / f"{place}.png")
    refused(big, digits, "9x8 pixels", "digits has 8x8", "mogrify -resize '8x8!'")
    Image.new("L", (7, 8)).save(big / "odd.png")
    refused(big, digits, "different sizes", "mogrify -resize '8x8!'")


# Equal N


def test_larger_sets_are_drawn_without_replacement_and_equal_sets_stay_equal(digits):
    large = [SampleSet(name, Path(name), digits.train.items, "") for name in "ab"]
    small = SampleSet("c", Path("c"), digits.test.items, "")
    drawn, (note,) = equal_sized([*large, small])
    assert [len(one) for one in drawn] == [360, 360, 360]
    assert np.array_equal(drawn[0].levels, drawn[1].levels)
    copies = np.unique(digits.train.items, axis=0)
    assert len(copies) == len(digits.train)  # so that a draw with replacement would show
    assert len(np.unique(drawn[0].levels, axis=0)) == 360
    assert "360" in note
    assert "a (1077), b (1077)" in note
    assert equal_sized([small, small]) == ([small, small], [])


# Resampling and ranks


def draws(count, n, seed, shift=0.0, sides=6):
    return np.random.default_rng(seed).normal(shift, 1.0, (count, n, sides))


def test_intervals_hold_the_mean_fid_of_sets_of_this_size():
    """120 sets of 150 items: a binomial of 120 and 95 % falls below 105 in one case of 1,000."""
    reference = statistics(draws(1, 2000, 0)[0])
    sets = draws(120, 150, 1, shift=0.25)
    fids = np.array([frechet_distance(statistics(x), reference) for x in sets])
    true = float(np.exp(np.log(fids).mean()))
    limits = [Estimate(fid, resampled_log_fid(x, reference, 3), np.empty(0)).interval for fid, x in zip(fids, sets, strict=True)]
    held = sum(low <= true <= high for low, high in limits)
    assert held >= 105
    spread = np.mean([np.log(high / low) for low, high in limits]) / (2 * 1.96)
    assert spread == pytest.approx(np.log(fids).std(ddof=1), rel=0.25)  # nor are they wide for nothing


def test_twins_differ_as_rarely_as_they_should_and_a_real_difference_is_seen():
    reference = statistics(draws(1, 2000, 0)[0])

    def estimates(shift, seed):
        sets = draws(80, 150, seed, shift)
        return [Estimate(frechet_distance(statistics(x), reference), resampled_log_fid(x, reference, 3), np.empty(0)) for x in sets]

    one, two, worse = estimates(0.25, 1), estimates(0.25, 2), estimates(0.6, 3)
    false = sum(compared(a, b).p <= 0.05 for a, b in zip(one, two, strict=True))
    assert false <= 11  # a binomial of 80 and 5 % exceeds 11 in one case of 1,000
    assert all(compared(a, b).p <= 0.05 for a, b in zip(one, worse, strict=True))


def test_the_reference_widens_intervals_and_only_its_difference_counts_between_sets():
    noise = np.random.default_rng(0).normal(0.0, 0.1, (4, 200))
    plain = Estimate(2.0, noise[0], np.empty(0))
    shaken = Estimate(2.0, noise[0], noise[1])
    assert shaken.interval[0] < plain.interval[0] < 2.0 < plain.interval[1] < shaken.interval[1]
    assert plain.interval[1] == pytest.approx(2.0 * np.exp(1.96 * noise[0].std(ddof=1)), rel=1e-4)
    same_way = compared(shaken, Estimate(2.8, noise[2], noise[1])).p
    another_way = compared(shaken, Estimate(2.8, noise[2], noise[3])).p
    assert same_way == pytest.approx(compared(plain, Estimate(2.8, noise[2], np.empty(0))).p)
    assert same_way < another_way


def test_the_same_set_twice_ties_and_order_is_kept():
    noise = np.random.default_rng(0).normal(0.0, 0.05, (3, 200))
    one, worse = Estimate(2.0, noise[0], noise[1]), Estimate(9.0, noise[2], noise[1])
    assert ranks([one, one, worse]) == [(1, 1, 2), (1, 1, 2), (3, 3, 3)]
    assert ranks([one]) == [(1, 1, 1)]
    near = Estimate(2.01, noise[0], noise[1])
    assert compared(one, near).near_tie
    assert not compared(one, worse).near_tie


# The whole


@pytest.fixture(scope="module")
def judged(digits):
    draw = np.random.default_rng(0).permutation(len(digits.validation))
    halves = [digits.validation.items[np.sort(part)] for part in np.array_split(draw, 2)]
    noisy = to_unit(train_copies(digits, 180, 5), TOP + 1)
    noisy = to_levels(noisy + np.random.default_rng(1).normal(0.0, 0.05, noisy.shape), TOP + 1)
    mixture = gaussian_mixture(digits, 180, 7)
    levels = {
        "copies": train_copies(digits, 180, 5), "noisy copies": noisy, "noise": independent_pixels(digits, 180, 9),
        "half": halves[0], "other half": halves[1], "mixture": mixture, "twin": mixture.copy(),
    }  # fmt: skip
    return judge_sets([SampleSet(name, Path(name), x, "given") for name, x in levels.items()], digits)


def row(judged, name):
    return next(row for row in judged.rows if row.name == name)


def test_copies_lose_their_rank_and_the_others_keep_theirs(judged):
    for name in ("copies", "noisy copies"):
        assert row(judged, name).gate.memorised
        assert row(judged, name).rank is None
        assert row(judged, name).status == "memorised"
    for name in ("noise", "half", "other half", "mixture", "twin"):
        assert not row(judged, name).gate.memorised, row(judged, name).gate
        assert row(judged, name).rank is not None


def test_noise_is_last_halves_of_real_data_share_ranks_and_twins_tie(judged):
    assert row(judged, "noise").rank == (5, 5, 5)
    halves = [row(judged, name).rank for name in ("half", "other half")]
    assert {rank[0] for rank in halves} == {1, 2}
    assert all(low == 1 and high >= 2 for _, low, high in halves)
    assert row(judged, "mixture").rank == row(judged, "twin").rank
    assert row(judged, "mixture").rank[0] == 3
    assert judged.sets[-3].name == "noise"


def test_references_stand_last_and_compete_with_nobody(judged):
    names = [row.name for row in judged.rows]
    assert sorted(names[-len(judging.NAMES) :]) == sorted(judging.NAMES)
    assert all(row.rank is None and row.reference for row in judged.rows[-len(judging.NAMES) :])
    assert row(judged, "train copies").gate.memorised
    assert not row(judged, "held-out real").gate.memorised
    assert judged.n == 180


def test_numbers_are_the_panels(judged, digits):
    one = row(judged, "mixture")
    panel = ImagePanel(digits).measure(one.levels, "default", 0, full=True)
    assert {m.metric: m.value for m in one.record.measurements} == {m.metric: m.value for m in panel}
    assert judged.metrics == tuple(m.metric for m in panel)


def test_intervals_surround_their_values(judged):
    for one in judged.rows:
        assert "fid" in one.limits
        for metric, (low, high) in one.limits.items():
            assert low <= one.measurement(metric).value <= high, (one.name, metric)
    assert "not the training of the model" in judged.notes[-1]


def test_the_reference_itself_as_samples_has_no_fid_and_no_rank(digits, monkeypatch):
    monkeypatch.setattr(judging, "NAMES", ("held-out real",))
    found = judge_sets([SampleSet("test", Path("test"), digits.test.items, "given")], digits)
    (one,) = found.sets
    assert one.measurement("fid").value is None
    assert one.rank is None
    assert "reference itself" in one.status
    assert "fid" not in one.limits
