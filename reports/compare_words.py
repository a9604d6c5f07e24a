"""What a comparison says, in words and numbers: the verdict first, changes as B against A, reasons grouped.

change on the log scale     the ratio B / A less 1 in percent, from ten-fold on as a factor
shares                      percent, and differences in points
all else                    the difference in the metric's unit
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from paragone.bench.history.watched import Watch
from paragone.bench.judge import conditions
from paragone.bench.judge.compared import worse_sign
from paragone.bench.judge.comparison import Comparison, Row, Verdict
from paragone.bench.judge.sides import Side
from paragone.bench.judge.unshared import Failed, Only
from paragone.bench.metrics.table import METRICS
from paragone.reports import style
from paragone.reports.ci import words
from paragone.reports.facts import few

NOUNS: dict[Verdict, str] = {
    "worse": "worse",
    "better": "better",
    "changed": "changed",
    "no difference seen": "without a difference",
    "undetermined": "undetermined",
}
_NUMBER = re.compile(r"[\d.,]+")


@dataclass(frozen=True)
class Reason:
    """Why metrics are undetermined: one group of rows."""

    reason: str
    rows: tuple[Row, ...]

    @property
    def entries(self) -> str:
        """The entries, the first few by name."""
        return few(list(dict.fromkeys(row.entry for row in self.rows)))

    @property
    def metrics(self) -> str:
        """The metrics, the first few by name."""
        return few(list(dict.fromkeys(row.metric.label for row in self.rows)))


def headline(comparison: Comparison) -> str:
    """The finding in one sentence: how many are worse, better, changed, the same, undetermined."""
    counts = comparison.counts
    if not comparison.rows:
        return "Nothing can be compared: A and B have no measured entry in common"
    told = [f"{counts[verdict]} {NOUNS[verdict]}" for verdict in ("worse", "better", "changed") if counts[verdict]]
    rest = [f"{counts[verdict]} {NOUNS[verdict]}" for verdict in ("no difference seen", "undetermined") if counts[verdict]]
    if comparison.same_run:
        return f"Nothing changed: A and B are the same run ({', '.join(rest)})"
    if told:
        return f"{', '.join(told)}; {', '.join(rest)}" if rest else ", ".join(told)
    seen, open_ = counts["no difference seen"], counts["undetermined"]
    if not seen:
        return f"Nothing can be said: all {open_} metrics are undetermined"
    if not open_:
        return f"Nothing changed: no difference seen in {style.plural(seen, 'metric')}"
    return f"No difference seen in the {style.plural(seen, 'metric')} that can be judged; {open_} {NOUNS['undetermined']}"


def notices(comparison: Comparison) -> list[str]:
    """What must be known before reading on: what forbids verdicts, first the machine; then runs that are not whole."""
    told = []
    for obstacle in comparison.obstacles:
        many = comparison.forbidden(obstacle)
        if many:
            what = style.line(obstacle.what, 400)
            told.append(f"{what[:1].upper()}{what[1:]}: {conditions.FORBIDDEN[obstacle.scope]} ({style.plural(many, 'metric')}).")
    if not conditions.same_machine(comparison.a, comparison.b) and _quality_is_judged(comparison):
        told.append(
            "Quality is still compared, but floating-point results differ in the last digits between machines and versions, and "
            "training amplifies that: the same seed is another draw there, so a difference of single seeds means nothing."
        )
    for letter, side in (("A", comparison.a), ("B", comparison.b)):
        told += [words_] if (words_ := _incomplete(letter, side)) else []
    return told


def remarks(comparison: Comparison) -> list[str]:
    """What helps to read the numbers and forbids nothing: speed of the machine, samples that are the same, idle differences."""
    told = []
    ratio = conditions.control_ratio(comparison.a, comparison.b)
    if ratio is not None and conditions.same_machine(comparison.a, comparison.b) and not comparison.same_run:
        speed = f"{style.percent(abs(ratio - 1))} {'slower' if ratio > 1 else 'faster'} in B"
        same = abs(ratio - 1) < 0.005
        told.append(
            f"The fixed workload around the cells ran {'equally fast in both' if same else speed}; "
            "times and energies are compared at one speed of it."
        )
    same_samples, other = comparison.same_samples, comparison.other_samples
    if same_samples and not other:
        told.append("The samples of all entries and common seeds are the same to the letter.")
    elif same_samples:
        told.append(f"The samples of {few(list(same_samples))} are the same to the letter on every common seed.")
    for obstacle in comparison.obstacles:
        if not comparison.forbidden(obstacle):
            told.append(f"{style.line(obstacle.what, 400)}: nothing that both have depends on it.")
    return [text[:1].upper() + text[1:] for text in told]


def name(row: Row, many_tracks: bool) -> str:
    """`vae/mean`, with the track before it where there are several."""
    return style.line(f"{row.key.track}/{row.entry}" if many_tracks else row.entry, 80)


def many_tracks(comparison: Comparison) -> bool:
    """Whether tracks have to be named."""
    return len({*comparison.a.tracks, *comparison.b.tracks}) > 1


def looks(comparison: Comparison) -> dict[tuple[str, str], style.Look]:
    """By track and entry, how it is drawn in the plot, the tables and beside the samples."""
    found: dict[tuple[str, str], style.Look] = {}
    for track in comparison.a.tracks:
        entries = sorted({(row.entry, row.family) for row in comparison.rows if row.key.track == track})
        found |= {(track, entry): look for entry, look in style.looks(entries).items()}
    return found


def quantity(row: Row, value: float) -> str:
    """A value with its unit: `2.13 ms`, `104 MB`, `60.3 %`; counts in full."""
    if math.isnan(value):
        return style.MISSING
    if row.metric.unit.startswith("share"):
        return f"{style.number(100 * value)}{style.THIN}%" if abs(value) >= 0.001 or value == 0 else style.percent(value)
    metric = row.metric
    if metric.unit == "flop" and row.kind != "exact":
        return style.scaled(value, "flop")
    unit = "" if metric.unit in ("1", "exponent", "ratio", "ratio to real", "log sd", "log ratio", "correlation") else metric.unit
    return words.quantity(Watch(metric.name, metric.label, unit, row.kind, metric.scale, 1, row.smallest), value)


def change(row: Row) -> str:
    """B against A: `+21 %`, `×12`, `−3.2 points`; an em dash where it is not known."""
    if _by_ratio(row):
        return _percent(row.ratio)
    return style.MISSING if math.isnan(row.a) or math.isnan(row.b) else _difference(row, row.b - row.a)


def interval(row: Row) -> str:
    """The 95 % interval of `change`, `[+15 %, +28 %]`; empty where there is none."""
    if row.difference is None or not row.difference.known:
        return ""
    if _by_ratio(row):
        low, high = (_percent(ratio) for ratio in row.ratio_interval)
    else:
        low, high = (_bare(row, end) for end in (row.difference.low, row.difference.high))
    return f"[{low}, {high}]"


def both(row: Row) -> str:
    """`change` with its interval."""
    return f"{change(row)} {interval(row)}".strip()


def verdict(row: Row) -> str:
    """The verdict as a word that says what it means for this kind of metric: `worse: slower`, `changed: more`."""
    if row.verdict not in ("better", "worse"):
        return row.verdict
    finer = {"time": ("slower", "faster"), "memory": ("more memory", "less memory"), "energy": ("more energy", "less energy")}
    pair = finer.get(row.kind)
    return row.verdict if pair is None else f"{row.verdict}: {pair[row.verdict == 'better']}"


def better_direction(row: Row) -> str:
    """`lower is better`, `higher is better`, or nothing."""
    return {1: "lower is better", -1: "higher is better", 0: ""}[worse_sign(row.metric)]


def by_seed(row: Row) -> list[str]:
    """Values as measured, `0: 6.12 ms → 7.40 ms`, one a seed of either run; a dash where there is none."""
    seeds = sorted({*row.before.values, *row.after.values, *row.before.left_out, *row.after.left_out})
    sides = row.before.values, row.after.values
    return [f"{seed}: " + " → ".join(_short(row, side.get(seed, math.nan)) for side in sides) for seed in seeds]


def reasons(comparison: Comparison) -> list[Reason]:
    """The undetermined by why, the largest group first; reasons that differ in a number alone are one."""
    found: dict[str, list[Row]] = {}
    for row in comparison.rows:
        if row.verdict == "undetermined":
            found.setdefault(_NUMBER.sub("#", row.reason), []).append(row)
    groups = [Reason(style.line(rows[0].reason, 300), tuple(rows)) for rows in found.values()]
    return sorted(groups, key=lambda group: -len(group.rows))


def only(found: Only) -> str:
    """What only one run has."""
    where, entry = found.side, style.line(found.entry, 80)
    if not found.metrics:
        return f"{entry} on {style.line(found.track, 40)} is only in {where}: it {'vanished' if where == 'A' else 'appeared'}."
    labels = few([METRICS[metric].label for metric in found.metrics])
    why = f" ({style.line(found.reason, 160)})" if found.reason else ""
    return f"{entry}: {labels} only in {where}{why}."


def failed(found: Failed) -> str:
    """A cell that failed on one side."""
    other = "A" if found.side == "B" else "B"
    why = f" ({style.line(found.reason, 160)})" if found.reason else ""
    return f"{style.line(found.cell, 80)}: {found.status.replace('_', ' ')} in {found.side}{why}, {found.other} in {other}."


def facts(side: Side) -> list[tuple[str, str]]:
    """A run's name, start, commit, suite, seeds, budget and cells."""
    manifest = side.manifest
    budget = manifest.suite.get("budget")
    seeds = sorted({record.cell.seed for record in side.records})
    return [
        ("run", style.line(side.name, 80)),
        ("started", style.line(manifest.started, 40)[:16].replace("T", " ")),
        ("commit", style.line(manifest.commit, 60)[:13] or "not under git"),
        ("suite", style.line(manifest.suite.get("name", style.MISSING), 40)),
        ("budget", style.line(budget.get("train", style.MISSING), 40) if isinstance(budget, dict) else style.MISSING),
        ("seeds", _seeds(seeds)),
        ("cells", f"{len(side.records)} of {len(manifest.order)}" + (f", {len(side.failed)} failed" if side.failed else "")),
    ]


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds)) or "none"


def _incomplete(letter: str, side: Side) -> str:
    if side.finished:
        return ""
    missing, planned = len(side.unrecorded), len(side.manifest.order)
    done = f"{planned - missing} of {style.plural(planned, 'cell')} can be used"
    unended = "" if side.manifest.ended is not None else "did not finish: "
    return f"{letter} ({style.line(side.name, 80)}) {unended or 'is not whole: '}{done}, and what is said of it is of these."


def _quality_is_judged(comparison: Comparison) -> bool:
    return any(row.kind == "quality" and row.verdict != "undetermined" for row in comparison.rows)


def _by_ratio(row: Row) -> bool:
    return row.log and not math.isnan(row.ratio)


def _percent(ratio: float) -> str:
    if not math.isfinite(ratio):
        return "×∞"
    if ratio >= 10 or ratio <= 0.1:
        return f"×{style.number(ratio)}"
    if ratio == 1:
        return f"0{style.THIN}%"
    return f"{_sign(ratio - 1)}{style.percent(abs(ratio - 1))}"


def _difference(row: Row, value: float) -> str:
    if row.metric.unit.startswith("share"):
        return f"{_sign(value)}{style.number(100 * abs(value))}{style.THIN}points"
    return f"{_sign(value)}{quantity(row, abs(value))}"


def _bare(row: Row, value: float) -> str:
    """As `_difference`, without a unit that its neighbour names; times choose their unit by size and keep it."""
    if row.metric.unit in ("s", "J", "bytes"):
        return _difference(row, value)
    return _sign(value) + style.number(abs(value) * (100 if row.metric.unit.startswith("share") else 1))


def _short(row: Row, value: float) -> str:
    """A value whose unit stands beside it already, where the unit is a long one."""
    return style.number(value) if row.metric.unit.startswith("bits/") else quantity(row, value)


def _sign(value: float) -> str:
    return style.MINUS if value < 0 else "+" if value > 0 else ""
