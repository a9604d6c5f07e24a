"""A run folder becomes a night: values by hand, reasons for what is not there, and no file that stops it."""

import json
import math
from statistics import fmean, median

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paragone.bench.history.instants import utc
from paragone.bench.history.life import CHECK_FILE, Check
from paragone.bench.history.reading import read_night
from paragone.bench.history.watched import WATCHED
from paragone.bench.records import Failure
from tests.builders import with_timing, with_values
from tests.history.nights import SUITE, make_night, write, write_night


def points(reading):
    return {(key.entry, key.metric): point for key, point in reading.night.points.items()}


def values(records, contender, metric, sampler=""):
    own = sorted((r for r in records if r.cell.contender == contender), key=lambda r: r.cell.seed)
    return [m.value for r in own for m in r.measurements if (m.metric, m.sampler) == (metric, sampler)]


def test_compared_values_are_those_by_hand(tmp_path):
    manifest, records = make_night(5, change=lambda r: with_timing(r, control_s=0.1 * (1 + r.cell.seed)))
    reading = read_night(write(tmp_path / "n", manifest, records))
    found = points(reading)
    assert reading.skipped == ()
    assert (reading.night.run, reading.night.started, reading.night.commit) == ("n", "2026-01-05T03:00:00.000+00:00", "c5")
    steps = values(records, "vqvae", "train_step_s")
    ratios = [math.log(raw / (0.1 * (1 + seed))) for seed, raw in enumerate(steps)]
    step = found["digits/vqvae", "train_step_s"]
    assert step.replicates == pytest.approx(ratios)
    assert step.value == pytest.approx(median(ratios))
    assert step.raw == median(steps)
    rates = values(records, "ddpm", "sample_throughput_per_s", "ddim-50")
    assert found["digits/ddpm/ddim-50", "sample_throughput_per_s"].replicates == pytest.approx(
        [-math.log(raw * 0.1 * (1 + seed)) for seed, raw in enumerate(rates)]
    )
    fid = found["digits/ddpm/ddim-50", "fid"]
    assert fid.value == pytest.approx(fmean(math.log(v) for v in values(records, "ddpm", "fid", "ddim-50")))
    assert fid.raw == pytest.approx(fmean(values(records, "ddpm", "fid", "ddim-50")))
    memory = found["digits/ddpm", "train_peak_rss_net_bytes"]
    assert memory.value == pytest.approx(math.log(1.6e8))
    bits = found["digits/ddpm", "bits_per_dim"]
    assert bits.value == pytest.approx(fmean(values(records, "ddpm", "bits_per_dim")))
    assert found["digits/ddpm/ddim-50", "network_evaluations"].exact == "50"
    assert reading.night.control_s == pytest.approx(0.2)
    assert {key.metric for key in reading.night.points} <= set(WATCHED)
    assert {key.entry.split("/")[1] for key in reading.night.points} == {"ddpm", "vqvae"}  # references are no series


@pytest.mark.parametrize(("budget", "repeats"), [("300 steps", True), ("2k samples", True), ("6 s", False), ("3e9 flops", False)])
def test_exact_series_are_those_that_repeat(tmp_path, budget, repeats):
    suite = {"budget": {"train": budget, "parameters": 1}}
    found = points(read_night(write_night(tmp_path, 1, suite=suite)))
    for metric in ("train_flops", "train_samples", "samples_hash"):
        assert any(name == metric for _, name in found) is repeats
    assert ("digits/vqvae", "parameters") in found


def test_the_hash_follows_the_samples_alone(tmp_path):
    one, same = (points(read_night(write_night(tmp_path, day)))["digits/vqvae", "samples_hash"] for day in (1, 2))
    assert one.exact == same.exact
    assert one.raw is None

    def other(record):
        return record.model_copy(update={"files": {name: text + "!" for name, text in record.files.items()}})

    assert points(read_night(write_night(tmp_path, 3, change=other)))["digits/vqvae", "samples_hash"].exact != one.exact


def test_the_protocol_is_the_budget_and_not_the_company(tmp_path):
    def keys(day, **changes):
        found = read_night(write_night(tmp_path, day, **changes)).night.points
        return {key for key in found if key.entry.startswith("digits/vqvae")}

    base = keys(1)
    company = SUITE["tracks"][0] | {"contenders": ["vqvae"]}
    assert keys(2, names=("vqvae",), suite={"tracks": [company]}) == base
    for day, suite in enumerate(
        (
            {"budget": {"train": "301 steps", "parameters": 200000}},
            {"evaluation": {"samples": 500}},
            {"training": {"precision": "bfloat16"}},
            {"tracks": [company | {"data_hash": "other"}]},
            {"samplers": {"vqvae": {"judged": ["default"]}}},
        ),
        start=3,
    ):
        assert not keys(day, suite=suite) & base, suite
    formats = keys(20, change=lambda r: r.model_copy(update={"precision": "bfloat16"}))
    assert not formats & base
    machine = keys(21, fingerprint={"cpu": "another"})
    assert not machine & base


def test_a_failed_cell_makes_its_contender_missing_with_the_reason(tmp_path):
    found = points(read_night(write_night(tmp_path, 1, failures=[("vqvae", 1)])))
    own = [p for (entry, _), p in found.items() if entry == "digits/vqvae"]
    assert {p.status for p in own} == {"missing"}
    assert {p.reason for p in own} == {"cell digits.vqvae.s1: failed in train (RuntimeError)"}
    assert found["digits/ddpm", "train_step_s"].ok


def test_each_status_but_ok_is_named(tmp_path):
    def ends(record):
        if record.cell.contender != "vqvae":
            return record
        failure = Failure(phase="sample", kind="MemoryError", message="", elapsed_s=1.0)
        return record.model_copy(update={"status": "out_of_memory", "failure": failure})

    reason = points(read_night(write_night(tmp_path, 1, change=ends)))["digits/vqvae", "train_step_s"].reason
    assert reason == "cell digits.vqvae.s0: out of memory in sample (MemoryError), and 2 more"


def test_a_cell_without_a_record_is_missing(tmp_path):
    gone = write_night(tmp_path, 1, change=lambda r: None if r.cell.contender == "vqvae" else r)
    found = points(read_night(gone))
    assert [(p.status, p.reason) for (entry, _), p in found.items() if entry == "digits/vqvae"] == [
        ("missing", "cell digits.vqvae.s0 has no record, and 2 more")
    ]
    one = write_night(tmp_path, 2, change=lambda r: None if (r.cell.contender, r.cell.seed) == ("vqvae", 2) else r)
    assert points(read_night(one))["digits/vqvae", "fid"].reason == "cell digits.vqvae.s2 has no record"


def test_a_run_of_fewer_repeats_than_its_suite_is_missing(tmp_path):
    manifest, records = make_night(1)
    some = manifest.model_copy(update={"order": tuple(cell for cell in manifest.order if cell.endswith("s0"))})
    reading = read_night(write(tmp_path / "n", some, [r for r in records if r.cell.seed == 0]))
    assert points(reading)["digits/vqvae", "fid"].reason == "only 1 of 3 repeats were planned"


def test_doubtful_times_spoil_times_and_nothing_else(tmp_path):
    def doubtful(record):
        return with_timing(record, "throttled") if record.cell.id == "digits.vqvae.s1" else record

    night = read_night(write_night(tmp_path, 1, change=doubtful)).night
    found = {key.metric: p for key, p in night.points.items() if key.entry == "digits/vqvae"}
    assert (found["train_step_s"].status, found["train_step_s"].reason) == ("invalid", "throttled (digits.vqvae.s1)")
    assert found["sample_latency_s"].value is None
    assert found["fid"].ok
    assert found["train_peak_rss_net_bytes"].ok
    assert night.problem == ""
    untimed = read_night(write_night(tmp_path, 2, change=lambda r: r.model_copy(update={"timing": None}))).night
    step = next(p for key, p in untimed.points.items() if key.metric == "train_step_s")
    assert step.status == "invalid"
    assert step.reason.startswith("the control workload did not run")
    assert untimed.control_s is None


def test_a_metric_without_a_value_is_missing_in_the_words_of_its_source(tmp_path):
    def without(record):
        return with_values(record, {("train_peak_rss_net_bytes", ""): None}, "no permission")

    point = points(read_night(write_night(tmp_path, 1, change=without)))["digits/vqvae", "train_peak_rss_net_bytes"]
    assert (point.status, point.reason) == ("missing", "not measured: no permission")
    zero = write_night(tmp_path, 2, change=lambda r: with_values(r, {("train_peak_rss_net_bytes", ""): 0.0}))
    point = points(read_night(zero))["digits/vqvae", "train_peak_rss_net_bytes"]
    assert (point.status, point.reason) == ("missing", "0 bytes is not above 0, so it has no ratio")


def test_problems_of_a_whole_night(tmp_path):
    empty = read_night(write(tmp_path / "empty", *(make_night(1)[0], [])))
    assert (empty.night.problem, empty.night.points) == ("the run holds no record", {})
    unfinished = read_night(write_night(tmp_path, 2, ended=None)).night
    assert unfinished.problem == "the run did not finish"
    assert unfinished.points
    (tmp_path / "bare" / "cells").mkdir(parents=True)
    bare = read_night(tmp_path / "bare")
    assert bare.night.problem == "bare: there is no run.json"
    assert len(bare.skipped) == 1
    undated = read_night(write_night(tmp_path, 3, started="yesterday"))
    assert "'yesterday' is not an ISO 8601 time" in undated.skipped[0]


def test_foreign_files_are_named_and_left_out(tmp_path):
    folder = write_night(tmp_path, 1)
    cells, whole = folder / "cells", read_night(folder)
    content = (cells / "digits.vqvae.s0.json").read_text()
    (cells / "copy.json").write_text(content)
    (cells / "deep.json").write_text("[" * 100_000)
    (cells / "list.json").write_text("[1, 2]")
    (cells / "folder.json").mkdir()
    (cells / "old.json").write_text(content.replace('"schema_version": 2', '"schema_version": 1'))
    (cells / "digits.vqvae.s7.json").write_text(content.replace('"seed": 0', '"seed": 7'))
    (cells / "binary.json").write_bytes(b"\xff\xfe\x00")
    (cells / "surrogate.json").write_text('{"schema_version": 2, "cell": "\\ud800"}')
    (folder / CHECK_FILE).write_text("{}")
    reading = read_night(folder)
    assert reading.night == whole.night
    names = [words.split(":")[0] for words in reading.skipped]
    stems = ("binary", "copy", "deep", "digits.vqvae.s7", "folder", "list", "old", "surrogate")
    assert names == [f"night-01/{CHECK_FILE}", *(f"night-01/cells/{stem}.json" for stem in stems)]
    assert not any(str(tmp_path) in words for words in reading.skipped)


def test_a_check_about_another_run_is_left_out(tmp_path):
    folder = write_night(tmp_path, 1)
    night = read_night(folder).night
    (folder / CHECK_FILE).write_text(Check(run=night.run, started=night.started).model_dump_json())
    assert read_night(folder).check is not None
    (folder / CHECK_FILE).write_text(Check(run="x", started="2026-01-09").model_dump_json())
    reading = read_night(folder)
    assert reading.check is None
    assert "it is about a run that began at 2026-01-09" in reading.skipped[0]
    newer = Check(run=night.run, started=night.started).model_dump() | {"schema_version": 9}
    (folder / CHECK_FILE).write_text(json.dumps(newer))
    assert "schema 9" in read_night(folder).skipped[0]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    manifest, records = make_night(1, names=("vqvae",), suite={"seeds": 1})
    kept = [r for r in records if r.cell.id == "digits.vqvae.s0"]
    kept[0] = kept[0].model_copy(update={"measurements": tuple(m for m in kept[0].measurements if m.metric in WATCHED)})
    manifest = manifest.model_copy(update={"order": ("digits.vqvae.s0",)})
    write(folder / "n", manifest, kept)
    check = Check(run="n", started=utc(manifest.started))
    (folder / "n" / CHECK_FILE).write_text(check.model_dump_json())
    return folder / "n"


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_read_or_named(small, data):
    whole = read_night(small)
    path = data.draw(st.sampled_from(sorted(small.rglob("*.json"))))
    content = path.read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    damaged = content[:position] if data.draw(st.booleans()) else _flipped(content, position, data.draw(st.integers(1, 255)))
    path.write_bytes(damaged)
    try:
        reading = read_night(small)
    finally:
        path.write_bytes(content)
    cut = len(damaged) < len(content.rstrip())
    if cut:
        assert reading.skipped
        assert path.name in reading.skipped[0]
    for point in reading.night.points.values():
        assert point.status != "ok" or point.exact or math.isfinite(point.value)
        assert point.ok or point.reason
    assert read_night(small) == whole


def _flipped(content, position, bits):
    return content[:position] + bytes([content[position] ^ bits]) + content[position + 1 :]


def test_instants_sort_by_time():
    texts = ["2026-01-05T10:00:00+02:00", "2026-01-05T08:30:00", "2026-01-05 09:00:00.5Z"]
    assert [utc(t) for t in texts] == [
        "2026-01-05T08:00:00.000+00:00", "2026-01-05T08:30:00.000+00:00", "2026-01-05T09:00:00.500+00:00",
    ]  # fmt: skip
    for text in ("", "soon", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(ValueError, match="not an ISO 8601 time"):
            utc(text)
