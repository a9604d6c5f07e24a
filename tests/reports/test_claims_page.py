"""The page of claims: every claim once a track, pictures that show the numbers they were made of, foreign text as text."""

import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragone.bench.judge.claims import CLAIMS
from paragone.bench.judge.intervals import Interval
from paragone.reports import claims, guide, write_report
from paragone.reports.evidence import deciding
from paragone.reports.forest import LEFT, RIGHT, Bar, Scale, forest
from paragone.reports.run import Run, load
from tests.builders import CONTENDERS, make_run, planned
from tests.reports.folders import HOSTILE, suited, write_folder
from tests.reports.test_report import Page

MINE = {
    "id": "mine", "topic": "<b>mine</b>", "statement": f"<script>alert(1)</script> {HOSTILE}", "sides": [["dcgan", "VAE"]],
    "metrics": ["fid"], "margin": 0.05,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tracks, of five seeds and of three, and a claim of one's own."""
    manifest, records = make_run(5)
    manifest = suited(manifest)
    first = manifest.suite["tracks"][0]
    suite = {**manifest.suite, "claims": [MINE], "tracks": [first, {**first, "name": "other"}]}
    moved = [r.model_copy(update={"cell": r.cell.model_copy(update={"track": "other"})}) for r in make_run(3, generator_seed=9)[1]]
    path = write_folder(tmp_path_factory.mktemp("run"), manifest.model_copy(update={"suite": suite}), [*records, *moved])
    write_report(path)
    return path


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return (folder / "claims.html").read_text()


def test_every_claim_once_and_once_a_track(folder: Path, text: str):
    ids = Counter(re.findall(r'id="claim-([a-z0-9-]+?)"', text))
    assert set(ids) == {"mine", *(claim.id for claim in CLAIMS)}
    assert set(ids.values()) == {1}
    run = load(folder)
    tested = [v for v in run.verdicts if v.components]
    assert len([v for v in tested if v.claim.id == "g1"]) == 2
    assert text.count('class="proof"') == len(tested)
    badges = Counter(
        re.findall(r'class="badge \w+"><svg[^>]*>.*?</svg>(\w+)</span>', re.sub(r"<details.*?</details>", "", text, flags=re.S))
    )
    assert badges == Counter(v.badge for v in tested)


def test_own_claims_stand_first(text: str):
    heads = re.findall(r"<h2>(.*?)</h2>", text)
    assert heads[1] == "Your own"
    assert heads[2] == "Key Takeaways"


def test_counts_are_those_of_the_verdicts(folder: Path, text: str):
    run = load(folder)
    found = claims.counts(run.verdicts)
    assert sum(found[word] for word in ("supported", "contradicted", "undetermined")) == len(run.verdicts)
    for path in ("claims.html", "report.html", "report.md"):
        assert claims.counts_line(run) in (folder / path).read_text()
    assert len(claims.decided(run)) == found["supported"] + found["contradicted"]
    assert len(claims.open_verdicts(run)) == found["undetermined"] - found["untested"]
    assert sum(len(waiting) for _, waiting in claims.untested(run)) == found["untested"]


def test_headlines_alone_open_the_report(folder: Path):
    text = (folder / "report.html").read_text()
    opening = text[text.index('id="verdicts"') : text.index('id="samples"')]
    assert re.findall(r"<small>(digits|other)</small>", re.sub(r"<div class=\"body\">.*?</details>", "", opening, flags=re.S)) == [
        "digits", "other"] * 3  # fmt: skip
    assert set(re.findall(r"Claim (\w+),", opening)) == {"g1", "g2", "g3"}
    for verdict in claims.decided(load(folder)):
        assert f'href="claims.html#claim-{verdict.claim.id}"' in text


def test_page_is_whole_self_contained_and_only_text(text: str):
    page = Page(text)
    assert page.problems == []
    assert page.open == []
    assert "script" not in {tag for tag, _, _ in page.attributes}
    assert "<script" not in text
    identifiers = [value for _, name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if tag == "a" and name == "href":
            assert value.startswith(("#", "report.html")), value
        if name == "aria-labelledby":
            assert set(value.split()) <= set(identifiers)
    assert not re.search(r"https?://(?!evil\.example)", text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e]", text)
    assert "alert(1)" in "".join(page.words)
    assert text.count('class="forest"') == text.count('role="img"')


def test_one_sentence_has_no_jargon(folder: Path):
    for verdict in load(folder).verdicts:
        if verdict.components:
            told = claims.finding(verdict)
            assert told
            assert not re.search(r"paired t|sign-flip|blocks [+-]|p [=<] ", told), told


def test_the_picture_shows_the_component_that_decides(folder: Path):
    for verdict in load(folder).verdicts:
        if verdict.decided and verdict.tested:
            component = deciding(verdict)
            p = component.p_supported if verdict.verdict == "supported" else component.p_contradicted
            assert verdict.p == pytest.approx(min(1.0, 2 * p))


def test_best_choice_keeps_the_limit():
    """A contender that leads in quality and takes a second an image is no choice for speed."""
    slow = planned("autoencoder").samplers["mixture"]
    way = replace(slow, fid=1.2, throughput_per_s=1.0)
    contenders = {
        "autoencoder": planned("autoencoder", samplers={"default": way}),
        "dcgan": planned("dcgan"),
        "vae": planned("vae"),
    }
    manifest, records = make_run(4, contenders=contenders, failures=())
    run = Run(Path(), manifest, tuple(records))
    found = {choice.line.claim: choice.best for choice in guide.choices(run)}
    assert found["g5-quality"].startswith("autoencoder, FID:")
    assert found["g5-fast"].startswith("GAN (dcgan), FID:")
    assert found["a1"].startswith("GAN (dcgan), samples a second:")
    assert found["g5-text"] == found["c3"] == ""


def test_every_line_of_the_table_names_a_claim():
    known = {claim.id for claim in CLAIMS}
    assert all(line.claim in known for line in guide.TABLE)
    assert {line.model for line in guide.TABLE} == {"Autoregressive (GPT)", "VAE", "GAN", "Diffusion", "Flow"}


def test_unequal_numbers_of_samples_are_said_loudly(tmp_path: Path):
    manifest, records = make_run(2, failures=())
    fewer = [_with_n(r, 500) if r.cell.contender == "dcgan" else r for r in records]
    for name, own in (("alike", records), ("unlike", fewer)):
        write_report(write_folder(tmp_path / name, suited(manifest), own, samples=False))
    for page in ("report.html", "claims.html", "report.md"):
        assert "Not judged alike on digits: " in (tmp_path / "unlike" / page).read_text()
        assert "Not judged alike" not in (tmp_path / "alike" / page).read_text()


def _with_n(record, n):
    return record.model_copy(
        update={"measurements": tuple(m.model_copy(update={"n": n}) if m.n else m for m in record.measurements)}
    )


numbers = st.floats(min_value=1e-3, max_value=1e3)


@settings(max_examples=200, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=12), st.floats(1.0, 50.0), st.booleans())
def test_dots_lie_inside_and_in_order(values: list[float], width: float, log: bool):
    mean = sum(values) / len(values)
    bar = Bar(
        "a", "b", "red", Interval(mean, mean / width if log else mean - width, mean * width if log else mean + width), tuple(values)
    )
    picture = str(forest("x", "t", [bar], Scale(log, equal=1.0, shaded=(0.5, None))))
    dots = [float(x) for x in re.findall(r'class="seed" cx="([\d.]+)"', picture)]
    assert len(dots) == len(values)
    assert all(LEFT < x < RIGHT for x in dots)
    places = sorted(zip(values, dots, strict=True))
    assert [x for _, x in places] == sorted(dots)
    ticks = [float(x) for x in re.findall(r'class="tick"[^>]*>([\d.e+]+)<', picture)]
    assert len(ticks) <= 7
    assert ticks == sorted(set(ticks))


def test_interval_beyond_the_window_ends_in_an_arrow():
    narrow = Bar("a", "", "red", Interval(1.0, 0.9, 1.1), (0.95, 1.05))
    wide = Bar("a", "", "red", Interval(1.0, 1e-6, 1e6), (0.95, 1.05))
    count = [str(forest("x", "t", [bar], Scale(True, equal=1.0))).count("l5 -4") for bar in (narrow, wide)]
    assert count == [0, 1]


def test_failed_seeds_have_no_dot():
    bar = Bar("a", "", "red", Interval(math.nan, math.nan, math.nan), (math.nan, 2.0))
    assert str(forest("x", "t", [bar], Scale(True, equal=1.0))).count('class="seed"') == 1


@pytest.mark.parametrize(("seeds", "failed"), [(0, ()), (1, ()), (2, tuple(CONTENDERS))])
def test_whole_with_nothing_one_seed_or_all_failed(tmp_path: Path, seeds: int, failed: tuple[str, ...]):
    manifest, records = make_run(max(seeds, 1), failures=[(name, seed) for name in failed for seed in range(seeds)])
    write_report(write_folder(tmp_path, suited(manifest), records if seeds else [], samples=False))
    text = (tmp_path / "claims.html").read_text()
    page = Page(text)
    assert page.problems == []
    assert page.open == []
    assert {claim.id for claim in CLAIMS} <= {value.removeprefix("claim-") for _, name, value in page.attributes if name == "id"}
    pictures = re.findall(r'<svg class="forest".*?</svg>', text, flags=re.S)
    assert not any("nan" in picture for picture in pictures)
