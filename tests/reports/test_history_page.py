"""The history page: planted changes stand on it in words, foreign text stays text, pictures hold what they were made of."""

import math
import re
import time
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from paragone.bench.history.life import Acknowledgement
from paragone.bench.history.series import Key, Series
from paragone.bench.history.watched import SAMPLES_HASH
from paragone.models import registered
from paragone.reports import families, history_words, style
from paragone.reports.history import multiples
from paragone.reports.history_page import write_history
from paragone.reports.sparkline import BINS, LEFT, RIGHT, WIDTH, Picture, draw
from tests.reports.folders import HOSTILE
from tests.reports.histories import SPIKE, STEP, TORCH, Told, many, night_of, point, told
from tests.reports.test_report import Page

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def story():
    return told()


@pytest.fixture(scope="module")
def text(story, tmp_path_factory):
    path = tmp_path_factory.mktemp("history") / "history.html"
    write_history(path, *story.arguments)
    return path.read_text()


@pytest.fixture(scope="module")
def shown(story):
    return {(m.entry, m.metric): m for m in multiples(story.series, story.nights, story.alerts, story.open_ids, story.explained)}


def words_of(page_text):
    return re.sub(r"\s+", " ", "".join(Page(page_text).words).replace(style.THIN, " "))


def finding(multiple, acknowledged=()):
    return history_words.said(multiple, acknowledged).words.replace(style.THIN, " ")


def one(values, metric="train_step_s", entry="digits/vae", **more):
    """The small multiple of one series with these compared values."""
    nights = [night_of(n) for n in range(len(values))]
    key = Key(entry, metric, nights[0].machine, "1")
    points = tuple(point(night, metric, float(v), **more) for night, v in zip(nights, values, strict=True))
    return multiples([Series(key, points)], nights, [], (), {})[0]


def quiet(nights, seed=3, sd=0.01):
    return math.log(0.02) + sd * np.random.default_rng(seed).standard_normal(nights)


def test_planted_step_says_what_when_and_which_commit(story, text):
    alert = next(a for a in story.alerts if (a.entry, a.metric) == ("digits/vae", "train_step_s"))
    assert alert.first_bad == night_of(STEP).run
    words = words_of(text)
    row = words[words.index(f"{alert.id} digits/vae") :][:260]
    assert night_of(STEP).run in row
    assert f"commit {night_of(STEP).commit[:10]}" in row
    assert f"{night_of(STEP - 1).commit[:10]}..{night_of(STEP).commit[:10]}" in row
    change = round(100 * math.expm1(alert.effect))
    assert 15 < change < 27
    assert f"+{change} % slower since {night_of(STEP).started[:10]} (commit {night_of(STEP).commit[:10]})" in words


def test_each_series_says_what_was_planted(shown):
    assert "120 000 became 131 072 on" in finding(shown["digits/pixelcnn", "parameters"])
    assert finding(shown["digits/ddpm/ddim-50", "sample_latency_s"]).startswith("steady within")
    assert re.match(r"improved: −2\d % faster since 2026-02-27", finding(shown["digits/dcgan", "train_step_s"]))
    assert finding(shown["digits/dcgan", "fid"]).startswith("back at the old level since 2026-02-25")
    assert finding(shown['tests/perf/test_step.py::test_step[<b>&"quoted"]', "benchmark_s"]) == "warming up: 4 of 10 nights"
    assert "more memory since" in finding(shown["digits/ddpm", "train_peak_rss_net_bytes"])


def test_last_night_speaks_first():
    assert finding(one([*quiet(30), math.log(0.024)])).startswith("last night +2")
    assert finding(one(quiet(4))) == "warming up: 4 of 10 nights"
    base = one(quiet(20))
    block = base.blocks[0]
    bad = replace(block.dots[-1], point=replace(block.dots[-1].point, status="invalid", reason="throttled"), shift=None)
    assert (
        finding(replace(base, blocks=(replace(block, dots=(*block.dots[:-1], bad)),))) == "not judged on the last night: throttled"
    )


def test_a_last_night_that_was_explained_is_not_pressing():
    nights = [night_of(n) for n in range(31)]
    key = Key("digits/vae", "train_step_s", nights[0].machine, "1")
    points = [point(n, key.metric, v) for n, v in zip(nights, [*quiet(30), math.log(0.024)], strict=True)]
    refuted = {key.id: {nights[-1].run}}
    assert finding(multiples([Series(key, points)], nights, [], (), refuted)[0]).startswith("steady")


def test_steady_is_the_spread_that_was_drawn():
    values = quiet(60)
    expected = float(np.quantile(np.abs(values - np.median(values)), 0.95))
    assert history_words.spread(one(values).blocks[0]) == pytest.approx(expected)
    assert finding(one(values)) == f"steady within {style.percent(math.expm1(expected))}".replace(style.THIN, " ")


def test_band_is_the_screen_of_the_next_night():
    multiple = one(quiet(30))
    block, picture = multiple.blocks[0], Picture(multiple)
    known = block.known
    assert known is not None
    assert block.band is not None
    assert block.band.high == pytest.approx(known.limit - known.level)
    assert picture.y(block.band.high) < picture.y(0.0) < picture.y(block.band.low)
    assert block.raw_at(math.log(1.1)) == pytest.approx(1.1 * block.raw)


def test_a_rate_that_falls_goes_up():
    values = -np.log(np.where(np.arange(20) < 10, 8000.0, 4000.0)) + 0.001 * quiet(20)
    multiple = one(values, "sample_throughput_per_s")
    picture, dots = Picture(multiple), multiple.blocks[0].dots
    assert picture.y(dots[-1].shift) < picture.y(dots[0].shift)
    assert multiple.blocks[0].raw_at(dots[0].shift) == pytest.approx(dots[0].point.raw, rel=0.01)


def test_hashes_that_change(shown):
    nights = [night_of(n) for n in range(6)]
    key = Key("digits/vae", SAMPLES_HASH, nights[0].machine, "1")

    def hashed(texts):
        points = [replace(point(n, "parameters", 0.0), raw=None, exact=t) for n, t in zip(nights, texts, strict=True)]
        return multiples([Series(key, tuple(points))], nights, [], (), {})[0]

    assert finding(hashed("aaaaaa")) == "the same samples every night"
    assert finding(hashed("aaaabb")).startswith(f"other samples since {nights[4].started[:10]}")
    assert "not deterministic" in finding(hashed("abcdef"))
    ET.fromstring(str(draw(hashed("aaaabb"), "s", "f", "red")))


def test_machines_stand_apart(shown):
    multiple = shown["digits/vqvae", "train_step_s"]
    assert len(multiple.blocks) == 2
    assert multiple.breaks == ("another machine: cpu_model: EPYC 7763 → Xeon 8370C",)
    old, new = multiple.blocks
    assert old.level - new.level == pytest.approx(0.6, abs=0.05)  # each on its own level: no step where the machine changed
    picture = Picture(multiple)
    assert picture.x(0, len(old.dots) - 1) < picture.x(1, 0)
    assert str(draw(multiple, "s", "f", "red")).count('class="break"') == 1


def test_soft_keys_are_ticks_and_restless_ones_are_not(shown):
    block = shown["digits/vae", "train_step_s"].newest
    assert block.soft == {TORCH: "torch: 2.11.0 → 2.12.0"}
    assert block.restless == ("host",)


def test_a_spike_is_an_arrow_at_the_edge(shown):
    multiple = shown["digits/ddpm/ddim-50", "sample_latency_s"]
    picture, dots = Picture(multiple), multiple.blocks[0].dots
    assert picture.beyond(dots[SPIKE].shift)
    assert sum(picture.beyond(dot.shift) for dot in dots) == 1
    assert len(re.findall(r'<path class="dot"', str(draw(multiple, "s", "f", "red")))) == 1


def test_every_night_is_drawn(shown):
    for multiple in shown.values():
        svg = ET.fromstring(str(draw(multiple, "s", "f", "red")))
        drawn = [e for e in svg.iter() if e.get("class") in ("dot", "none")]
        assert len(drawn) == sum(len(block.dots) for block in multiple.blocks), multiple
        assert svg.get("role") == "img"
        assert svg.find(f"{SVG}title").text == "f"


def test_bins_hold_least_largest_and_median():
    multiple = one(quiet(1000))
    svg, picture = ET.fromstring(str(draw(multiple, "s", "f", "red"))), Picture(multiple)
    (medians,) = (e.get("d") for e in svg.iter() if e.get("class") == "medians")
    (ranges,) = (e.get("d") for e in svg.iter() if e.get("class") == "range")
    size = math.ceil(1000 / BINS)
    assert medians.count("M") == ranges.count("M") == math.ceil(1000 / size)
    first = [dot.shift for dot in multiple.blocks[0].dots[:size]]
    low, high = re.match(r"M[\d.]+ ([\d.]+)V([\d.]+)", ranges).groups()
    assert float(low) == pytest.approx(picture.y(min(first)), abs=0.06)
    assert float(high) == pytest.approx(picture.y(max(first)), abs=0.06)
    assert float(re.match(r"M[\d.]+ ([\d.]+)h0", medians).group(1)) == pytest.approx(picture.y(float(np.median(first))), abs=0.06)


def boxes(picture):
    return [(a, b, label.y - 10, label.y + 2, label.text) for label in picture.labels for a, b in [label.span]]


@pytest.mark.parametrize("more", ["told", "wide", "flat", "machines"])
def test_text_covers_no_text(shown, more):
    pool = {
        "told": list(shown.values()),
        "wide": [one(math.log(1e-6) + np.linspace(0, 18, 40)), one(quiet(40) + 3.0 * (np.arange(40) > 20), "train_joules")],
        "flat": [one(np.zeros(30)), one(1.9 + np.zeros(30), "bits_per_dim"), one(quiet(1))],
        "machines": [several_machines(9)],
    }[more]
    for multiple in pool:
        found = boxes(Picture(multiple))
        for k, (a, b, top, foot, text) in enumerate(found):
            assert a >= -1, text
            assert b <= WIDTH + 1, text
            for c, d, above, below, other in found[:k]:
                assert min(b, d) <= max(a, c) or min(foot, below) <= max(top, above), (text, other)


def several_machines(count):
    nights = [replace(night_of(n), machine=f"m{n % count}") for n in range(6 * count)]
    own = {f"m{k}": [point(n, "train_step_s", 0.01 * k) for n in nights[k::count]] for k in range(count)}
    return multiples([Series(Key("a/b", "train_step_s", m, "1"), tuple(p)) for m, p in own.items()], nights, [], (), {})[0]


def test_only_the_newest_machines_are_drawn():
    multiple = several_machines(9)
    assert multiple.left_out == 3
    assert {block.key.machine for block in multiple.blocks} == {f"m{k}" for k in range(3, 9)}
    assert Picture(multiple).edges[0][0] == LEFT
    assert Picture(multiple).edges[-1][1] == pytest.approx(RIGHT)


def test_states_of_alerts(story, text):
    words = words_of(text)
    silent = next(iter(story.acknowledgements.values()))
    assert f"acknowledged through {silent.until}" in words
    assert silent.reason in words
    assert f"{len(story.open_ids)} open alerts, 1 acknowledged" in words
    assert f"{len({a.id for a in story.alerts}) - len(story.open_ids)} resolved" in words


def test_an_acknowledgement_that_ended_no_longer_silences(story, tmp_path):
    name = next(iter(story.acknowledgements))
    ended = replace(story, acknowledgements={name: Acknowledgement(id=name, reason="once", until="2026-03-01")})
    write_history(tmp_path / "h.html", *ended.arguments)
    words = words_of((tmp_path / "h.html").read_text())
    assert "open: acknowledgement ended 2026-03-01" in words
    assert ", acknowledged" not in words


def test_page_is_sound(text):
    page = Page(text)
    assert not page.problems
    assert not page.open
    assert not re.search(r"<script|https?://(?!www\.w3\.org/2000/svg)|@import|url\(", text)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {value[1:] for _, name, value in page.attributes if name == "href"}
    assert links <= set(ids)
    for name, value in [(n, v) for _, n, v in page.attributes if n == "aria-labelledby"]:
        assert set(value.split()) <= set(ids), name


def test_drawings_are_well_formed(text):
    drawings = re.findall(r'<svg class="series".*?</svg>', text, re.DOTALL)
    assert len(drawings) == 12
    for drawing in drawings:
        ET.fromstring(drawing)


def test_foreign_text_stays_text(tmp_path):
    entry = HOSTILE + '"><script>alert(1)</script>' + "x" * 480
    nights = [replace(night_of(n), problem=HOSTILE, suite=HOSTILE, soft={HOSTILE: f"{HOSTILE}{n > 2}"}) for n in range(5)]
    key = Key(entry, "benchmark_s", nights[0].machine, "1")
    points = [replace(point(n, "benchmark_s", 0.1), run=n.run, commit=HOSTILE) for n in nights]
    points[2] = replace(points[2], status="invalid", value=None, raw=None, reason=HOSTILE)
    write_history(tmp_path / "h.html", [Series(key, tuple(points))], nights, [], (), {}, [HOSTILE])
    text = (tmp_path / "h.html").read_text()
    page = Page(text)
    assert not page.problems
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not [name for _, name, _ in page.attributes if name == "onerror"]


def test_the_same_bytes_twice(story, text, tmp_path):
    mixed = replace(story, nights=story.nights[::-1])
    write_history(tmp_path / "h.html", *mixed.arguments)
    assert (tmp_path / "h.html").read_text() == text


def test_an_empty_history_says_what_to_do(tmp_path):
    write_history(tmp_path / "h.html", *Told().arguments)
    words = words_of((tmp_path / "h.html").read_text())
    assert "No runs yet" in words
    assert "alerts check" in words
    write_history(tmp_path / "h.html", [], [night_of(0)], [], (), {}, [])
    assert "hold no value that is watched" in words_of((tmp_path / "h.html").read_text())


def test_families_without_importing_a_contender():
    assert families.families() == {name: cls.family for name, cls in registered().items() if cls.__module__.startswith("paragone.")}
    assert families.family_of("digits/ddpm/ddim-50") == "diffusion"
    assert families.family_of("tests/perf/test_step.py::test_step") == ""


def test_size_grows_with_series_not_with_nights(tmp_path):
    sizes = {}
    for nights in (200, 1000):
        write_history(tmp_path / "h.html", *many(12, nights).arguments)
        sizes[nights] = (tmp_path / "h.html").stat().st_size
    assert sizes[1000] < sizes[200]
    assert sizes[200] * 300 / 12 < 25e6


@pytest.mark.long
def test_three_hundred_series_of_a_thousand_nights(tmp_path):
    story = many(300, 1000)
    start = time.perf_counter()
    write_history(tmp_path / "h.html", *story.arguments)
    assert time.perf_counter() - start < 60
    assert (tmp_path / "h.html").stat().st_size < 25e6
