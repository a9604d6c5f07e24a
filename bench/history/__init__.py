"""History: series over many runs on the same hardware, alerts that do not cry wolf. Run folders are the truth; read in this order.

series.py       words: key, point, night, series            watched.py     which metrics, and from which effect on
reading.py      run folder -> night                          index.py       SQLite, rebuilt from the folders at will
segments.py     change points, reference level               screen.py      prediction interval, creep
confirmation.py pairs head / last good -> a decision         laboratory.py  re-runs such pairs (git worktree)
judging.py      tonight against history -> judgement         life.py        alerts over nights, acknowledgements
calibration.py  noise, detectable effects, false alerts      importing.py   pytest-benchmark's JSON as a run
"""
