"""Suites are checked in full, and lay out every cell once with seeds outermost."""

import pytest

from paragone.bench.errors import UsageError
from paragone.bench.metrics.modalities import MODALITIES, REFERENCES
from paragone.bench.metrics.references import MAKERS
from paragone.bench.suite import check_suite, load_suite, shipped

SMALL = {
    "name": "small",
    "seeds": 3,
    "budget": {"train": "5 steps", "parameters": 1000},
    "tracks": [{"name": "digits", "data": "digits", "contenders": ["vae", "dcgan"]}],
}


@pytest.mark.parametrize("name", shipped())
def test_shipped_suites_are_valid(name):
    assert load_suite(name).name == name


def test_references_are_those_that_can_be_made():
    assert set(MAKERS) == set(REFERENCES)


def test_every_error_at_once():
    broken = {**SMALL, "sedes": 3, "budget": {"train": "5 stps", "parameters": 0}, "evaluation": {"shares": [0.5, 0.25]}}
    with pytest.raises(UsageError) as error:
        check_suite(broken, "mine.toml")
    for part in ("mine.toml", "sedes: there is no such key", "stps", "parameters", "shares must rise"):
        assert part in str(error.value)


def test_seeds_outermost_each_cell_once_shuffled():
    cells = check_suite(SMALL, "x").cells()
    block = 2 + len(MODALITIES["image"].references)
    assert [cell.seed for cell in cells] == [seed for seed in range(3) for _ in range(block)]
    assert len({cell.id for cell in cells}) == len(cells)
    orders = {tuple(c.contender for c in cells[k * block : (k + 1) * block]) for k in range(3)}
    assert len(orders) > 1
    assert cells == check_suite(SMALL, "x").cells()


def test_unknown_suite_gets_a_guess():
    with pytest.raises(UsageError, match="Did you mean 'quick'"):
        load_suite("quik")


def test_timeout_follows_the_budget():
    seconds = {**SMALL, "budget": {"train": "10 s", "parameters": 10}}
    assert check_suite(seconds, "x").timeout_s == 150
    assert check_suite({**SMALL, "cell_timeout_s": 7}, "x").timeout_s == 7


def test_hash_changes_with_what_is_run_only():
    base = check_suite(SMALL, "x")
    assert base.hash == check_suite({**SMALL, "title": "other", "cell_timeout_s": 9}, "x").hash
    assert base.hash != check_suite({**SMALL, "seeds": 4}, "x").hash
