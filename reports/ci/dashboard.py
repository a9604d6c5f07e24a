"""The night in the JSON of github-action-benchmark ("customSmallerIsBetter"), so that dashboards which exist can draw it.

Smaller is better there: a rate is given as its inverse, seconds an item. Left out are series without a better direction (hashes,
samples seen) and those without a value tonight. `range` is one standard deviation of a night around its level.
"""

from paragone.bench.history.findings import Finding
from paragone.bench.history.outcome import Outcome
from paragone.bench.history.watched import WORSE_WHEN_MORE
from paragone.reports import style
from paragone.reports.ci import words

_UNITS = {"1/s": "s/item", "1": "", "flop": "flop"}


def dashboard_entries(outcome: Outcome) -> list[dict[str, str | float]]:
    """Objects with name, unit, value, and where they are known range and extra; to be written as one JSON array."""
    found = (_entry(outcome, f) for f in outcome.judgement.findings)
    return [entry for entry in found if entry is not None]


def _entry(outcome: Outcome, finding: Finding) -> dict[str, str | float] | None:
    watch, tonight = finding.watch, finding.tonight
    if watch.kind == "exact" and watch.metric not in WORSE_WHEN_MORE:
        return None
    if tonight is None or not tonight.ok or tonight.raw is None or (watch.sign < 0 and tonight.raw <= 0):
        return None
    value = 1 / tonight.raw if watch.sign < 0 else tonight.raw
    entry: dict[str, str | float] = {
        "name": f"{style.line(finding.key.entry, 1000)} {finding.key.metric}",
        "unit": _UNITS.get(watch.unit, watch.unit),
        "value": value,
    }
    if finding.known is not None:
        spread = value * (words.ratio_of(finding.known.sd) - 1) if watch.relative else finding.known.sd
        entry["range"] = f"± {spread:.3g}"
    night = outcome.judgement.night
    told = [f"state: {finding.state}", words.plain(finding.reason), f"run: {words.plain(night.run)}"]
    told += [f"commit: {words.plain(night.commit)}"] if night.commit else []
    return {**entry, "extra": "\n".join(part for part in told if part)}
