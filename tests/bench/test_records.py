"""Records are frozen and refused, each case with its own words, when they are not of this version."""

import json

import pytest
from pydantic import ValidationError

from paragone.bench.errors import UsageError
from paragone.bench.records import Cell, Measurement, RecordError, read_manifest, read_record, to_json
from tests.builders import make_run


@pytest.fixture
def record():
    return make_run()[1][0]


def test_written_and_read_again(tmp_path, record):
    path = tmp_path / "r.json"
    path.write_bytes(to_json(record))
    assert read_record(path) == record


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 0}, "older schema 0"),
        ({"schema_version": 99}, "newer schema 99"),
        ({"schema_version": None}, "no schema_version"),
        ({"status": "fine"}, "status"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_refuses(tmp_path, record, change, words):
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**json.loads(to_json(record)), **change}))
    with pytest.raises(RecordError, match=words):
        read_record(path)


def test_half_a_record_is_refused(tmp_path, record):
    path = tmp_path / "r.json"
    path.write_bytes(to_json(record)[:100])
    with pytest.raises(RecordError, match="not readable JSON"):
        read_record(path)


def test_a_folder_without_manifest(tmp_path):
    with pytest.raises(UsageError, match="not a run folder"):
        read_manifest(tmp_path)


def test_a_number_that_is_not_finite_is_no_measurement():
    with pytest.raises(ValidationError):
        Measurement(metric="fid", value=float("nan"), unit="", source="x")


def test_frozen(record):
    with pytest.raises(ValidationError):
        record.status = "ok"


def test_cell_ids_are_file_safe_and_distinct():
    ids = {Cell(track="d", contender=name, seed=0).id for name in ("held-out real", "vae", "a/b", "train copies")}
    assert len(ids) == 4
    assert not any("/" in i or " " in i for i in ids)
