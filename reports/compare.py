"""Two runs, A before and B after: compare.html, compare.md and the dumbbell plot, and the same for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paragone.bench.errors import UsageError
from paragone.bench.files import write_atomically
from paragone.bench.judge.comparison import Comparison, Row, compare
from paragone.reports import compare_page, compare_words, dumbbell, style
from paragone.reports.chart import Plot
from paragone.reports.markup import table, text

SYMBOLS = {"worse": "▼", "better": "▲", "changed": "≠", "no difference seen": "=", "undetermined": "?"}
MOST_LINES = 12
"""Changed rows for which a screen has room."""
MOST_NOTICES = 4


@dataclass(frozen=True)
class Written:
    """Where the reports of a comparison lie, and what they were made of."""

    comparison: Comparison
    html: Path
    markdown: Path
    plots: tuple[Path, ...]


def write_comparison(a: Path, b: Path, out: Path | None = None) -> Written:
    """Compare run folder A (before) with B (after) and write compare.html, compare.md and plots; the same runs give the same bytes.

    Args:
        out: the folder to write into; by default `compare-<name of A>` inside B.

    Raises:
        UsageError: one is no run folder, or `out` cannot be written.
    """
    comparison = compare(a, b)
    folder = out if out is not None else b / f"compare-{comparison.a.name}"
    plot = dumbbell.figure(comparison)
    html, markdown = folder / "compare.html", folder / "compare.md"
    content: dict[Path, bytes | str] = {
        html: compare_page.render(comparison, plot), markdown: render_markdown(comparison, plot)
    }  # fmt: skip
    pictures: dict[Path, bytes | str] = {}
    if plot is not None:
        pictures = {folder / "plots" / f"{plot.name}.png": plot.png, folder / "plots" / f"{plot.name}.svg": plot.svg}
    try:
        for path, data in {**pictures, **content}.items():
            write_atomically(path, data)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be written: {error.strerror}; name another folder") from None
    return Written(comparison, html, markdown, tuple(pictures))


def summary_text(comparison: Comparison) -> str:
    """The comparison for the terminal, at most a screenful: the finding, what forbids one, what changed, what is undetermined."""
    many = compare_words.many_tracks(comparison)
    lines = [compare_words.headline(comparison), ""]
    lines += [f"{letter}  {_in_a_line(compare_words.facts(side))}" for letter, side in (("A", comparison.a), ("B", comparison.b))]
    told = compare_words.notices(comparison)
    skipped = len(comparison.a.skipped) + len(comparison.b.skipped)
    told += [f"{style.plural(skipped, 'record')} could not be read, see compare.html."] if skipped else []
    lines += [f"!  {style.line(notice, 240)}" for notice in told[:MOST_NOTICES]]
    lines += [f"   and {style.plural(len(told) - MOST_NOTICES, 'more notice')}"] if len(told) > MOST_NOTICES else []
    changed = comparison.worst_first
    lines += [""] if changed else []
    lines += [_line(row, many) for row in changed[:MOST_LINES]]
    lines += [f"   and {len(changed) - MOST_LINES} more that changed"] if len(changed) > MOST_LINES else []
    found = compare_words.reasons(comparison)
    lines += [""] if found else []
    lines += [f"?  {len(group.rows)} undetermined: {style.line(group.reason, 160)}" for group in found[:3]]
    lost = [*map(compare_words.failed, comparison.failed), *map(compare_words.only, comparison.only)]
    lines += [""] if lost else []
    lines += [f"-  {style.line(sentence, 160)}" for sentence in lost[:4]]
    lines += [f"   and {len(lost) - 4} more in one run alone"] if len(lost) > 4 else []
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _line(row: Row, many: bool) -> str:
    where = f"{compare_words.name(row, many)}: {row.metric.label}"
    values = f"{compare_words.quantity(row, row.a)} → {compare_words.quantity(row, row.b)}"
    return f"{SYMBOLS[row.verdict]}  {compare_words.verdict(row)}  {where}  {values}  {compare_words.both(row)}"


def _in_a_line(facts: Sequence[tuple[str, str]]) -> str:
    named = dict(facts)
    return f"{named['run']} · {named['started']} · commit {named['commit']} · {named['budget']} · seeds {named['seeds']}"


def render_markdown(comparison: Comparison, plot: Plot | None) -> str:
    """compare.md: the same in the same order as the page; samples are on the page alone."""
    many = compare_words.many_tracks(comparison)
    skipped = [*comparison.a.skipped, *comparison.b.skipped]
    pairs = zip(compare_words.facts(comparison.a), compare_words.facts(comparison.b), strict=True)
    changed = comparison.worst_first
    parts = [
        f"# Paragone · {text(comparison.a.name)} → {text(comparison.b.name)}",
        f"**{text(compare_words.headline(comparison))}**",
        *(f"> {text(notice, 800)}" for notice in compare_words.notices(comparison)),
        f"> {style.plural(len(skipped), 'record')} could not be read and left out:" if skipped else "",
        "\n".join(f"- {text(words)}" for words in skipped),
        table(("", "A, before", "B, after"), [(text(name), text(ours), text(theirs)) for (name, ours), (_, theirs) in pairs]),
        "\n".join(f"- {text(remark, 600)}" for remark in compare_words.remarks(comparison)),
        "## What changed",
        f"![{text(plot.finding)}](plots/{plot.name}.png)" if plot is not None else "",
        _table(changed, many) if changed else "Nothing lies beyond its interval.",
        _reasons(comparison),
        *_alone(comparison),
        *_environment(comparison),
        _everything(comparison.rows, many),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: Sequence[Row], many: bool) -> str:
    heads = ("entry", "metric", "A", "B", "B against A", "p, corrected", "verdict")
    cells = [
        (text(compare_words.name(row, many)), text(row.metric.label), compare_words.quantity(row, row.a),
         compare_words.quantity(row, row.b), text(compare_words.both(row)), text(style.probability(row.p)),
         " ".join(part for part in (SYMBOLS[row.verdict], compare_words.verdict(row), _in_brackets(row.reason)) if part))
        for row in rows
    ]  # fmt: skip
    return table(heads, cells, (2, 3, 4, 5))


def _in_brackets(reason: str) -> str:
    return f"({text(reason, 160)})" if reason else ""


def _reasons(comparison: Comparison) -> str:
    found = compare_words.reasons(comparison)
    rows = [(text(group.reason), text(group.metrics), text(group.entries), str(len(group.rows))) for group in found]
    return "## What cannot be said, and why\n\n" + table(("reason", "metrics", "of", "how many"), rows, (3,)) if rows else ""


def _alone(comparison: Comparison) -> list[str]:
    told = [*map(compare_words.failed, comparison.failed), *map(compare_words.only, comparison.only)]
    return ["## Appeared, vanished, failed", "\n".join(f"- {text(words)}" for words in told) or "Nothing in one run alone."]


def _environment(comparison: Comparison) -> list[str]:
    rows = [(text(differs.what), text(differs.a, 160), text(differs.b, 160)) for differs in comparison.environment]
    same = "The same: commit, sources, machine and versions."
    return ["## Environments", table(("what differs", "A", "B"), rows) if rows else same]


def _everything(rows: Sequence[Row], many: bool) -> str:
    if not rows:
        return ""
    return f"<details><summary>All {style.plural(len(rows), 'metric')}</summary>\n\n{_table(rows, many)}\n\n</details>"
