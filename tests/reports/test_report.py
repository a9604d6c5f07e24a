"""The whole report of a run folder: the same bytes twice, the same numbers everywhere, nothing from outside, no torch."""

import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from paragone.bench.judge import ranking, verdicts
from paragone.bench.judge.claims import CLAIMS
from paragone.bench.longtable import COLUMNS
from paragone.bench.records import RecordError
from paragone.reports import style, write_report
from paragone.reports.run import load
from paragone.reports.scoreboard import scoreboard
from tests.builders import CONTENDERS, make_run, planned
from tests.reports.folders import HOSTILE, built, digests, suited, write_folder

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads a page: links, sources, whether tags nest, and the rows of its ranking."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.problems: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.entries: dict[str, list[dict[str, str]]] = {}
        self.words: list[str] = []
        self._entry = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = {name: value or "" for name, value in attrs}
        self.attributes += [(tag, name, value) for name, value in own.items()]
        if tag == "tr":
            self._entry = own.get("data-entry", "")
        if tag == "td" and self._entry:
            self.entries.setdefault(self._entry, []).append({**own, "text": ""})
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._entry in self.entries and "td" in self.open:
            self.entries[self._entry][-1]["text"] += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = built(tmp_path_factory.mktemp("run"))
    write_report(path)
    return path


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text())


def test_twice_the_same_bytes(folder: Path):
    before = digests(folder)
    time.sleep(1.1)  # a time stamp of whole seconds would show
    report = write_report(folder)
    assert digests(folder) == before
    assert {"report.html", "claims.html", "report.md", "tables/ranking.csv", "plots/digits-samples.png"} <= set(before)
    assert all(path.is_file() for path in (report.html, report.claims, report.markdown, *report.tables, *report.plots))


def test_no_torch_and_quick(folder: Path):
    code = (
        "import sys, time; from pathlib import Path; from paragone.reports import write_report; "
        "from paragone.reports.terminal import summary_text; "
        "print(summary_text(write_report(Path(sys.argv[1])).run)); "
        "found = {'torch', 'torchvision', 'matplotlib.pyplot', 'sklearn'} & set(sys.modules); "
        "sys.exit(f'imported {found}' if found else 0 if time.process_time() < 8 else 'too slow')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout)


def test_tables_have_the_fixed_columns(folder: Path):
    tables = {name: pd.read_csv(folder / "tables" / f"{name}.csv") for name in ("measurements", "ranking", "verdicts")}
    assert ",".join(tables["measurements"].columns) == ",".join(COLUMNS) == (
        "run,track,dataset,contender,family,sampler,seed,variant,status,metric,value,unit,source"
    )  # fmt: skip
    assert ",".join(tables["ranking"].columns) == ",".join(ranking.COLUMNS) == (
        "track,metric,rank,rank_low,rank_high,entry,family,value,ci_low,ci_high,n,status"
    )  # fmt: skip
    assert ",".join(tables["verdicts"].columns) == ",".join(verdicts.COLUMNS) == (
        "claim,statement,track,metric,verdict,effect,ci_low,ci_high,p,n,detectable_effect,reason"
    )  # fmt: skip
    by_axis = pd.read_csv(folder / "tables" / "by_axis.csv")
    assert ",".join(by_axis.columns) == (
        "track,axis,amount,unit,rank,rank_low,rank_high,entry,family,value,ci_low,ci_high,n,status"
    )  # fmt: skip
    assert list(dict.fromkeys(by_axis["axis"])) == ["seconds", "steps", "samples", "flops"]
    assert list(tables["verdicts"]["claim"]) == [claim.id for claim in CLAIMS]
    assert {"fid", "sample_throughput_per_s", "train_peak_rss_bytes"} <= set(tables["ranking"]["metric"])


def test_numbers_of_the_page_are_those_of_the_table(folder: Path, page: Page):
    table = pd.read_csv(folder / "tables" / "ranking.csv")
    divisors = {"fid": 1.0, "sample_throughput_per_s": 1.0, "sample_latency_s": 1e-3, "train_own_memory_bytes": 1e6,
                "sample_own_memory_bytes": 1e6, "sample_flops": 1e6, "flops_utilisation": 0.01}  # fmt: skip
    metrics = list(divisors)
    assert set(metrics) < set(table["metric"]), "the peaks of whole processes are in the table too"
    assert set(page.entries) == set(table["entry"])
    seen = 0
    for entry, cells in page.entries.items():
        assert len(cells) == len(metrics)
        for metric, cell in zip(metrics, cells, strict=True):
            row = table[(table["metric"] == metric) & (table["entry"] == entry)]
            if len(row) and pd.notna(row["value"].iloc[0]):
                own, divisor = row.iloc[0], divisors[metric]
                assert float(cell["data-value"]) == own["value"]
                assert style.number(own["value"] / divisor) in cell["text"]
                assert style.interval(own["ci_low"], own["ci_high"], 1.0 / divisor) in cell["text"]
                if pd.notna(own["rank"]):
                    assert style.rank(own["rank_low"], own["rank_high"]) in cell["text"]
                seen += 1
            else:
                assert "data-value" not in cell
                assert style.MISSING in cell["text"]
    assert seen > 40


def test_page_is_whole_and_self_contained(folder: Path, page: Page):
    text = (folder / "report.html").read_text()
    assert page.problems == []
    assert page.open == []
    for tag, name, value in page.attributes:
        if name in ("src", "srcset", "data", "action", "poster") or (name.endswith("href") and tag != "a"):
            assert value.startswith(("data:", "#")), (tag, name, value)
        if tag == "a" and name == "href":
            assert value.startswith(("#", "claims.html", "https://arxiv.org/")), value
        assert not name.startswith("on"), (tag, name)
    outside = set(re.findall(r"https?://[^\s\"'<)]+", text)) - {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert all(link.startswith("https://arxiv.org/") for link in outside), outside
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    assert len(text) < 5e6


def test_page_speaks_to_screen_readers(page: Page):
    identifiers = [value for _, name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))
    for tag, name, value in page.attributes:
        if tag == "img" and name == "alt":
            assert "samples of" in value
        if name == "aria-labelledby":
            assert set(value.split()) <= set(identifiers)
    heads = sum(tag == "th" for tag, name, _ in page.attributes if name == "scope")
    assert heads > 60


def test_sections_stand_in_order(folder: Path):
    html, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    heads = ["What came out", "Samples", "Rankings", "Trade-offs", "Choose", "Claims", "Can I trust it?", "How", "Failures"]
    for text, form in ((html, "<h2>{}"), (markdown, "## {}")):
        places = [text.index(form.format(head)) for head in heads]
        assert places == sorted(places)


def test_markdown_tables_are_well_formed(folder: Path):
    text = (folder / "report.md").read_text()
    check_tables(text)
    for plot in re.findall(r"\]\((plots/[^)]+)\)", text):
        assert (folder / plot).is_file()


def check_tables(text: str) -> None:
    """Every block of lines with bars is a table: head, rule, rows, all as wide."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert blocks
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}
        assert len(widths) == 1, block
        assert re.fullmatch(r"\|( :?-+:? \|)+", block.split("\n")[1])


def test_partly_failed_row_is_last_with_its_reason(folder: Path, page: Page):
    ranked = [entry for entry, cells in page.entries.items() if "data-value" in cells[0]]
    competitors = [entry for entry in ranked if entry.split("/")[0] in CONTENDERS]
    assert competitors[-1] == "realnvp"
    assert "planted failure" in (folder / "report.html").read_text()


def test_contender_that_never_finished(tmp_path: Path):
    failed = [("ddpm", seed) for seed in range(3)] + [("dcgan", seed) for seed in range(3)]
    folder = built(tmp_path, failures=failed)
    write_report(folder)
    page = Page((folder / "report.html").read_text())
    competitors = [entry for entry in page.entries if entry.split("/")[0] in CONTENDERS]
    assert {entry.split("/")[0] for entry in competitors[-3:]} == {"ddpm", "dcgan"}
    words = "".join(page.words)
    assert "all 3 cells failed: failed in train: RuntimeError: planted failure" in words
    check_tables((folder / "report.md").read_text())


def test_everything_failed(tmp_path: Path):
    folder = built(tmp_path, seeds=1, failures=[(name, 0) for name in CONTENDERS])
    write_report(folder)
    page = Page((folder / "report.html").read_text())
    assert page.problems == []
    assert "No entry has both a quality rank and a measured time." in "".join(page.words)


def test_one_seed_has_no_intervals(tmp_path: Path):
    folder = built(tmp_path, seeds=1, failures=(), shares=())
    write_report(folder)
    text = (folder / "report.html").read_text()
    page = Page(text)
    assert "One seed: no intervals" in text
    assert not any("[" in cell["text"] for cells in page.entries.values() for cell in cells)
    assert 'class="best"' not in text
    assert (
        "nan"
        not in re.sub(r"data:[^\"]*", "", re.sub(r"<style>.*?</style>|<script>.*?</script>", "", text, flags=re.S)).lower().split()
    )
    assert not (folder / "plots" / "digits-quality-training.png").exists()


def test_flagged_entry_has_no_quality_rank_and_says_why(tmp_path: Path):
    folder = built(tmp_path, failures=(), contenders={**CONTENDERS, "dcgan": planned("dcgan", near_copies=0.5)})
    write_report(folder)
    text = (folder / "report.html").read_text()
    assert "dcgan loses its quality rank." in text
    assert "rank " not in Page(text).entries["dcgan"][0]["text"]


def test_hostile_text_is_only_text(tmp_path: Path):
    manifest, records = make_run(2, failures=[("realnvp", 0), ("realnvp", 1)])
    records = [_hostile(record) if record.cell.contender == "realnvp" else record for record in records]
    manifest = suited(manifest).model_copy(update={"warnings": (HOSTILE,), "commit": HOSTILE, "command": ("run_bench.py", HOSTILE)})
    folder = write_folder(tmp_path, manifest, records)
    write_report(folder)
    page = Page((folder / "report.html").read_text())
    assert page.problems == []
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert not any(tag == "img" and value == "x" for tag, name, value in page.attributes if name == "src")
    assert not any("evil" in value for tag, name, value in page.attributes if name == "href")
    assert "onerror" in "".join(page.words)
    markdown = (folder / "report.md").read_text()
    check_tables(re.sub(r"```sh.*?```", "", markdown, flags=re.S))
    assert "<img" not in re.sub(r"```sh.*?```", "", markdown, flags=re.S)
    for path in (folder / "report.html", folder / "report.md", *folder.glob("plots/*.svg")):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e]", path.read_text()), path


def _hostile(record):
    cell = record.cell.model_copy(update={"contender": HOSTILE})
    failure = record.failure.model_copy(update={"message": HOSTILE, "tail": f"{HOSTILE}\n</pre><script>alert(2)</script>"})
    changes = {"cell": cell, "failure": failure, "flags": (HOSTILE,), "samplers": (HOSTILE, "b")}
    found = tuple(m.model_copy(update={"source": HOSTILE}) if m.value is None else m for m in record.measurements)
    return record.model_copy(update={**changes, "measurements": found})


def test_without_own_memory_the_peaks_of_whole_processes_stand_in_the_table(tmp_path: Path):
    manifest, records = make_run(2, failures=())
    kept = [r.model_copy(update={"measurements": tuple(m for m in r.measurements if "_net_" not in m.metric)}) for r in records]
    board = scoreboard(load(write_folder(tmp_path, suited(manifest), kept)).tracks[0])
    assert [column.metric for column in board.columns if "bytes" in column.metric] == [
        "train_peak_rss_bytes", "sample_peak_rss_bytes",
    ]  # fmt: skip


def test_not_a_run(tmp_path: Path):
    with pytest.raises(RecordError, match="not a run folder"):
        write_report(tmp_path)


def test_run_without_a_finished_cell(tmp_path: Path):
    manifest, _ = make_run(1)
    folder = write_folder(tmp_path, suited(manifest), [])
    write_report(folder)
    assert "No cell of this run has finished yet" in (folder / "report.html").read_text()


def test_unfinished_run_says_so(tmp_path: Path):
    manifest, records = make_run(2, failures=())
    folder = write_folder(tmp_path, suited(manifest).model_copy(update={"ended": None}), records[:7])
    write_report(folder)
    assert "This run is not finished: 7 of 26 cells are done" in (folder / "report.html").read_text()


def test_commands_leave_out_the_old_folder(tmp_path: Path):
    manifest, records = make_run(1, failures=())
    manifest = suited(manifest).model_copy(update={"command": ("run", "smoke", "--out", "old place", "--resume", "--seeds", "1")})
    write_report(write_folder(tmp_path, manifest, records))
    words = "".join(Page((tmp_path / "report.html").read_text()).words)
    assert "python run_bench.py run smoke --seeds 1 --cell digits.pixelcnn.s0" in words
    assert "python run_bench.py report 'old place'" in words
