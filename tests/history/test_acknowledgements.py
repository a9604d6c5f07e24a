"""The file of acknowledgements: what is written is read back, what stood there stays, and what is wrong is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.errors import UsageError
from paragone.bench.history.acknowledgements import add_acknowledgement, day, read_acknowledgements
from paragone.bench.history.life import Acknowledgement

KNOWN = Acknowledgement(id="alert-0123456789", reason="on purpose", until="2026-12-31")
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(WORDS, st.dates())
def test_whatever_the_reason_it_is_read_back(tmp_path_factory, reason, until):
    path = tmp_path_factory.mktemp("a") / "alerts.toml"
    known = Acknowledgement(id="alert-1", reason=reason, until=until.isoformat())
    add_acknowledgement(path, KNOWN)
    add_acknowledgement(path, known)
    assert read_acknowledgements(path) == {KNOWN.id: KNOWN, "alert-1": known}


@pytest.mark.parametrize("before", ["# ours, do not sort\n", "# no line end", ""])
def test_what_stood_there_stays(tmp_path, before):
    path = tmp_path / "alerts.toml"
    path.write_text(before)
    add_acknowledgement(path, KNOWN)
    assert path.read_text().startswith(before)
    add_acknowledgement(path, KNOWN.model_copy(update={"until": "2027-01-01"}))
    assert read_acknowledgements(path)[KNOWN.id].until == "2027-01-01", "of two the later counts"


def test_by_hand_a_date_may_be_text(tmp_path):
    path = tmp_path / "alerts.toml"
    path.write_text('[[acknowledged]]\nid = "a"\nreason = "r"\nuntil = "2026-12-31"\n')
    assert read_acknowledgements(path)["a"].until == "2026-12-31"
    assert read_acknowledgements(tmp_path / "none.toml") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[acknowledged]]\nid = ", "is not TOML"),
        ('[[acknowledged]]\nid = "a"\nreason = "r"\n', "entry 1: it has to hold id, reason and until"),
        ('[[acknowledged]]\nid = "a"\nreason = "r"\nuntil = "soon"\n', "'soon' is not a day"),
        ('[[acknowledged]]\nid = "a"\nreason = " "\nuntil = 2026-01-01\n', "none is empty"),
        ('[[acknowledged]]\nid = 3\nreason = "r"\nuntil = 2026-01-01\n', "id and reason are text"),
        ('[[known]]\nid = "a"\n', "'known'"),
        ("acknowledged = 3", "'acknowledged'"),
    ],
)
def test_a_faulty_file_is_named_and_left_alone(tmp_path, text, words):
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    for ask in (lambda: read_acknowledgements(path), lambda: add_acknowledgement(path, KNOWN)):
        with pytest.raises(UsageError, match=r"alerts\.toml") as error:
            ask()
        assert words in str(error.value)
    assert path.read_text() == text


def test_days():
    assert day("2026-02-28") == "2026-02-28"
    with pytest.raises(UsageError, match="YYYY-MM-DD"):
        day("2026-02-30")
