"""report.md: the same in the same order as the page, for a pull request or a job's summary."""

import re
from collections.abc import Mapping, Sequence

from paragone.bench.judge.gate import gate
from paragone.bench.judge.verdicts import Verdict
from paragone.reports import audit, axes, claims, facts, guide, method, steadiness, style, timings
from paragone.reports.chart import Plot
from paragone.reports.markup import table, text
from paragone.reports.run import Run, Track
from paragone.reports.scoreboard import Cell, scoreboard

SYMBOLS = {"supported": "✔ supported", "contradicted": "✘ contradicted", "undetermined": "○ undetermined", "tie": "＝ tie"}


def render(run: Run, plots: Mapping[str, Sequence[Plot]], machine: Plot | None = None) -> str:
    """The report as GitHub-flavoured Markdown; `machine` is the figure of the machine's speed."""
    parts = [
        f"# Paragone · {text(run.manifest.suite.get('name', 'run'))}",
        text(" · ".join([*method.headline(run), method.finished(run)])),
        text(method.incomplete(run)),
        *(f"**{text(facts.unequal(track))}**" for track in run.tracks if facts.unequal(track)),
        "## What came out",
        _verdicts(run),
    ]
    for track in run.tracks:
        parts += _track(track, plots.get(track.name, ()), f" on {text(track.name)}" if len(run.tracks) > 1 else "")
    parts += ["## When to use what", _guide(run), "## Claims", *_claims(run)]
    parts += ["## Can I trust it?", _trust(run, machine), "## How", _how(run), "## Failures", _failures(run)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdicts(run: Run) -> str:
    if not run.verdicts:
        return "No claim of the document applies to what this run measured."
    rows = [
        (_topic(run, v), text(v.claimed), text(claims.measured(v)), SYMBOLS.get(v.badge, v.badge), text(claims.finding(v)))
        for v in claims.headlines(run)
    ]
    return table(("claim", "the document says", "measured", "verdict", "why"), rows)


def _topic(run: Run, verdict: Verdict) -> str:
    where = f" ({text(verdict.track)})" if len(run.tracks) > 1 and verdict.track else ""
    return f"**{text(verdict.claim.label)}**{where}"


def _guide(run: Run) -> str:
    rows = [
        (choice.line.model, choice.line.advice, text(choice.best or "not measured"), SYMBOLS[choice.verdict.badge])
        for choice in guide.choices(run)
    ]
    return table(("model type", "the document says", "best choice here", "verdict"), rows) if rows else "Nothing was measured."


def _claims(run: Run) -> list[str]:
    """All decided claims as a table; the open ones with what would decide them; those not tested by what they wait for."""
    decided = [
        (text(v.claim.id), _topic(run, v), text(v.claim.statement), SYMBOLS[v.badge], text(claims.finding(v)))
        for v in claims.decided(run)
    ]
    still_open = [
        f"- {text(v.claim.id)} {_topic(run, v)}: {text(claims.finding(v))}. Would decide it: {text(v.remedy)}."
        for v in claims.open_verdicts(run)
    ]
    waiting = [
        f"- {text(remedy)}: {', '.join(dict.fromkeys(text(v.claim.id) for v in waiting))}"
        for remedy, waiting in claims.untested(run)
    ]
    return [
        f"{claims.counts_line(run)}. Every claim with its evidence: claims.html.",
        table(("id", "claim", "statement", "verdict", "measured"), decided) if decided else "This run decides no claim.",
        *(["Undetermined:", "\n".join(still_open)] if still_open else []),
        *(["Not tested, and what would let it be:", "\n".join(waiting)] if waiting else []),
    ]


def _track(track: Track, plots: Sequence[Plot], where: str) -> list[str]:
    sheet = [plot for plot in plots if plot.name.endswith(("-samples", "-points"))]
    others = [plot for plot in plots if plot not in sheet]
    return [
        f"## Samples{where}",
        "\n\n".join(_picture(plot) for plot in sheet) or "This run kept no samples.",
        f"## Rankings{where}",
        _ranking(track),
        f"## Trade-offs{where}",
        "\n".join(f"- {_link(plot)}" for plot in others) or "Nothing was measured that could be drawn.",
        text(" ".join(part for part in (facts.crossings(track), *axes.crossings(track)) if part), 1200),
        *_axes(track),
        *_stability(track, where),
        f"## Choose{where}",
        _choices(track),
    ]


def _axes(track: Track) -> list[str]:
    rows = axes.table(track)
    if not rows:
        return []
    heads = ["contender", *(f"equal {name}<br>{text(amount)}" for name, amount in axes.heads(track))]
    cells = [[text(row["name"]), *(_at_axis(*cell) for cell in row["cells"])] for row in rows]
    lead = "Ranks by FID at an equal amount of each axis (or the ranks that the seeds leave open) and the FID there."
    return [lead, table(heads, cells, range(1, len(heads))), text(axes.missing(track), 400)]


def _at_axis(rank: str, value: str, why: str) -> str:
    return " · ".join(part for part in (rank, value, text(why)) if part)


def _stability(track: Track, where: str) -> list[str]:
    rows = steadiness.table(track)
    if not rows:
        return []
    heads = ["contender", *(f"{number} {head}".strip() for number, head, _ in steadiness.HEADS)]
    cells = [[text(row["name"]), *(text(f"{value} {more}".strip()) for value, more in row["cells"])] for row in rows]
    return [f"## Stability{where}", text(steadiness.note(track), 800), table(heads, cells, range(1, len(heads)))]


def _ranking(track: Track) -> str:
    board = scoreboard(track)
    heads = ["entry", "family"]
    for column in board.columns:
        unit = f", {column.unit}" if column.unit and column.unit != "1/s" else ""
        heads.append(f"{column.head}: {text(column.label)}{unit} {'↓' if column.lower_is_better else '↑'}")
    rows = []
    for row in board.rows:
        kind = "*reference*" if row.kind == "reference" else text(style.family_label(row.entry.family))
        note = f"<br>{text(row.note)}" if row.note else ""
        rows.append([f"{text(row.entry.name)}{note}", kind, *(_cell(cell) for cell in row.cells)])
    told = [f"{head} is not ranked: {text(reason)}." for head, reason in board.absent]
    legend = "Rank (or the ranks that the seeds leave open), mean over seeds, interval; bold is a first place that is certain."
    return "\n\n".join([table(heads, rows, range(2, len(heads))), legend, *told])


def _cell(cell: Cell) -> str:
    rank = f"{cell.rank} · " if cell.rank else ""
    value = f"**{cell.text}**" if cell.best else cell.text
    return f"{rank}{value} {text(cell.interval)}".strip()


def _choices(track: Track) -> str:
    rows = []
    for choice in facts.choices(track):
        best, *others = choice.entries
        limit = f"at most {style.limit(choice.limit_s)}" if choice.limit_s else "any time"
        rows.append((limit, text(best.name), style.number(track.value(best, "fid")), text(facts.few([e.name for e in others], 3))))
    if not rows:
        return "No entry has both a quality rank and a measured time."
    return table(("if one image may take", "choose", "FID", "then"), rows, (2,))


def _trust(run: Run, machine: Plot | None) -> str:
    rows = audit.audit_rows(run)
    lines = [audit.audit_summary(rows), *audit.audit_missing(rows), *filter(None, [timings.seconds_note(run)])]
    lines += timings.summary(run)
    lines += [
        f"{'Left out' if group.fatal else 'Warning'}: {group.reason} ({timings.cells_in_words(group)})."
        for group in timings.doubted(run)
    ]
    for track in run.tracks:
        lines.append(facts.gate_summary(list(gate(track.judged).values()), [entry.name for entry in track.references]))
        lines += [line] if (line := facts.floor_line(track)) else []
    lines.append(facts.time_summary(run))
    shares = [f"{phase.name} {style.percent(phase.share)}" for phase in facts.phases(run)]
    lines += [f"By phase: {', '.join(shares)}."] if shares else []
    lines += [f"Warning: {warning}" for warning in run.manifest.warnings]
    for track in run.tracks:
        lines += [
            f"Not measured: {facts.few(group.metrics)} of {facts.few(group.entries)}: {group.reason}."
            for group in facts.unmeasured(track)
        ]
    picture = f"\n- {_link(machine)}" if machine is not None else ""
    return "\n".join(f"- {text(line, 600)}" for line in lines) + picture


def _how(run: Run) -> str:
    sentences = "\n".join(f"{place}. {text(sentence)}" for place, sentence in enumerate(method.sentences(run), start=1))
    commands = "\n\n".join(f"{text(what)}:\n\n{_fenced(command)}" for what, command in method.commands(run))
    pairs = table(("", ""), [(text(name), text(value)) for name, value in method.environment(run)])
    return f"{sentences}\n\n{commands}\n\n<details><summary>Environment, versions, commit, seeds</summary>\n\n{pairs}\n\n</details>"


def _failures(run: Run) -> str:
    rows = [
        (text(row.cell), text(row.status), text(row.phase), style.seconds(row.elapsed_s), text(row.message))
        for row in facts.failures(run)
    ]
    return table(("cell", "status", "phase", "after", "error"), rows, (3,)) if rows else "None: every cell ended well."


def _picture(plot: Plot) -> str:
    return f"![{text(plot.finding)}](plots/{plot.name}.png)"


def _link(plot: Plot) -> str:
    return f"[{text(plot.finding)}](plots/{plot.name}.png) ({text(plot.measure)})"


def _fenced(command: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", command)), default=0))
    return f"{fence}sh\n{command}\n{fence}"
