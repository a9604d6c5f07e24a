"""compare.html: one self-contained page, from a comparison to the words and numbers that its template writes down.

From the top: the finding, what forbids a comparison, what changed as a dumbbell plot and a table, samples of A and B side by side,
what only one run has, what is undetermined and why, the environments, and everything, folded.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup
from PIL import Image

from paragone.bench.judge.comparison import Comparison, Row
from paragone.bench.judge.sides import Side
from paragone.reports import compare_words, dumbbell, page, style
from paragone.reports.chart import Plot
from paragone.reports.run import Entry, Run, Track
from paragone.reports.samples import Samples, samples_of, strips

PIXELATED_BELOW = 32
"""Tiles narrower than this are enlarged with hard edges."""
MOST_SKIPPED = 20
_SHAPES: Mapping[str, tuple[str, str]] = {
    "worse": ("contradicted", '<path d="M8 14.5 15 3H1z" fill="currentColor"/>'),
    "better": ("supported", '<path d="M8 1.5 15 13H1z" fill="currentColor"/>'),
    "changed": ("undetermined", '<path d="M2 5.5h12M2 10.5h12M11 2 5 14" stroke="currentColor" stroke-width="2" fill="none"/>'),
    "no difference seen": ("plain-badge", '<path d="M2 5.5h12M2 10.5h12" stroke="currentColor" stroke-width="2.4"/>'),
    "undetermined": ("undetermined", '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2.2"/>'),
}

_Looks = Mapping[tuple[str, str], style.Look]


def render(comparison: Comparison, plot: Plot | None) -> str:
    """The page; `plot` is the dumbbell plot, None where nothing changed."""
    many = compare_words.many_tracks(comparison)
    changed, looks = comparison.worst_first, compare_words.looks(comparison)
    text = page.template("compare.html.j2").render(
        title=f"{style.line(comparison.a.name, 60)} → {style.line(comparison.b.name, 60)}",
        headline=compare_words.headline(comparison),
        facts=_facts(comparison),
        notices=compare_words.notices(comparison),
        skipped=[style.line(text, 300) for text in (*comparison.a.skipped, *comparison.b.skipped)][:MOST_SKIPPED],
        skipped_count=len(comparison.a.skipped) + len(comparison.b.skipped),
        remarks=compare_words.remarks(comparison),
        plot={"finding": plot.finding, "measure": plot.measure, "svg": Markup(plot.svg)} if plot is not None else None,
        changed=[_row(row, many, looks) for row in changed],
        undrawn=[f"{compare_words.name(row, many)}: {row.metric.label}" for row in changed if not dumbbell.drawable(row)],
        total=len(comparison.rows),
        judged=len(comparison.rows) - comparison.counts["undetermined"],
        groups=_groups(comparison.rows, many, looks),
        tracks=_sheets(comparison, looks),
        only=[compare_words.only(found) for found in comparison.only],
        failed=[compare_words.failed(found) for found in comparison.failed],
        reasons=[
            {"reason": group.reason, "metrics": group.metrics, "entries": group.entries, "count": len(group.rows)}
            for group in compare_words.reasons(comparison)
        ],
        environment=[
            (style.line(differs.what, 60), style.line(differs.a, 160), style.line(differs.b, 160))
            for differs in comparison.environment
        ],
        method=METHOD,
    )
    return str(text)


METHOD = (
    "A row is a metric of an entry that both runs have a value of, at the end of the budget.",
    "Quality is compared in pairs of equal seeds where both runs have them, by Student's t; times, memory and energy by Welch's t, "
    "as the seed decides nothing there.",
    "Better and worse need a p of at most 5 % after Benjamini and Hochberg over all tests of this page (quality, time, memory and "
    "energy with the same weight), an interval without “no change”, and at least the smallest effect that counts: 3 % of a time, "
    "2 % of memory, 5 % of energy, 10 % of FID and of what else is a ratio, 2 points of a share.",
    "Times of disturbed cells are left out, all others are taken at one speed of the fixed workload that ran around each cell.",
    "Counts are compared to the letter; where neither direction is better, a metric can only be changed.",
    "Undetermined says that this comparison cannot tell, no difference seen that it looked and found none: a difference smaller "
    "than the interval may still be there.",
)
"""How it was compared."""


def badge(row: Row) -> Markup:
    """A verdict by word and shape: the colour only repeats them."""
    kind, shape = _SHAPES[row.verdict]
    return Markup('<span class="badge {}"><svg viewBox="0 0 16 16" aria-hidden="true">{}</svg>{}</span>').format(
        kind, Markup(shape), row.verdict
    )


def _facts(comparison: Comparison) -> list[tuple[str, str, str, bool]]:
    """Name of a fact, its value in A and in B, and whether they differ."""
    pairs = zip(compare_words.facts(comparison.a), compare_words.facts(comparison.b), strict=True)
    return [(name, ours, theirs, ours != theirs) for (name, ours), (_, theirs) in pairs]


def _row(row: Row, many: bool, looks: _Looks) -> dict[str, Any]:
    return {
        "entry": compare_words.name(row, many), "metric": row.metric.label, "code": row.metric.name, "badge": badge(row),
        "mark": page.mark(looks[row.key.track, row.entry], row.family), "direction": compare_words.better_direction(row),
        "a": compare_words.quantity(row, row.a), "b": compare_words.quantity(row, row.b), "change": compare_words.change(row),
        "interval": compare_words.interval(row), "p": style.probability(row.p),
        "tested": not math.isnan(row.p), "reason": style.line(row.reason, 160),
        "word": compare_words.verdict(row).partition(": ")[2], "seeds": compare_words.by_seed(row),
    }  # fmt: skip


def _groups(rows: Sequence[Row], many: bool, looks: _Looks) -> list[dict[str, Any]]:
    """All rows by entry."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(compare_words.name(row, many), []).append(row)
    return [
        {
            "name": entry, "mark": page.mark(looks[own[0].key.track, own[0].entry], own[0].family),
            "rows": [_row(row, many, looks) for row in own],
        }
        for entry, own in found.items()
    ]  # fmt: skip


def _sheets(comparison: Comparison, looks: _Looks) -> list[dict[str, Any]]:
    """By track, the entries of both runs that kept samples of a common seed; real ones on top."""
    runs = [_run(side) for side in (comparison.a, comparison.b)]
    ours, theirs = ({track.name: track for track in run.tracks} if run.records else {} for run in runs)
    fids = {(row.key.track, row.key.contender, row.key.sampler): row for row in comparison.rows if row.key.metric == "fid"}
    same = frozenset(comparison.same_samples)
    sheets = []
    for name, track in ours.items():
        rows = []
        if name not in theirs:
            continue
        for entry in sorted(track.entries, key=lambda e: not e.is_reference):
            pair = _pair(runs, (track, theirs[name]), entry)
            if pair is None:
                continue
            fid = fids.get((name, entry.contender, entry.sampler))
            notes = [f"FID {style.number(value)}" for value in (fid.a, fid.b)] if fid is not None else ["", ""]
            look = looks.get((name, entry.name), track.looks[entry.name])
            rows.append(
                {
                    "name": entry.name, "mark": page.mark(look, entry.family), "seed": pair[0].seed,
                    "same": f"{name}/{entry.name}" in same, "pixels": pair[0].tile[1] < PIXELATED_BELOW,
                    "sides": [_strips(letter, own, note) for letter, own, note in zip("AB", pair, notes, strict=True)],
                }
            )  # fmt: skip
        if rows:
            sheets.append({"name": name, "rows": rows})
    return sheets


def _run(side: Side) -> Run:
    return Run(side.folder, side.manifest, side.records)


def _pair(runs: Sequence[Run], tracks: tuple[Track, Track], entry: Entry) -> tuple[Samples, Samples] | None:
    """Samples of both runs with the lowest common seed that kept any; of references held-out real alone."""
    other = next((e for e in tracks[1].entries if (e.contender, e.sampler) == (entry.contender, entry.sampler)), None)
    if other is None or (entry.is_reference and entry.contender != "held-out real"):
        return None
    cells = [{r.cell.seed: r for r in e.records if r.cell.variant in ("", "lr1")} for e in (entry, other)]
    for seed in sorted(cells[0].keys() & cells[1].keys()):
        own = [
            samples_of(run, track, replace(e, records=(records[seed],)))
            for run, track, e, records in zip(runs, tracks, (entry, other), cells, strict=True)
        ]
        if own[0] is not None and own[1] is not None:
            return own[0], own[1]
    return None


def _strips(letter: str, samples: Samples, note: str) -> dict[str, Any]:
    images = []
    for data in strips(samples):
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
        images.append({"data": f"data:image/png;base64,{base64.b64encode(data).decode()}", "width": width, "height": height})
    return {
        "letter": letter,
        "note": note,
        "images": images,
        "alt": f"samples of {samples.entry.name} in {letter}, seed {samples.seed}",
    }
