"""The section on stability: planted sensitivities to the learning rate come out in table and title, and only where rates vary."""

import math
import re
from pathlib import Path

import pytest

from paragone.reports import steadiness, write_report
from paragone.reports.run import load
from tests.builders import make_run
from tests.reports.folders import built, suited, write_folder
from tests.reports.test_report import Page, check_tables

VARIANTS = ("lr0.25", "lr0.5", "lr1", "lr2", "lr4")
BENT = {"dcgan": 1.3, "realnvp": 0.2, "vae": 0.1}
"""Contender -> b: FID at the factor f is multiplied by exp(b log(f)^2), 12 times at 4 for the first."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    manifest, records = make_run(4, variants=VARIANTS, shares=[k / 16 for k in range(1, 16)], failures=(), noise=0.02)
    manifest = suited(manifest)
    manifest = manifest.model_copy(update={"suite": {**manifest.suite, "stability": {"factors": [0.25, 0.5, 1, 2, 4]}}})
    path = write_folder(tmp_path_factory.mktemp("run"), manifest, [_bent(record) for record in records], samples=False)
    write_report(path)
    return path


def _bent(record):
    if record.cell.contender not in BENT:
        return record
    worse = math.exp(BENT[record.cell.contender] * math.log(float(record.cell.variant.removeprefix("lr"))) ** 2)
    found = tuple(
        m.model_copy(update={"value": m.value * worse}) if m.metric.partition("@")[0] == "fid" and m.value else m
        for m in record.measurements
    )
    return record.model_copy(update={"measurements": found})


def test_the_most_sensitive_is_last_and_named_in_the_title(folder: Path):
    track = load(folder).tracks[0]
    rows = steadiness.table(track)
    assert rows[-1]["name"] == "dcgan"
    own, misses = rows[-1]["cells"][0][0], rows[-1]["cells"][5][0]
    # Within a factor 2 of its best: exp(1.3 log(2)^2) = 1.87 is, exp(1.3 log(4)^2) = 12.2 is not and passes independent pixels.
    assert own.replace("\u202f", " ") == "60 %"
    assert misses == "8 of 20"
    assert "dcgan worst (60" in (folder / "report.html").read_text()


def test_section_stands_in_page_and_markdown(folder: Path):
    text = (folder / "report.html").read_text()
    assert Page(text).problems == []
    assert text.index('<section id="stability">') < text.index('<section id="choose">')
    assert text.count('id="digits-stability"') == 1
    assert (folder / "plots" / "digits-stability.png").is_file()
    markdown = (folder / "report.md").read_text()
    assert "## Stability\n" in markdown
    check_tables(markdown)


def test_picture_of_a_claim_shows_shares(folder: Path):
    text = (folder / "claims.html").read_text()
    claim = text[text.index('id="claim-g2"') :]
    assert re.search(r'<text class="value"[^>]*>60\u202f% \[', claim[: claim.index("</svg>", claim.index("forest"))])


def test_nothing_where_no_rate_varies(tmp_path: Path):
    path = built(tmp_path, seeds=2, failures=())
    write_report(path)
    assert 'id="stability"' not in (path / "report.html").read_text()
    assert "## Stability" not in (path / "report.md").read_text()
