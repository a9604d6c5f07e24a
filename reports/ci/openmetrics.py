"""The check as OpenMetrics text, for GitLab's metrics report and for a Prometheus push gateway or text-file collector.

    paragone_check                 info: run, commit, suite, machine, verdict
    paragone_series_value          gauge: tonight's raw value, in the metric's unit
    paragone_series_change_ratio   gauge: tonight over the level, above 1 is worse; `_difference` for metrics without a ratio
    paragone_series_state          state set: one sample a state
    paragone_alerts ...            gauges: counts of the night

No timestamps: a collector stamps what it scrapes. Label values are escaped by OpenMetrics 1.0, section 5.1 (backslash, quote, LF).
"""

from collections.abc import Iterable, Mapping
from typing import get_args

from paragone.bench.history.findings import Finding, State
from paragone.bench.history.outcome import Outcome
from paragone.reports import style
from paragone.reports.ci import words

Sample = tuple[Mapping[str, str], float]


def openmetrics_text(outcome: Outcome) -> str:
    """The exposition, ending in `# EOF`."""
    findings, judgement = outcome.judgement.findings, outcome.judgement
    lines = [*_info(outcome)]
    lines += _gauge("paragone_check_exit_code", "Exit code of the check: 0, 3 regression, 4 not judged.", _one(outcome.exit_code))
    counts = (
        ("paragone_alerts_open", "Alerts that are there tonight, new ones included.", len(outcome.failing) + len(outcome.standing)),
        ("paragone_alerts_opened", "Alerts opened tonight.", len(judgement.opened)),
        ("paragone_alerts_failing", "Alerts that end the check with exit code 3.", len(outcome.failing)),
        ("paragone_series_watched", "Series of the night.", len(findings)),
        ("paragone_series_not_judged", "Series of which nothing could be said.", len(outcome.not_judged)),
        ("paragone_series_rerun", "Series that were run again.", judgement.reruns),
        ("paragone_files_skipped", "Files of the history that could not be read.", len(outcome.skipped)),
    )
    for name, told, count in counts:
        lines += _gauge(name, told, _one(count))
    lines += _gauge("paragone_series_value", "Tonight's raw value, in the unit of the label.", _values(findings))
    ratios = ((f, words.ratio_of(change)) for f in findings if (change := f.change) is not None and f.watch.relative)
    lines += _gauge("paragone_series_change_ratio", "Tonight over the level, above 1 is worse.", _labelled(ratios))
    differences = ((f, change) for f in findings if (change := f.change) is not None and not f.watch.relative)
    lines += _gauge("paragone_series_change_difference", "Tonight less the level, above 0 is worse.", _labelled(differences))
    lines += _states(findings)
    return "\n".join([*lines, "# EOF"]) + "\n"


def label(value: object) -> str:
    """A label's value, without its quotes; control characters other than LF are dropped."""
    return style.clean(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _one(value: float) -> list[Sample]:
    return [({}, value)]


def _values(findings: Iterable[Finding]) -> list[Sample]:
    raw = ((f, f.tonight.raw) for f in findings if f.tonight is not None and f.tonight.ok)
    return [({**_labels(f), "unit": f.watch.unit}, value) for f, value in raw if value is not None]


def _labelled(pairs: Iterable[tuple[Finding, float]]) -> list[Sample]:
    return [(_labels(f), value) for f, value in pairs]


def _labels(finding: Finding) -> dict[str, str]:
    key = finding.key
    return {"entry": key.entry, "metric": key.metric, "kind": finding.watch.kind, "series": key.id}


def _gauge(name: str, told: str, samples: Iterable[Sample]) -> list[str]:
    return [f"# TYPE {name} gauge", f"# HELP {name} {told}", *(_sample(name, *sample) for sample in samples)]


def _info(outcome: Outcome) -> list[str]:
    night = outcome.judgement.night
    known = {"run": night.run, "commit": night.commit, "suite": night.suite, "machine": night.machine, "started": night.started}
    labels = {**known, "verdict": outcome.verdict}
    return [
        "# TYPE paragone_check info",
        "# HELP paragone_check The night that was judged.",
        _sample("paragone_check_info", labels, 1),
    ]


def _states(findings: Iterable[Finding]) -> list[str]:
    name = "paragone_series_state"
    lines = [f"# TYPE {name} stateset", f"# HELP {name} What is said of each series."]
    for f in findings:
        lines += [_sample(name, {**_labels(f), name: state}, state == f.state) for state in get_args(State)]
    return lines


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{label(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {_float(value)}" if inside else f"{name} {_float(value)}"


def _float(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
