"""What a check tells others, read by those it is for: JUnit by junitparser, OpenMetrics by prometheus_client's parser."""

import io
import json
import math
import re

import pytest
from junitparser import Failure, JUnitXml, Skipped
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from paragone.bench.history.watched import WATCHED
from paragone.reports import style
from paragone.reports.ci import words
from paragone.reports.ci.annotations import annotation_lines, append_summary, in_github_actions
from paragone.reports.ci.dashboard import dashboard_entries
from paragone.reports.ci.junit import junit_xml, legal
from paragone.reports.ci.markdown import COMMENT_BYTES, JOB_SUMMARY_BYTES, LEAST_BYTES, summary_markdown
from paragone.reports.ci.openmetrics import openmetrics_text
from paragone.reports.ci.terminal import summary_lines
from tests.reports.outcomes import COMMIT, GOOD_COMMIT, GOOD_RUN, NASTY, RUN, acknowledged, finding, of_everything, of_many, outcome


def plainly(text):
    """Thin spaces as spaces."""
    return text.replace(style.THIN, " ")


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "effect", "said"),
    [
        ("train_step_s", math.log(1.21), "+21 % slower"),
        ("train_step_s", math.log(0.8), "−20 % faster"),
        ("sample_throughput_per_s", math.log(1.25), "+25 % slower (time an item)"),
        ("train_peak_rss_net_bytes", math.log(1.034), "+3.4 % more memory"),
        ("sample_joules", math.log(2), "+100 % more energy"),
        ("fid", math.log(1.3), "+30 % worse"),
        ("bits_per_dim", 0.05, "+0.0500 bits/dim worse"),
        ("bits_per_dim", -0.05, "−0.0500 bits/dim better"),
        ("train_step_s", math.log(25), "×25.0 slower"),
        ("train_step_s", 5000.0, "×1.01·10³⁰⁴ slower"),
        ("train_step_s", float("nan"), "—"),
        ("train_step_s", None, "—"),
    ],
)
def test_a_change_in_words(metric, effect, said):
    assert plainly(words.change(WATCHED[metric], effect)) == said


def test_an_interval_is_there_where_it_is_finite():
    watch = WATCHED["train_step_s"]
    assert plainly(words.change(watch, math.log(1.21), math.log(1.15), math.log(1.28))) == "+21 % slower [+15 %, +28 %]"
    assert plainly(words.change(watch, 0.1, -math.inf, math.inf)) == "+11 % slower"


def test_before_and_now_have_the_ratio_that_is_told():
    """The level is read back from tonight: 100 items a second became 80; 1.2 bits became 1.44."""
    rate = finding("waiting", metric="sample_throughput_per_s", before=100.0, factor=0.8)
    level = 80.0 * math.exp(rate.change)
    assert abs(level / 100 - 1) < 0.02
    assert plainly(" ".join(words.before_and_now(rate))) == plainly(f"{style.number(level)} /s 80.0 /s")
    bits = finding("waiting", metric="bits_per_dim", before=1.2, factor=1.2)
    assert plainly(words.before_and_now(bits)[0]) == f"{1.44 - bits.change:.2f} bits/dim"


def test_more_parameters_are_told_in_full():
    found = finding("alert", metric="parameters", before=1_234_567.0, factor=2)
    assert plainly(" ".join(words.before_and_now(found))) == "1 234 567 2 469 134"
    assert plainly(words.change_of(found)) == "+100 % more"


def test_few_says_how_many_are_left_out():
    assert words.few(list("abc"), 3) == ["a", "b", "c"]
    assert words.few(list("abcde"), 3) == ["a", "b", "3 more"]


# --- terminal -----------------------------------------------------------------------------------------------------------


def test_terminal_says_what_when_and_how_confirmed():
    found = finding("alert")
    lines = [plainly(line) for line in summary_lines(outcome(found))]
    assert lines[0] == "1 confirmed regression in 1 series"
    change = r"\+21 % slower \[\+1\d %, \+2\d %\]"
    assert re.fullmatch(rf"  {found.alert.id} digits/vae train_step_s: {change}, 5 pairs against cccc55556666", lines[1])
    assert f"first bad run {RUN} (commit {COMMIT}), last good {GOOD_RUN} (commit {GOOD_COMMIT})" in lines[2]
    assert "before 2.00 ms, now 2.42 ms" in lines[2]
    assert lines[-1] == "verdict: regression, exit code 3"


def test_terminal_tells_every_state():
    lines = summary_lines(of_everything())
    text = plainly("\n".join(lines))
    parts = (
        "known and still there:", "acknowledged through 2026-04-01: a known cost", "waiting for a second night:", "not judged:",
        "missing (cell digits.vqvae.s1 failed: out of memory), 2 series: digits/vqvae", "notice: environment changed",
        "skipped 1 file that could not be read: old-run/run.json", "improved: digits/vae train_peak_rss_net_bytes −30 %",
        "moved with the machine: ", "not confirmed by re-runs: digits/vae fid", "resolved: ", "changed: ",
    )  # fmt: skip
    for part in parts:
        assert part in text, part
    assert not any(ord(c) < 32 for line in lines for c in line)


@pytest.mark.parametrize("state", ["alert", "waiting", "missing", "improved", "open"])
def test_terminal_is_a_screenful_however_bad_the_night(state):
    lines = summary_lines(of_many(500, state))
    assert len(lines) <= 40
    assert state == "missing" or any(re.search(r"49\d more", line) for line in lines)
    assert lines[-1].startswith("verdict: ")


def test_no_line_is_a_command_to_a_runner():
    """A runner takes a line that begins with `::`, or holds `##[`, for a command."""
    evil = "::error::gotcha\n::stop-commands::x ##[error]"
    findings = [finding(state, evil, "benchmark_s", reason=evil) for state in ("alert", "missing", "waiting")]
    told = summary_lines(outcome(*findings, notices=(evil,), skipped=(evil,)))
    assert not [line for line in told if line.lstrip().startswith("::") or "##[" in line or "\n" in line]


def test_the_first_bad_run_is_that_of_the_nights_since():
    found = finding("open")
    told = outcome(found, located={found.alert.id: "2026-03-01-run"}, acknowledgements=acknowledged(found, "2026-03-03"))
    assert told.exit_code == 3
    text = "\n".join(summary_lines(told))
    assert "first bad run 2026-03-01-run, last good" in text
    assert "acknowledged through 2026-03-03, and still there" in text


def test_a_night_of_nothing_is_no_pass():
    told = outcome(problem="the run holds no record", strict=True)
    assert summary_lines(told) == ["not judged: the run holds no record", "verdict: not judged, exit code 4"]
    assert annotation_lines(told) == ["::error title=not judged::not judged: the run holds no record"]
    assert "the run holds no record" in summary_markdown(told)


# --- markdown -----------------------------------------------------------------------------------------------------------


def rows_of(markdown):
    return [line for line in markdown.split("\n") if line.startswith("| ")]


def test_markdown_has_raw_numbers_and_the_command():
    text = plainly(summary_markdown(of_everything()))
    row = next(line for line in rows_of(text) if "| digits/vae train\\_step\\_s |" in line and "alert-" in line)
    for part in ("| 2.00 ms | 2.42 ms | +21 % slower \\[+1", "5 pairs against cccc55556666", f"{GOOD_COMMIT}..{COMMIT}", RUN):
        assert part in row, part
    assert re.search(
        r'python run_bench.py alerts acknowledge alert-[0-9a-f]{10} --history DIR --reason ".+" --until 2026-03-18', text
    )
    assert text.index("Confirmed regressions") < text.index("Known and still there") < text.index("Not judged")


def test_markdown_reads_foreign_text_as_text():
    text = summary_markdown(of_everything())
    for row in rows_of(text):
        assert "<b>" not in row
        assert "@team" not in row
        assert not re.search(r"(?<!\\)[`*$#~]", row), row
    heads = [line for line in rows_of(text) if "first bad run" in line]
    cells = {len(re.findall(r"(?<!\\)\|", row)) for row in rows_of(text) if "alert-" in row}
    assert cells == {len(re.findall(r"(?<!\\)\|", heads[0]))}
    text.encode()


@pytest.mark.parametrize("limit", [LEAST_BYTES, 20_000, COMMENT_BYTES, JOB_SUMMARY_BYTES])
def test_markdown_is_cut_at_a_row_and_says_so(limit):
    told = of_many(1500)
    text = summary_markdown(told, limit)
    assert len(text.encode()) <= limit
    kept = [line for line in rows_of(text) if "| alert-" in line]
    assert all(line.endswith(" |") and line.count(" | ") == kept[0].count(" | ") for line in kept)
    assert "test\\_1499 " in kept[0]  # the worst first
    assert len(kept) == 1500 or f"**{1500 - len(kept)} more** left out" in text
    assert len(kept) == 1500 or len(text.encode()) > 0.8 * limit - 1000
    assert limit < JOB_SUMMARY_BYTES or len(kept) == 1500


def test_markdown_with_the_longest_of_texts_keeps_its_limit():
    evil = "😀|" * 2000
    told = outcome(*(finding("missing", f"{k}{evil}", "benchmark_s", reason=f"{k}{evil}") for k in range(99)), notices=[evil] * 9,
                   problem=evil, skipped=[evil] * 99)  # fmt: skip
    for limit in (LEAST_BYTES, COMMENT_BYTES):
        assert len(summary_markdown(told, limit).encode()) <= limit
    with pytest.raises(ValueError, match="100 bytes are too few"):
        summary_markdown(told, 100)


# --- annotations --------------------------------------------------------------------------------------------------------


def decoded(value):
    return value.replace("%2C", ",").replace("%3A", ":").replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")


def test_annotations_are_encoded_and_worst_first():
    lines = annotation_lines(of_everything())
    told = [re.fullmatch(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)", line).groups() for line in lines]
    levels = [level for level, _, _ in told]
    assert levels == sorted(levels, key=["error", "warning", "notice"].index)
    assert levels.count("error") == 4
    assert any(plainly(decoded(title)).startswith("digits/vae train_step_s: +21 % slower [") for _, title, _ in told)
    assert all("%" not in re.sub(r"%(25|0A|0D|3A|2C)", "", line) for line in lines)


@pytest.mark.parametrize(("count", "last"), [(3, None), (10, None), (11, "2 more"), (500, "491 more")])
def test_at_most_ten_annotations(count, last):
    lines = annotation_lines(of_many(count))
    assert len(lines) == min(10, count)
    assert last is None or lines[-1].startswith(f"::error title={last}::")


def test_warming_up_is_a_notice_and_under_strict_an_error():
    found = finding("warming up")
    assert [line.split(" ")[0] for line in annotation_lines(outcome(found))] == ["::notice"]
    assert any(line.startswith("::error") for line in annotation_lines(outcome(found, strict=True)))
    assert annotation_lines(outcome(finding("ok", factor=1.0))) == []


def test_the_summary_is_appended_where_github_asks_for_it(tmp_path):
    assert in_github_actions({"GITHUB_ACTIONS": "true"})
    assert not in_github_actions({"GITHUB_ACTIONS": "false"})
    file = tmp_path / "summary.md"
    file.write_text("# of another step\n")
    assert append_summary(of_everything(), {"GITHUB_STEP_SUMMARY": str(file)}) is None
    assert file.read_text() == "# of another step\n" + summary_markdown(of_everything()) + "\n"
    assert append_summary(of_everything(), {}) is None
    assert "not written" in append_summary(of_everything(), {"GITHUB_STEP_SUMMARY": str(tmp_path)})
    file.write_bytes(b"x" * (JOB_SUMMARY_BYTES - 10))
    assert "not written" in append_summary(of_everything(), {"GITHUB_STEP_SUMMARY": str(file)})
    assert file.stat().st_size == JOB_SUMMARY_BYTES - 10


# --- JUnit ----------------------------------------------------------------------------------------------------------------


def test_junit_has_one_case_a_series():
    told = of_everything()
    suite = next(iter(JUnitXml.fromstring(junit_xml(told).encode())))
    cases = {(case.classname, case.name): case for case in suite}
    assert len(cases) == len(told.judgement.findings) == suite.tests
    assert (suite.failures, suite.skipped, suite.errors) == (4, 5, 0)
    failure = cases["digits/vae", "train_step_s"].result[0]
    assert isinstance(failure, Failure)
    assert plainly(failure.message).startswith("+21 % slower [")
    assert f"first bad run: {RUN} (commit {COMMIT})" in failure.text
    skipped = cases["digits/vqvae", "fid"].result[0]
    assert isinstance(skipped, Skipped)
    assert skipped.message == "missing: cell digits.vqvae.s1 failed: out of memory"
    known = cases["digits/ddpm/ddim-10", "sample_throughput_per_s"]
    assert not known.result
    assert "acknowledged through 2026-04-01" in known.system_out
    assert not cases["digits/dcgan", "train_step_s"].result
    properties = {p.name: p.value for p in suite.properties()}
    assert (properties["run"], properties["commit"], properties["exit_code"]) == (RUN, COMMIT, "3")


def test_junit_of_an_empty_night_is_skipped_and_not_green():
    suite = next(iter(JUnitXml.fromstring(junit_xml(outcome(problem="the run holds no record")).encode())))
    assert (suite.tests, suite.skipped) == (1, 1)
    assert next(iter(suite)).result[0].message == "not judged: the run holds no record"


def test_junit_is_legal_xml_for_every_code_point():
    every = "".join(map(chr, [*range(0x3000), *range(0xD7F0, 0xE010), *range(0xFFF0, 0x10010), 0x10FFFF]))
    found = finding("missing", every, "benchmark_s", reason=every)
    JUnitXml.fromstring(junit_xml(outcome(found, finding("alert", every, "benchmark_s"), notices=[every])).encode())
    assert legal("a\x00b\ud800c\ufffed\te\nf") == "ab\ufffdc\ufffdd\te\nf"


# --- OpenMetrics ------------------------------------------------------------------------------------------------------------


def families(told):
    text = openmetrics_text(told)
    assert text.endswith("# EOF\n")
    text.encode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_openmetrics_is_read_back():
    told = of_everything()
    found = families(told)
    value = {(s.labels["entry"], s.labels["metric"]): s for s in found["paragone_series_value"].samples}
    assert value["digits/vae", "train_step_s"].value == pytest.approx(0.00242)
    assert value["digits/vae", "train_step_s"].labels["unit"] == "s"
    assert ("digits/vqvae", "fid") not in value
    ratio = {
        s.labels["entry"]: s.value for s in found["paragone_series_change_ratio"].samples if s.labels["metric"] == "train_step_s"
    }
    assert ratio["digits/vae"] == pytest.approx(1.21, rel=0.01)
    counts = {name: found[f"paragone_{name}"].samples[0].value for name in
              ("alerts_open", "alerts_opened", "alerts_failing", "series_watched", "series_not_judged", "check_exit_code",
               "files_skipped")}  # fmt: skip
    assert counts == {"alerts_open": 5, "alerts_opened": 4, "alerts_failing": 4, "series_watched": 17, "series_not_judged": 5,
                      "check_exit_code": 3, "files_skipped": 1}  # fmt: skip
    info = found["paragone_check"].samples[0].labels
    assert (info["run"], info["verdict"]) == (RUN, "regression")


def test_openmetrics_states_are_sets():
    told = of_everything()
    on = [s.labels for s in families(told)["paragone_series_state"].samples if s.value == 1]
    assert {(s["entry"], s["metric"], s["paragone_series_state"]) for s in on if s["entry"] != style.clean(NASTY)} == {
        (f.key.entry, f.key.metric, f.state) for f in told.judgement.findings if f.key.entry != NASTY
    }
    assert len(on) == len(told.judgement.findings)


@pytest.mark.parametrize("entry", ['a"b', "a\\", "a\nb", 'a\\"b\\\\n', "{x=1} # EOF", NASTY])
def test_openmetrics_labels_come_back_as_they_were(entry):
    found = families(outcome(finding("alert", entry, "benchmark_s")))
    assert {s.labels["entry"] for s in found["paragone_series_value"].samples} == {style.clean(entry)}


# --- github-action-benchmark ------------------------------------------------------------------------------------------------


def test_dashboard_is_smaller_is_better():
    entries = {entry["name"]: entry for entry in dashboard_entries(of_everything())}
    assert entries["digits/vae train_step_s"]["value"] == pytest.approx(0.00242)
    assert entries["digits/vae train_step_s"]["unit"] == "s"
    assert re.fullmatch(r"± \d[\d.e-]*", entries["digits/vae train_step_s"]["range"])
    rate = entries["digits/ddpm/ddim-10 sample_throughput_per_s"]
    assert (rate["value"], rate["unit"]) == (pytest.approx(1 / 80), "s/item")
    assert "digits/vae train_samples" not in entries
    assert "digits/vqvae fid" not in entries
    assert "digits/glow parameters" in entries
    assert all(set(e) <= {"name", "unit", "value", "range", "extra"} and math.isfinite(e["value"]) for e in entries.values())
    json.dump(list(entries.values()), io.StringIO(), allow_nan=False)


def test_the_spread_on_a_dashboard_is_that_of_the_nights():
    """Twelve nights with a coefficient of variation of 1 %: the range is about a hundredth of the value."""
    entry = dashboard_entries(outcome(finding("ok", factor=1.0)))[0]
    assert 0.005 < float(entry["range"][2:]) / entry["value"] < 0.02
