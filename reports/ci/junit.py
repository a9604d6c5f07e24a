"""The check as JUnit XML: one test case a series, so that any CI shows which one failed and since when.

    failure    the finding ends in exit code 3
    skipped    not judged, with the reason; a night without any series is one skipped case, never an empty suite that looks green
    passed     judged; what there is to say of it stands in system-out

XML 1.0 knows no control characters but tab and line ends, no surrogates, neither U+FFFE nor U+FFFF (W3C, XML 1.0, production 2).
"""

import re
from xml.etree import ElementTree as ET

from paragone.bench.history.findings import Finding
from paragone.bench.history.outcome import Outcome
from paragone.reports import style
from paragone.reports.ci import words

_NO_CHARACTER = re.compile("[\ud800-\udfff\ufffe\uffff]")


def junit_xml(outcome: Outcome) -> str:
    """The document, to be written in UTF-8."""
    night, findings = outcome.judgement.night, outcome.judgement.worst_first
    counts = {
        "tests": str(max(1, len(findings))),
        "failures": str(len(outcome.failing)),
        "errors": "0",
        "skipped": str(len(outcome.not_judged) if findings else 1),
    }
    root = ET.Element("testsuites", {"name": "paragone", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": legal(f"paragone {night.suite}".strip()), **counts})
    if night.started:
        suite.set("timestamp", legal(night.started[:19]))
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(outcome).items():
        ET.SubElement(properties, "property", {"name": name, "value": legal(value)})
    for finding in findings:
        _case(suite, outcome, finding)
    if not findings:
        case = ET.SubElement(suite, "testcase", {"classname": legal(night.suite or "night"), "name": "judged"})
        ET.SubElement(case, "skipped", {"message": legal(outcome.headline)})
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def legal(value: object) -> str:
    """Text that XML can hold: controls are dropped, code points that are no characters replaced."""
    return style.clean(_NO_CHARACTER.sub("\ufffd", str(value)))


def _properties(outcome: Outcome) -> dict[str, str]:
    night = outcome.judgement.night
    return {
        "run": night.run,
        "commit": night.commit,
        "machine": night.machine,
        "verdict": outcome.verdict,
        "exit_code": str(outcome.exit_code),
        **{f"notice-{k}": notice for k, notice in enumerate(outcome.judgement.notices, start=1)},
    }


def _case(suite: ET.Element, outcome: Outcome, finding: Finding) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": legal(finding.key.entry), "name": legal(finding.key.metric)})
    told = _told(outcome, finding)
    if outcome.fails(finding):
        failure = ET.SubElement(case, "failure", {"type": "regression", "message": legal(words.change_of(finding))})
        failure.text = legal("\n".join(told))
    elif not finding.judged:
        ET.SubElement(case, "skipped", {"message": legal(f"{finding.state}: {finding.reason or 'no reason was given'}")})
    else:
        ET.SubElement(case, "system-out").text = legal("\n".join(told))


def _told(outcome: Outcome, finding: Finding) -> list[str]:
    before, now = words.before_and_now(finding)
    lines = [f"state: {finding.state}"]
    lines += [f"reason: {finding.reason}"] if finding.reason else []
    lines += [f"before {before}, now {now}, {words.change_of(finding)}"] if before != words.WITHOUT else [f"now {now}"]
    alert = finding.alert
    if alert is not None and finding.state in ("alert", "open"):
        why = words.why_it_fails(outcome, finding) if outcome.fails(finding) else words.why_it_stands(outcome, finding)
        lines += [f"alert: {alert.id}", f"confirmed by: {words.confirmed_by(alert)}", *([why] if why else [])]
        lines += [f"first bad run: {words.first_bad(outcome, alert)}", f"last good run: {words.last_good(alert)}"]
    return lines
