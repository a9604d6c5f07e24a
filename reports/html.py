"""report.html: one self-contained page, from the run to the words and numbers that the template writes down.

All text of others passes the template's escaping; what is marked as HTML here is made here and escapes what it holds.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from PIL import Image

from paragone.bench.judge.gate import gate
from paragone.bench.judge.verdicts import Verdict
from paragone.bench.metrics.table import Metric
from paragone.reports import audit, axes, claims, facts, guide, method, steadiness, style, timings
from paragone.reports.chart import Plot
from paragone.reports.page import TEMPLATES, badge, linked, mark, template
from paragone.reports.run import Run, Track
from paragone.reports.samples import samples_of, strips
from paragone.reports.scoreboard import Cell, Row, Scoreboard, measures, scoreboard
from paragone.reports.sheets import sheet_order

SECTIONS = (
    ("samples", "Samples"), ("rankings", "Rankings"), ("trade-offs", "Trade-offs"), ("stability", "Stability"),
    ("choose", "Choose"), ("claims", "Claims"), ("trust", "Can I trust it?"), ("how", "How"), ("failures", "Failures"),
)  # fmt: skip
PIXELATED_BELOW = 32
"""Tiles narrower than this are enlarged with hard edges."""


def render(
    run: Run, plots: Mapping[str, Sequence[Plot]], machine: Plot | None, evidence: Mapping[tuple[str, str], Mapping[str, Any]]
) -> str:
    """The page; `plots` holds each track's figures by its name, `machine` that of the machine's speed.

    `evidence` holds what is shown of each verdict, by claim and track.
    """
    tracks = [_track(run, track, plots.get(track.name, ())) for track in run.tracks]
    page = template("report.html.j2").render(
        js=Markup((TEMPLATES / "report.js").read_text()),
        suite=style.line(run.manifest.suite.get("name", "run"), 40),
        run=style.line(run.manifest.run, 80),
        commit=style.line(run.manifest.commit, 60)[:12] or "not under git",
        finished=method.finished(run),
        headline=method.headline(run),
        sections=[s for s in SECTIONS if s[0] != "stability" or any(track["stability"] for track in tracks)],
        stability_heads=steadiness.HEADS,
        incomplete=method.incomplete(run),
        many=len(tracks) > 1,
        tracks=tracks,
        verdicts=[evidence[verdict.claim.id, verdict.track] for verdict in claims.headlines(run)],
        counts=claims.counts_line(run),
        guide=[_advice(choice) for choice in guide.choices(run)],
        decided=[_decided(verdict) for verdict in claims.decided(run)],
        ranking_lead=_ranking_lead(run),
        **_trust(run),
        **_machine(run, machine),
        method=method.sentences(run),
        commands=method.commands(run),
        definitions=[_definition(metric) for metric in method.definitions(run)],
        environment=method.environment(run),
        failures=[_failure(row) for row in facts.failures(run)],
    )
    return str(page)


def _track(run: Run, track: Track, plots: Sequence[Plot]) -> dict[str, Any]:
    board = scoreboard(track)
    rows = [_row(track, row, board) for row in board.rows]
    columns, table = measures(track)
    answers = gate(track.judged)
    references = [entry.name for entry in track.references]
    return {
        "name": track.name,
        "sheet": _sheet(run, track),
        "board": board,
        "caption": _caption(run, track),
        "competitors": [row for row in rows if row["kind"] != "reference"],
        "references": [row for row in rows if row["kind"] == "reference"],
        "measures": {"columns": columns, "rows": [(entry.name, [(_exact(v), t) for v, t in cells]) for entry, cells in table]},
        "plots": [_plot(plot) for plot in plots if not plot.name.endswith(("-samples", "-points", "-stability"))],
        "clouds": [_plot(plot) for plot in plots if plot.name.endswith("-points")],
        "stability": steadiness.table(track),
        "stability_note": steadiness.note(track),
        "stability_plots": [_plot(plot) for plot in plots if plot.name.endswith("-stability")],
        "crossovers": " ".join(part for part in (facts.crossings(track), *axes.crossings(track)) if part),
        "axes": {"heads": axes.heads(track), "rows": axes.table(track), "missing": axes.missing(track)},
        "choices": _choices(track),
        "candidates": _candidates(track),
        "gate": _gate_rows(track),
        "unequal": facts.unequal(track),
        "floor": facts.floor_line(track),
        "gate_summary": facts.gate_summary(list(answers.values()), references),
    }


def _plot(plot: Plot) -> dict[str, Any]:
    return {"name": plot.name, "finding": plot.finding, "measure": plot.measure, "svg": Markup(plot.svg)}


def _advice(choice: guide.Choice) -> dict[str, Any]:
    line, verdict = choice.line, choice.verdict
    return {
        "model": line.model, "advice": line.advice, "constraint": line.constraint, "track": verdict.track, "id": line.claim,
        "best": choice.best or f"not measured; it takes {verdict.remedy}", "badge": badge(verdict.badge),
    }  # fmt: skip


def _decided(verdict: Verdict) -> dict[str, Any]:
    claim = verdict.claim
    return {
        "id": claim.id, "topic": claim.label, "statement": claim.statement, "track": verdict.track, "badge": badge(verdict.badge),
        "measured": claims.measured(verdict),
    }  # fmt: skip


def _sheet(run: Run, track: Track) -> list[dict[str, Any]]:
    rows = []
    for entry in sheet_order(track):
        samples = samples_of(run, track, entry)
        if samples is None and (entry.is_reference or not entry.unfinished):
            continue
        quality = track.value(entry, "fid")
        note = [f"FID {style.number(quality)}"] if quality is not None else []
        if entry.is_reference:
            note.append("reference")
        images = [_image(data, f"samples of {entry.name}, seed {samples.seed}") for data in strips(samples)] if samples else []
        rows.append(
            {
                "name": entry.name, "mark": mark(track.looks[entry.name], entry.family), "note": ", ".join(note),
                "images": images, "pixels": samples is not None and samples.tile[1] < PIXELATED_BELOW,
                "missing": f"no samples: {entry.status()}", "apart": entry.is_reference,
            }
        )  # fmt: skip
    first = next((row for row in rows if row["apart"] and row is not rows[0]), None)
    return [row | {"apart": row is first or (len(rows) > 1 and row is rows[1])} for row in rows] if rows else []


def _image(data: bytes, alt: str) -> dict[str, Any]:
    with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
    return {"data": f"data:image/png;base64,{base64.b64encode(data).decode()}", "width": width, "height": height, "alt": alt}


def _row(track: Track, row: Row, board: Scoreboard) -> dict[str, Any]:
    entry = row.entry
    pads = [_fraction(column_cells) for column_cells in _by_column(board)]
    return {
        "kind": row.kind, "name": entry.name, "family": style.family_label(entry.family), "note": row.note,
        "mark": mark(track.looks[entry.name], entry.family),
        "cells": [_cell(cell, most) for cell, most in zip(row.cells, pads, strict=True)],
    }  # fmt: skip


def _cell(cell: Cell, most: int) -> dict[str, Any]:
    own = _digits_after_point(cell.text)
    # Room for the digits that others of the column have after the point, so that points stand above each other.
    pad = f"calc({most - own}ch{' + .28em' if own == 0 else ''})" if cell.value is not None and most > own else ""
    return {
        "value": cell.value, "exact": _exact(cell.value), "text": cell.text, "interval": cell.interval, "rank": cell.rank,
        "best": cell.best, "note": cell.note, "pad": pad,
    }  # fmt: skip


def _by_column(board: Scoreboard) -> list[list[Cell]]:
    return [[row.cells[place] for row in board.rows] for place in range(len(board.columns))]


def _fraction(cells: Sequence[Cell]) -> int:
    return max((_digits_after_point(cell.text) for cell in cells), default=0)


def _digits_after_point(text: str) -> int:
    return len(text.partition(".")[2]) if "·" not in text else 0


def _exact(value: float | None) -> str | None:
    return None if value is None else repr(float(value))


def _choices(track: Track) -> list[dict[str, str]]:
    rows = []
    for choice in facts.choices(track):
        best, *others = choice.entries
        rows.append(
            {
                "limit": f"at most {style.limit(choice.limit_s)}" if choice.limit_s else "any time",
                "best": best.name,
                "quality": style.number(track.value(best, "fid")),
                "others": ", ".join(entry.name for entry in others[:3]) + (" …" if len(others) > 3 else "") or style.MISSING,
                "left": str(len(choice.entries)),
            }
        )
    return rows


def _candidates(track: Track) -> list[dict[str, Any]]:
    rows = []
    for entry in facts.candidates(track):
        latency, memory = track.value(entry, "sample_latency_s"), track.value(entry, "sample_peak_rss_bytes")
        rows.append(
            {
                "name": entry.name, "mark": mark(track.looks[entry.name], entry.family),
                "quality": style.number(track.value(entry, "fid")), "latency": style.seconds(latency),
                "memory": style.megabytes(memory), "ms": _exact(latency * 1e3 if latency else None),
                "mb": _exact(memory / 1e6 if memory else None),
            }
        )  # fmt: skip
    return rows


def _gate_rows(track: Track) -> list[dict[str, Any]]:
    answers, sizes = gate(track.judged), facts.sample_sizes(track)
    floor_sizes = facts.sample_sizes(track, "fid_floor")
    rows = []
    for entry in (*track.references, *track.competitors):
        answer = answers.get(entry.name)
        if answer is None:
            continue
        flagged = f"flagged: {style.line(answer.reason, 300)}" if answer.memorised else ""
        rows.append(
            {
                "name": entry.name, "mark": mark(track.looks[entry.name], entry.family),
                "fid": style.number(track.value(entry, "fid")), "n": _count(sizes.get(entry.name, ())),
                "floor": style.number(track.value(entry, "fid_floor")), "floor_n": _count(floor_sizes.get(entry.name, ())),
                "kid": style.number(track.value(entry, "kid")),
                "sharp": style.number(track.value(entry, "high_frequency_ratio")),
                "copied": style.percent(track.value(entry, "copied_share")),
                "near": style.percent(track.value(entry, "near_copy_share")),
                "answer": flagged or ("passes" if answer.judged else style.line(answer.reason)),
            }
        )  # fmt: skip
    return rows


def _count(sizes: Sequence[int]) -> str:
    return f"N = {' or '.join(style.count(n) for n in sizes)}" if sizes else ""


def _trust(run: Run) -> dict[str, Any]:
    rows = audit.audit_rows(run)
    longest = max((phase.share for phase in facts.phases(run)), default=0.0) or 1.0
    return {
        "audit_summary": audit.audit_summary(rows),
        "audit_missing": audit.audit_missing(rows),
        "seconds_note": timings.seconds_note(run),
        "audit": [_audit(row) for row in rows],
        "parameters_asked": style.names([style.count(n) for n in sorted({r.audit.parameters_asked or 0 for r in rows} - {0})]),
        "time_summary": facts.time_summary(run),
        "phases": [
            {
                "name": phase.name, "seconds": style.seconds(phase.seconds), "share": style.percent(phase.share),
                "width": f"{100 * phase.share / longest:.1f}",
            }
            for phase in facts.phases(run)
        ],
        "unmeasured": [
            {
                "reason": group.reason, "metrics": facts.few(group.metrics), "entries": facts.few(group.entries),
                "count": group.count,
            }
            for track in run.tracks
            for group in facts.unmeasured(track)
        ],
    }  # fmt: skip


def _machine(run: Run, plot: Plot | None) -> dict[str, Any]:
    return {
        "machine": timings.summary(run),
        "doubted": [
            {"reason": group.reason, "cells": timings.cells_in_words(group), "effect": "left out" if group.fatal else "count"}
            for group in timings.doubted(run)
        ],
        "machine_plot": _plot(plot) if plot is not None else None,
        "warnings": [style.line(warning, 300) for warning in run.manifest.warnings],
    }


def _audit(row: audit.AuditRow) -> dict[str, Any]:
    own = row.audit
    spent = [
        {"text": audit.amount(axis, row.spent_on(axis)), "asked": axis == own.axis, "missing": row.missing.get(axis, "")}
        for axis in audit.AXES
    ]
    return {
        "cell": row.cell, "asked": row.asked, "spent": spent, "overrun": row.amount(max(0.0, own.overrun)),
        "last": row.amount(own.last_update), "parameters": style.count(own.parameters), "held": own.held,
    }  # fmt: skip


def _definition(metric: Metric) -> dict[str, Any]:
    better = {"lower": "lower", "higher": "higher", "none": "neither"}[metric.direction]
    return {
        "name": metric.name, "label": metric.label, "better": better, "needs": metric.needs or style.MISSING,
        "source": linked(metric.source), "blind": metric.blind or style.MISSING,
    }  # fmt: skip


def _failure(row: facts.FailureRow) -> dict[str, Any]:
    return {
        "cell": row.cell, "status": row.status, "phase": row.phase, "elapsed": style.seconds(row.elapsed_s),
        "message": row.message, "tail": row.tail,
    }  # fmt: skip


def _ranking_lead(run: Run) -> str:
    if len(run.seeds) < 2:
        return "One seed: no intervals, and no rank is certain. References, which compete with nobody, stand below."
    return (
        "The small number is the rank, or the range of ranks that the seeds leave open; bold and underlined is a first place "
        f"that is certain; in grey the 95{style.THIN}% interval. References, which compete with nobody, stand below."
    )


def _caption(run: Run, track: Track) -> str:
    found = method.sizes(track, "fid")
    items = f", FID on {style.names([style.count(n) for n in found])} samples" if found else ""
    over = f"means over {len(run.seeds)} seeds" if len(run.seeds) > 1 else "one seed"
    return f"{track.name}: {over}{items}"
