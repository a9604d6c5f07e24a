"""What stands around the results: gate, where the time went, what was not measured and why, choices, failures.

Each function turns a run into plain rows; HTML, Markdown and the terminal only write them down.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from paragone.bench.judge.curves import crossovers
from paragone.bench.judge.gate import Gate
from paragone.bench.judge.verdicts import Verdict
from paragone.bench.metrics.table import METRICS
from paragone.bench.records import Record
from paragone.reports import style
from paragone.reports.run import Entry, Run, Track, is_named

PHASES = ("start", "data", "build", "train", "evaluate", "prepare", "sample", "time", "measure")
"""Phases of a cell in their order; others follow by name."""


@dataclass(frozen=True)
class Phase:
    """Seconds that all cells together spent in one phase, and their share of all seconds."""

    name: str
    seconds: float
    share: float


@dataclass(frozen=True)
class Unmeasured:
    """Metrics that have no value for one and the same reason."""

    reason: str
    metrics: tuple[str, ...]
    entries: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class FailureRow:
    """A cell that did not end well."""

    cell: str
    contender: str
    family: str
    seed: int
    status: str
    phase: str
    elapsed_s: float | None
    message: str
    tail: str


@dataclass(frozen=True)
class Choice:
    """What to take if one image may take at most `limit_s`: entries that fit, best quality first; None is no limit."""

    limit_s: float | None
    entries: tuple[Entry, ...]


def phases(run: Run) -> list[Phase]:
    """Where the seconds of all cells went."""
    totals: dict[str, float] = {}
    for record in run.records:
        for name, value in record.seconds_by_phase.items():
            totals[name] = totals.get(name, 0.0) + value
    everything = sum(totals.values())
    names = [name for name in PHASES if name in totals] + sorted(set(totals) - set(PHASES))
    return [Phase(style.line(name, 30), totals[name], totals[name] / everything if everything else 0.0) for name in names]


def trained_s(run: Run) -> float:
    """Seconds spent inside training budgets by all cells."""
    return sum(record.audit.spent_s for record in run.records if record.audit is not None)


def unmeasured(track: Track) -> list[Unmeasured]:
    """Values that are missing, with identical reasons grouped, the most frequent first."""
    missing = track.measurements[track.measurements["value"].isna()]
    named = {(entry.contender, entry.sampler): entry.name for entry in track.entries}
    groups: dict[str, list[tuple[str, str]]] = {}
    for row in missing.itertuples(index=False):
        reason = style.line(row.source, 160) or "no reason given"
        where = named.get((str(row.contender), str(row.sampler)), str(row.contender))
        groups.setdefault(reason, []).append((str(row.metric), style.line(where, 60)))
    result = [
        Unmeasured(reason, _without_shares([m for m, _ in own]), tuple(dict.fromkeys(e for _, e in own)), len(own))
        for reason, own in groups.items()
    ]
    return sorted(result, key=lambda group: (-group.count, group.reason))


def _without_shares(metrics: Sequence[str]) -> tuple[str, ...]:
    """Labels, each once; what is missing at the whole budget is not listed again at its shares."""
    whole = {metric for metric in metrics if "@" not in metric}
    return tuple(dict.fromkeys(label(m) for m in metrics if m in whole or m.partition("@")[0] not in whole))


def failures(run: Run) -> list[FailureRow]:
    """Cells that did not end well, in the order in which they ran."""
    return [_failure(record) for record in run.records if record.status != "ok"]


def label(name: str) -> str:
    """A metric's label, with the share of the budget where it is not the whole."""
    base, _, share = name.partition("@")
    text = METRICS[base].label if base in METRICS else style.line(base, 60)
    return f"{text} at {share} of the budget" if share else text


def candidates(track: Track) -> list[Entry]:
    """Entries that one may choose: with a rank in quality, all cells finished, and a measured time for one item."""
    ok = []
    for entry in track.competitors:
        row = track.ranked(entry, "fid")
        if row is not None and row["rank"] > 0 and not entry.unfinished and track.value(entry, "sample_latency_s"):
            ok.append(entry)
    return ok


def choices(track: Track) -> list[Choice]:
    """Limits of 1, 10, 100 ... ms that change what remains, from strict to none."""
    entries = candidates(track)
    latencies = {entry.name: track.value(entry, "sample_latency_s") or 0.0 for entry in entries}
    found: list[Choice] = []
    for limit in [10.0**power for power in range(-6, 4)]:
        left = tuple(entry for entry in entries if latencies[entry.name] <= limit)
        if left and (not found or len(left) > len(found[-1].entries)):
            found.append(Choice(limit, left))
    return [*found[:-1], Choice(None, found[-1].entries)] if found else []


def crossings(track: Track) -> str:
    """Where families change their order along the budget, the sure ones by name, in a sentence; "" where none do."""
    table = crossovers(track.judged)
    if table.empty:
        return ""
    sure = [
        f"{row.after} overtakes {row.before} between {style.seconds(float(str(row.train_s_low)))} and "
        f"{style.seconds(float(str(row.train_s_high)))}"
        for row in table[table["sure"].astype(bool)].itertuples()
    ]
    unsure = len(table) - len(sure)
    told = [f"Crossovers along the budget that the seeds make sure: {'; '.join(sure)}."] if sure else []
    if unsure:
        told.append(f"{style.plural(unsure, 'change')} of order among the means {'is' if unsure == 1 else 'are'} within the noise.")
    return " ".join(told)


def sample_sizes(track: Track, metric: str = "fid") -> dict[str, tuple[int, ...]]:
    """On how many items each entry was judged, ascending: one number if its seeds were treated alike."""
    found: dict[str, set[int]] = {}
    for entry in track.entries:
        for record in entry.records:
            for m in record.measurements:
                if m.metric == metric and m.sampler == entry.sampler and m.value is not None and m.n is not None:
                    found.setdefault(entry.name, set()).add(m.n)
    return {name: tuple(sorted(sizes)) for name, sizes in found.items()}


def unequal(track: Track) -> str:
    """What to say where competitors were judged on different numbers of samples, which no FID forgives; "" where all are alike."""
    sizes = sample_sizes(track)
    own = {entry.name: sizes[entry.name] for entry in track.competitors if entry.name in sizes}
    if len({n for found in own.values() for n in found}) < 2:
        return ""
    groups: dict[str, list[str]] = {}
    for name, found in own.items():
        groups.setdefault(" or ".join(style.count(n) for n in found), []).append(name)
    told = "; ".join(f"{few(names, 4)} on {n}" for n, names in groups.items())
    return (
        f"Not judged alike on {track.name}: {told} samples. FID falls as samples grow in number, so rows and verdicts that compare "
        "these must not be trusted."
    )


def floor_line(track: Track) -> str:
    """FID of held-out real at its own N: what a perfect model would have there."""
    real = next((entry for entry in track.references if is_named(entry, "held-out real")), None)
    value = track.value(real, "fid") if real is not None else None
    if real is None or value is None:
        return ""
    sizes = sample_sizes(track).get(real.name, ())
    many = f" on {style.names([style.count(n) for n in sizes])} images" if sizes else ""
    return f"The floor: real data against real data has FID {style.number(value)}{many}; entries at that number stand beside it."


def gate_summary(answers: Sequence[Gate], references: Sequence[str]) -> str:
    """Whether the gate caught what it must catch and spared what it must spare."""
    by_name = {answer.entry.replace("-", " "): answer for answer in answers}
    copies, real = by_name.get("train copies"), by_name.get("held out real")
    said = []
    if copies is not None:
        said.append("train copies are flagged" if copies.memorised else "train copies are NOT flagged: do not trust the gate")
    if real is not None:
        said.append("held-out real is not" if not real.memorised else "held-out real IS flagged: do not trust the gate")
    flagged = [a.entry for a in answers if a.memorised and a.entry not in references]
    told = f"The memorisation gate: {', '.join(said)}." if said else "The gate had no reference to be held against."
    if flagged:
        verb = "loses its quality rank" if len(flagged) == 1 else "lose their quality rank"
        return f"{told} {style.names(flagged)} {verb}."
    return f"{told} No entry was caught copying."


def time_summary(run: Run) -> str:
    """Wall time, and how much of all cells' time was training inside budgets."""
    spent, total = trained_s(run), sum(phase.seconds for phase in phases(run))
    if not total:
        return "The cells recorded no times."
    of = f"{style.seconds(spent)} of {style.seconds(total)}"
    told = f"{style.percent(spent / total)} of all cells' time ({of}) was training inside budgets."
    wall = run.manifest.wall_s
    return told + (f" The run took {style.seconds(wall)} by the clock on the wall." if wall else "")


def test_line(verdict: Verdict) -> str:
    """p before and after correction, and the number of seeds."""
    return (
        f"p = {style.probability(verdict.p)} (two-sided), {style.probability(verdict.p_adjusted)} after Benjamini and Hochberg, "
        f"{style.probability(verdict.p_holm)} after Holm; n = {style.plural(verdict.n, 'seed')}"
    )


def power_line(verdict: Verdict) -> str:
    """The smallest effect that so many seeds of this noise would show."""
    estimates = [e for component in verdict.components for e in component.estimates]
    log = any(pair.scale == "log" for pair in verdict.pairs) or any(e.scale == "log" for e in estimates)
    where = "between neighbours" if verdict.pairs else "from what the claim allows"
    told = f"a {'factor' if log else 'difference'} of {style.number(verdict.detectable_effect)} {where}"
    if verdict.detectable_corrected == verdict.detectable_corrected:
        told += f", {style.number(verdict.detectable_corrected)} after correction"
    return told + (f"; {style.plural(verdict.blocks_needed, 'seed')} would show what was seen" if verdict.blocks_needed else "")


def few(names: Sequence[str], most: int = 6) -> str:
    """A list of names, cut where it is long."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _failure(record: Record) -> FailureRow:
    failure = record.failure
    return FailureRow(
        cell=record.cell.id,
        contender=style.line(record.cell.contender, 60),
        family=record.family,
        seed=record.cell.seed,
        status=record.status.replace("_", " "),
        phase=style.line(failure.phase, 40) if failure else style.MISSING,
        elapsed_s=failure.elapsed_s if failure else None,
        message=style.line(f"{failure.kind}: {failure.message}", 400) if failure else "no reason recorded",
        tail=_last_lines(failure.tail) if failure else "",
    )


def _last_lines(text: str, limit: int = 12) -> str:
    return "\n".join(part[:300] for part in style.clean(text).strip().split("\n")[-limit:])
