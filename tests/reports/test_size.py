"""A report of 2,000 records: at most 20 s of one processor and 1 GB.

The clock of the process is read, not the one on the wall: other work on the machine is not the report's.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.reports.many import many

MOST_S, MOST_BYTES = 20.0, 1e9
CODE = r"""
import re, sys, time
from pathlib import Path
from paragone.reports import write_report
from paragone.reports.terminal import summary_text
summary_text(write_report(Path(sys.argv[1])).run)
print(time.process_time(), int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024)
"""
"""The peak is read from VmHWM: `ru_maxrss` begins with that of the process that started this one."""


@pytest.mark.long
@pytest.mark.parametrize(("tracks", "contenders", "seeds"), [(10, 20, 10), (1, 40, 50)])
def test_two_thousand_records(tmp_path: Path, tracks: int, contenders: int, seeds: int):
    folder = many(tmp_path / "run", tracks, contenders, seeds)
    assert len(list(folder.glob("cells/*.json"))) == 2000
    done = subprocess.run([sys.executable, "-c", CODE, str(folder)], capture_output=True, text=True, check=True)
    seconds, peak_bytes = (float(word) for word in done.stdout.split())
    print(f"\n{tracks} tracks x {contenders} contenders x {seeds} seeds: {seconds:.1f} s, {peak_bytes / 1e6:.0f} MB")
    assert seconds <= MOST_S
    assert peak_bytes <= MOST_BYTES
    assert len((folder / "report.html").read_bytes()) < 30e6
