"""A sampler on which looking along the budget costs more than a cell may spend: named by its suite, it is judged all the same."""

import pytest

from paragone.bench.records import read_records
from tests.cli.conftest import CONTENDERS, SUITE, bench

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

CURVE = 101  # a number of samples that nothing else draws
DROWSY = f"""
import time
from paragone.models import register, registered

@register("drowsy", family="autoencoder", modalities=("image",))
class Drowsy(registered()["good"]):
    def sample(self, n, generator, condition=None, sampler=None):
        time.sleep(32 if n == {CURVE} else 0)  # beyond the 30 s that every cell may spend
        return super().sample(n, generator, condition, sampler)
"""


@pytest.mark.parametrize(
    ("named", "judged"), [("", False), ("[samplers.drowsy]\njudged = ['default']\nseeds = { default = [0] }\n", True)]
)
def test_only_a_named_seed_is_judged_beyond_the_allowance(tmp_path, named, judged):
    (tmp_path / "drowsy.py").write_text(DROWSY)
    suite = SUITE.format(seeds=1, budget="20 steps", timeout=300).replace("curve_samples = 100", f"curve_samples = {CURVE}")
    (tmp_path / "tiny.toml").write_text(suite.replace("[[tracks]]", f"{named}[[tracks]]"))
    added = ["--add", CONTENDERS, "--add", tmp_path / "drowsy.py", "--only", "drowsy"]
    bench("run", tmp_path / "tiny.toml", *added, "--out", tmp_path / "out", cwd=tmp_path, check=0, timeout=500)
    fid = next(
        m
        for record in read_records(tmp_path / "out")
        for m in record.measurements
        if (record.cell.contender, m.metric) == ("drowsy", "fid")
    )
    assert (fid.value is not None) == judged
    assert judged or fid.source.startswith("too slow: evaluation would cost")
