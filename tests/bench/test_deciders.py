"""Which suite can decide which claim, and claims of a user's own in a suite or a Python file."""

import pytest

from paragone.bench.cell import import_file
from paragone.bench.deciders import deciding_suites, lacking
from paragone.bench.errors import UsageError
from paragone.bench.judge.claims import CLAIMS, added_claims
from paragone.bench.plan import Options, make_plan
from paragone.bench.suite import check_suite, load_suite

BY_ID = {claim.id: claim for claim in CLAIMS}
SMALL = {
    "name": "mine", "seeds": 2, "budget": {"train": "5 steps", "parameters": 50000},
    "tracks": [{"name": "digits", "data": "digits", "contenders": ["vae", "dcgan"]}],
}  # fmt: skip
MINE = {"id": "mine", "statement": "A GAN beats a VAE.", "sides": [["dcgan", "vae"]], "metrics": ["fid"], "margin": 0.05}


@pytest.mark.parametrize(
    ("name", "suites"),
    [
        ("g3", ["standard", "standard-mnist", "stability", "gpu", "quick"]),
        ("g2", ["stability"]),
        ("b7", ["standard"]),
        ("b9", ["standard", "gpu"]),
        ("d6", ["standard", "gpu"]),
        ("h1", ["standard"]),
        ("c7", []),
        ("g4", []),
    ],
)
def test_suites_that_can_decide(name, suites):
    assert deciding_suites(BY_ID[name]) == suites


def test_what_a_suite_lacks_is_named():
    quick = load_suite("quick")
    assert lacking(BY_ID["g2"], quick) == "no stability of diffusion"
    assert lacking(BY_ID["c6"], quick) == "no row for gan-minimax"
    assert lacking(BY_ID["a3"], quick) == "no text data"
    assert lacking(BY_ID["d6"], quick) == "no row for ddpm/ddim-50"
    assert lacking(BY_ID["a1"], quick) == ""


def test_the_standard_suites_decide_every_claim_that_todays_contenders_can():
    """What is left names a contender or a kind of data that is not there yet."""
    for claim in CLAIMS:
        if not deciding_suites(claim):
            assert lacking(claim, load_suite("standard")).startswith(("no row for", f"no {claim.modality} data")), claim.id


def test_claims_of_a_suite_are_planned_and_change_no_hash():
    plain, more = check_suite(SMALL, "test"), check_suite(SMALL | {"claims": [MINE]}, "test")
    assert plain.hash == more.hash
    plan = make_plan(more, Options(), 1, "cpu")
    assert [claim.id for claim in plan.suite.claims if claim.id == "mine"] == ["mine"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"id": "g1"}, "taken"), ({"metrics": ["fidd"]}, "unknown metric"), ({"kind": "factor"}, "needs bounds")],
)
def test_a_bad_claim_is_a_usage_error(changes, word):
    with pytest.raises(UsageError, match=word):
        check_suite(SMALL | {"claims": [MINE | changes]}, "test")


def test_an_unknown_side_is_named_with_a_near_miss():
    suite = check_suite(SMALL | {"claims": [MINE | {"sides": [["dcgn", "vae"]]}]}, "test")
    with pytest.raises(UsageError, match=r"side in claim mine 'dcgn'. Did you mean 'dcgan'"):
        make_plan(suite, Options(), 1, "cpu")


def test_a_python_file_may_add_claims_alone(tmp_path):
    path = tmp_path / "my_claims.py"
    path.write_text(
        "from paragone.bench.judge.claims import Claim, add_claim\n"
        'add_claim(Claim(id="from-a-file", statement="Mine.", sides=(("GAN", "VAE"),), metrics=("fid",)))\n'
    )
    assert import_file(path) == []
    assert "from-a-file" in {claim.id for claim in added_claims()}


def test_slow_samplers_are_judged_on_the_seeds_named_and_timed_on_others():
    content = SMALL | {
        "samplers": {"ddpm": {"judged": ["ddim-10", "ddpm-1000"], "seeds": {"ddpm-1000": [1]}}},
        "tracks": [{"name": "digits", "data": "digits", "contenders": ["ddpm"]}],
    }
    jobs = {
        job.cell.seed: job
        for job in make_plan(check_suite(content, "test"), Options(), 1, "cpu").jobs
        if job.cell.contender == "ddpm"
    }
    assert (jobs[0].judged, jobs[0].timed) == (("ddim-10",), ("ddpm-1000",))
    assert (jobs[1].judged, jobs[1].timed) == (("ddim-10", "ddpm-1000"), ())
    assert jobs[1].unlimited == ("ddpm-1000",)
