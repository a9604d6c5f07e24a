"""The summary at the end of a run: a screenful, plain where there is no terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from paragone.bench.judge.claims import CLAIMS
from paragone.reports.run import load
from paragone.reports.terminal import summary, summary_text
from tests.reports.folders import built


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("run"))


def test_says_verdicts_ranking_and_where(folder: Path):
    text = summary_text(load(folder))
    lines = text.rstrip("\n").split("\n")
    assert len(lines) <= 33
    assert f"{len(CLAIMS)} claims: " in text
    assert all(word in text for word in ("speed", "quality", "stability", "dcgan", "ddpm/ddim-50", "held-out real", "FID"))
    assert "1 of 39 cells failed: digits.realnvp.s1" in text
    assert lines[-1] == f"report: {folder / 'report.html'}"


def test_plain_without_a_terminal(folder: Path):
    assert not any(ord(character) < 32 and character != "\n" for character in summary_text(load(folder)))
    buffer = io.StringIO()
    Console(file=buffer, width=80).print(summary(load(folder)))
    assert "\x1b" not in buffer.getvalue()
    assert max(len(line) for line in buffer.getvalue().split("\n")) <= 80


def test_colours_on_a_terminal(folder: Path):
    buffer = io.StringIO()
    Console(file=buffer, width=100, force_terminal=True, color_system="standard").print(summary(load(folder)))
    assert "\x1b[" in buffer.getvalue()
