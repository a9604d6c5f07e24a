"""claims.html: every claim with its evidence, section by section, beside report.html and in its look."""

from collections.abc import Mapping
from typing import Any

from paragone.bench.judge.verdicts import Verdict
from paragone.reports import claims, facts, method, page, style
from paragone.reports.claims import Asked, Section
from paragone.reports.run import Run

SHORT: Mapping[str, str] = {
    "Key Takeaways": "Takeaways", "When to Use Each Model Type": "When to use", "Industry Reality (2025)": "Industry",
    "Why Generative Models Are Harder": "Harder", "3. GANs (Generative Adversarial Networks)": "3. GANs",
    "1. Autoregressive Models": "1. Autoregressive", "4. Diffusion Models": "4. Diffusion", "5. Flow-Based Models": "5. Flow",
    "6. Hybrid Approaches": "6. Hybrid",
}  # fmt: skip
"""Headings of the document as short as a line of links wants them."""


def render(run: Run, evidence: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """The page; `evidence` holds what `evidence.html.j2` shows of each verdict, by claim and track."""
    found = claims.sections(run)
    return str(
        page.template("claims.html.j2").render(
            suite=style.line(run.manifest.suite.get("name", "run"), 40),
            run=style.line(run.manifest.run, 80),
            tracks=[track.name for track in run.tracks],
            finished=method.finished(run),
            headline=method.headline(run),
            warnings=[text for text in (method.incomplete(run), *(facts.unequal(track) for track in run.tracks)) if text],
            counts=claims.counts_line(run),
            many=len(run.tracks) > 1,
            sections=[_section(section, place, evidence) for place, section in enumerate(found)],
        )
    )


def _section(section: Section, place: int, evidence: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    found = claims.counts(section.verdicts)
    told = [f"{found[word]} {word}" for word in ("supported", "contradicted") if found[word]]
    undetermined = found["undetermined"] - found["untested"]
    told += [f"{undetermined} undetermined"] if undetermined else []
    told += [f"{found['untested']} not tested"] if found["untested"] else []
    return {
        "anchor": f"section-{place}", "name": section.name, "short": SHORT.get(section.name, style.line(section.name, 24)),
        "counts": ", ".join(told), "decided": found["supported"] + found["contradicted"], "all": len(section.verdicts),
        "tested": [_claim(asked, evidence) for asked in section.tested],
        "untested": [_line(asked) for asked in section.untested],
    }  # fmt: skip


def _claim(asked: Asked, evidence: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    claim = asked.claim
    return {
        "id": claim.id, "topic": claim.label, "statement": claim.statement,
        "tracks": [evidence[claim.id, v.track] for v in asked.verdicts if v.components],
        "lacking": [{"track": v.track, "reason": page.sentence(v.reason)} for v in asked.verdicts if not v.components],
    }  # fmt: skip


def _line(asked: Asked) -> dict[str, str]:
    return {"id": asked.claim.id, "statement": asked.claim.statement, "why": _why(asked.verdicts)}


def _why(verdicts: tuple[Verdict, ...]) -> str:
    """The reasons of all tracks, each once, with what would let them be tested."""
    reasons = list(dict.fromkeys(verdict.reason for verdict in verdicts))
    return "; ".join(reasons)
