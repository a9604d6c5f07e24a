"""The comparison's page, Markdown and terminal: planted changes stand on them in words, worst first; foreign text stays text."""

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.errors import UsageError
from paragone.bench.judge.comparison import compare
from paragone.bench.records import Failure
from paragone.reports import compare_words, dumbbell, style
from paragone.reports.compare import summary_text, write_comparison
from tests.builders import CONTENDERS, make_run
from tests.judge.test_comparison import times
from tests.reports.folders import HOSTILE, suited, write_folder
from tests.reports.test_report import Page

TWO = {name: CONTENDERS[name] for name in ("vae", "ddpm")}


def planted(record):
    for contender, metric, factor in (
        ("vae", "fid", 1.6), ("vae", "train_step_s", 1.25), ("ddpm", "sample_latency_s", 0.7), ("vae", "recall", 0.7),
        ("ddpm", "sample_flops", 2.0),
    ):  # fmt: skip
        record = times(metric, factor, contender)(record)
    return record


def run_folder(path, change=None, generator_seed=7, manifest=None, **options):
    own, records = make_run(
        5, **{"contenders": TWO, "failures": (), "shares": (), "noise": 0.02} | options, generator_seed=generator_seed
    )
    return write_folder(path, suited(own).model_copy(update=manifest or {}), [change(r) if change else r for r in records])


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("runs") / "old")


@pytest.fixture(scope="module")
def written(before):
    return write_comparison(before, run_folder(before.parent / "new", planted, 8, {"commit": "f" * 12}))


@pytest.fixture(scope="module")
def text(written):
    return written.html.read_text()


def plain(words):
    return re.sub(r"\s+", " ", words.replace(style.THIN, " "))


def words_of(page_text):
    return plain(" ".join(Page(page_text).words))


def to_page(before, tmp_path, **options):
    written = write_comparison(before, run_folder(tmp_path / "other", **options), tmp_path / "out")
    return written, words_of(written.html.read_text())


def test_it_lies_in_b_under_the_name_of_a(before, written):
    folder = before.parent / "new" / "compare-old"
    assert written.html == folder / "compare.html"
    assert written.markdown == folder / "compare.md"
    assert written.plots == (folder / "plots" / "comparison.png", folder / "plots" / "comparison.svg")
    assert all(path.is_file() for path in (written.html, written.markdown, *written.plots))


def test_planted_changes_are_told_worst_first(written, text):
    words = words_of(text)
    assert words.index("5 worse, 2 better") < words.index("What changed")
    assert [row.verdict for row in written.comparison.worst_first] == sorted(
        (row.verdict for row in written.comparison.worst_first), key=["worse", "better", "changed"].index
    )
    for told in (r"vae: time a training step lower is better A 4\.\d+ ms B 5\.\d+ ms \+2\d %", r"ddpm/ddim-50: latency of one"):
        assert re.search(told, words), told
    for told in (
        r"vae/mean \| FID \| [\d.]+ \| [\d.]+ \| \+[56]\d % \\\[",
        r"ddpm/ddim-50 \| flops an item \|.*\+100 %.*≠ changed",
    ):
        assert re.search(told, plain(written.markdown.read_text())), told


def test_terminal_is_a_screenful_with_the_verdict_first(written):
    lines = plain_lines(summary_text(written.comparison))
    assert lines[0].startswith("5 worse, 2 better, ")
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 250
    assert any(re.match(r"▼ worse: slower vae: time a training step 4\.\d+ ms → 5\.\d+ ms \+2\d % \[", line) for line in lines)


def plain_lines(summary):
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", summary)
    return [plain(line).strip() for line in summary.splitlines()]


def test_page_is_sound(text):
    page = Page(text)
    assert not page.problems
    assert not page.open
    assert not re.search(r"<script|https?://(?!www\.w3\.org/)|@import|url\((?!#)", text)
    assert len(text) < 1e6
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")} <= set(ids)
    assert all(value for _, name, value in page.attributes if name == "alt")
    ET.fromstring(re.search(r'<svg class="plot".*?</svg>', text, re.DOTALL).group())


def test_samples_stand_side_by_side(text):
    pictures = [value for tag, name, value in Page(text).attributes if (tag, name) == ("img", "alt")]
    assert "samples of vae/mean in A, seed 0" in pictures
    assert pictures.count("samples of vae/mean in A, seed 0") == pictures.count("samples of vae/mean in B, seed 0")
    assert pictures[0] == "samples of held-out real in A, seed 0"


def test_the_same_bytes_twice(before, written, tmp_path):
    again = write_comparison(before, before.parent / "new", tmp_path / "again")
    for one, other in zip(
        (written.html, written.markdown, *written.plots), (again.html, again.markdown, *again.plots), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()


def test_a_run_against_itself_says_so(before, tmp_path):
    written = write_comparison(before, before, tmp_path)
    words = words_of(written.html.read_text())
    assert "Nothing changed: A and B are the same run" in words
    assert "No metric changed" in words
    assert not written.plots
    assert summary_text(written.comparison).startswith("Nothing changed: A and B are the same run")


def test_another_machine_stands_first(before, tmp_path):
    keys = {**compare(before, before).a.manifest.fingerprint, "cpu": "Other CPU"}
    written, words = to_page(before, tmp_path, change=planted, manifest={"fingerprint": keys})
    told = "Another machine (cpu is Example CPU in A and Other CPU in B): times, memory and energy have no verdict"
    assert words.index(told) < words.index("What changed")
    assert "machine: cpu Example CPU Other CPU" in words
    assert plain(summary_text(written.comparison)).index("Another machine") < 500
    assert all(row.kind not in ("time", "memory", "energy") for row in written.comparison.worst_first)


def test_floating_point_is_explained_where_quality_is_still_compared(before, tmp_path):
    keys = {**compare(before, before).a.manifest.fingerprint, "torch": "9.9"}
    _, words = to_page(before, tmp_path, change=planted, manifest={"fingerprint": keys})
    assert "Another set-up (torch is none in A and 9.9 in B)" in words
    assert "floating-point results differ in the last digits" in words
    assert re.search(r"vae/mean: FID lower is better.*?worse", words)


def test_an_unfinished_run_and_damaged_records_are_said(before, tmp_path):
    other = run_folder(tmp_path / "other", manifest={"ended": None})
    cells = sorted((other / "cells").glob("*.json"))
    cells[0].write_text("{")
    cells[1].unlink()
    written = write_comparison(before, other, tmp_path / "out")
    words = words_of(written.html.read_text())
    total = len(cells)
    assert f"B (other) did not finish: {total - 2} of {total} cells can be used" in words
    assert "1 record could not be read and is left out" in words
    assert f"other/cells/{cells[0].name}: is not readable JSON" in words
    assert str(tmp_path) not in written.html.read_text()
    assert "1 record could not be read" in summary_text(written.comparison)


def test_appeared_vanished_failed(before, tmp_path):
    more = {"vae": TWO["vae"], "dcgan": CONTENDERS["dcgan"]}
    _, words = to_page(before, tmp_path, contenders=more, failures=(("vae", 3),))
    assert "ddpm/ddim-50 on digits is only in A: it vanished." in words
    assert "dcgan on digits is only in B: it appeared." in words
    assert "digits.vae.s3: failed in B (RuntimeError: planted failure), ok in A." in words


def test_nothing_in_common_is_a_page_too(before, tmp_path):
    written, words = to_page(before, tmp_path, contenders={"dcgan": CONTENDERS["dcgan"]})
    assert "Nothing can be compared: A and B have no measured entry in common" in words
    assert "no measured entry in common" in summary_text(written.comparison)
    assert "no measured entry in common" in written.markdown.read_text()


def test_foreign_text_stays_text(before, tmp_path):
    def hostile(record):
        if record.family == "reference":
            return record
        changes: dict[str, object] = {"samplers": tuple(f"{s}{HOSTILE}" for s in record.samplers)}
        if record.cell.seed == 0:
            changes |= {"status": "failed", "failure": Failure(phase=HOSTILE, kind=HOSTILE, message=HOSTILE, elapsed_s=1.0)}
        return record.model_copy(update=changes)

    manifest = {"commit": HOSTILE, "versions": {HOSTILE: HOSTILE}, "fingerprint": {"cpu": HOSTILE}}
    written = write_comparison(before, run_folder(tmp_path / "x", hostile, manifest=manifest), tmp_path / "out")
    for content in (written.html.read_text(), summary_text(written.comparison)):
        assert "\x1b" not in content
        assert "\u202e" not in content
    page = Page(written.html.read_text())
    assert not page.problems
    assert not [name for _, name, _ in page.attributes if name == "onerror"]
    assert "<img src=x" not in written.markdown.read_text()


@pytest.mark.parametrize("out", ["file", "file/inside"])
def test_a_folder_that_cannot_be_written_is_said(before, tmp_path, out):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written: .*; name another folder"):
        write_comparison(before, before, tmp_path / out)


def test_no_run_is_an_error_that_names_it(before, tmp_path):
    with pytest.raises(UsageError, match=r"nowhere is not a run folder: it has no run\.json"):
        write_comparison(before, tmp_path / "nowhere")


@given(st.floats(0.01, 1.0), st.floats(1.0, 100.0))
def test_ticks_are_few_inside_and_hold_one(low, high):
    if high / low < 1.01:
        return
    ticks = dumbbell.ticks(low, high)
    assert 0 < len(ticks) <= 7
    assert all(low * (1 - 1e-9) <= tick <= high * (1 + 1e-9) for tick in ticks)
    assert any(math.isclose(tick, 1.0) for tick in ticks) or high / low > 4


def test_dots_lie_at_their_ratios(written):
    """Read back from the drawing: A at the same place in every row, B at log(B / A) from there."""
    svg = ET.fromstring(written.plots[1].read_text())
    uses = [float(node.get("x")) for node in svg.iter("{http://www.w3.org/2000/svg}use") if node.get("x")]
    rows = written.comparison.worst_first
    drawn = [row for row in rows if dumbbell.drawable(row)]
    places = uses[-2 * len(drawn) :] if len(uses) < 2 * len(drawn) else uses
    ticks = [x for x in places if places.count(x) >= len(drawn)]
    assert ticks, "A stands at one place in all rows"
    a = ticks[0]
    shifts = sorted({round(x - a, 3) for x in places if x != a})
    logs = np.array([math.log(row.ratio) for row in drawn])
    scale = max(shifts) / logs.max() if logs.max() > -logs.min() else min(shifts) / logs.min()
    for value in logs:
        assert min(abs(shift - scale * value) for shift in shifts) < 0.02 * abs(scale)


def test_changes_in_words(written):
    rows = {(row.entry, row.key.metric): row for row in written.comparison.rows}
    recall = rows["vae/mean", "recall"]
    assert re.fullmatch(r"−1\d\.\d points \[−1\d\.\d, −1\d\.\d\]", plain(compare_words.both(recall)))
    assert plain(compare_words.quantity(recall, 0.5)) == "50.0 %"
    flops = rows["ddpm/ddim-50", "sample_flops"]
    assert plain(compare_words.change(flops)) == "+100 %"
    assert compare_words.interval(flops) == ""
    assert compare_words.verdict(rows["vae", "train_step_s"]) == "worse: slower"
    assert len(compare_words.by_seed(recall)) == 5


def test_reading_pages_needs_no_torch():
    import subprocess
    import sys

    code = "import sys, paragone.reports.compare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path("/")).returncode == 0
