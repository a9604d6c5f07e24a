"""Was the machine quiet: whose times are left out and why, how fast the machine was, and what looking at it cost."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from paragone.bench.judge.timings import CONTROL_BOUND, control_speeds, invalid_timings
from paragone.bench.records import Record
from paragone.reports import chart, style
from paragone.reports.chart import MUTED, Canvas, Plot
from paragone.reports.facts import few
from paragone.reports.run import Run


@dataclass(frozen=True)
class Doubted:
    """Cells whose times are left out (or, `fatal` False, only to be read with care) for the same kind of reason."""

    reason: str
    cells: tuple[str, ...]
    fatal: bool


def doubted(run: Run) -> list[Doubted]:
    """Reasons against times, those that differ in numbers only together under the first; the most frequent first."""
    fatal = [(why, cell) for cell, own in invalid_timings(run.records).items() for why in own]
    mild = [(why, r.cell.id) for r in run.records if r.timing is not None for why in r.timing.warnings]
    return _grouped(fatal, fatal=True) + _grouped(mild, fatal=False)


def summary(run: Run) -> list[str]:
    """How many cells' times count, the largest disturbances, the machine's speed, and the cost of profiling, in sentences."""
    timed = [r for r in run.records if r.timing is not None]
    if not timed:
        return ["Nothing is known about the machine: no cell recorded its timing."]
    invalid = invalid_timings(run.records)
    cells = style.plural(len(timed), "cell")
    if not invalid:
        told = [f"The times of all {cells} count."]
    else:
        count = style.plural(len(invalid), "cell")
        told = [f"The times of {count} of {len(timed)} are left out of everything about speed and energy; their quality stands."]
    return [part for part in (*told, _disturbed(timed), _speed(run), _overhead(run)) if part]


def seconds_note(run: Run) -> str:
    """What to know beside budgets in seconds: how fast the machine was; "" where budgets are of another kind, or it is unknown."""
    asked = {record.audit.axis for record in run.records if record.audit is not None}
    speeds = _own_speeds(run)
    if "seconds" not in asked or len(speeds) < 2:
        return ""
    low, high = min(speeds.values()), max(speeds.values())
    return (
        f"Equal seconds are equal work only on an even machine: around the trained cells it ran at {style.number(low)} to "
        f"{style.number(high)} times its median speed."
    )


def figure(run: Run) -> Plot | None:
    """The machine's speed around each cell, in the order in which they ran."""
    speeds = control_speeds(run.records)
    if len(speeds) < 3:
        return None
    invalid = invalid_timings(run.records)
    cells = [r.cell.id for r in sorted(run.records, key=lambda r: r.position) if r.cell.id in speeds]
    values = [speeds[cell] for cell in cells]
    low, high = min(values), max(values)
    even = high / low < CONTROL_BOUND
    finding = (
        f"The machine kept its speed: {style.number(low)} to {style.number(high)} times its median"
        if even
        else f"The machine's speed changed by a factor {style.number(high / low)} in the course of the run"
    )
    measure = "Speed of a fixed workload around each cell over the run's median, in the order in which cells ran; dashed: bounds"
    with chart.visual():
        canvas = Canvas(finding, measure + ("; crosses: times left out" if invalid else ""), 190)
        axes = canvas.axes(left=46, right=14)
        chart.log_axis(axes, "y", [*values, CONTROL_BOUND, 1 / CONTROL_BOUND], 0.1)
        if max(high, 1 / low) < 2:
            axes.set_yticks(*zip(*((b, f"{b:.3g}") for b in (1 / CONTROL_BOUND, 1.0, CONTROL_BOUND)), strict=True))
        axes.set_xlim(0, len(values) + 1)
        for bound in (CONTROL_BOUND, 1 / CONTROL_BOUND):
            axes.axhline(bound, color=style.REFERENCE_COLOUR, linestyle="--", linewidth=1.2, zorder=1)
        axes.plot(range(1, len(values) + 1), values, color=MUTED, linewidth=1.0, zorder=2)
        for counts, marker, colour in ((True, "o", chart.INK), (False, "X", style.FAMILY_COLOURS["gan"])):
            chosen = [(k, v) for k, (cell, v) in enumerate(zip(cells, values, strict=True), 1) if (cell not in invalid) == counts]
            size = 4.0 if counts else 7.5
            axes.plot([k for k, _ in chosen], [v for _, v in chosen], linestyle="", marker=marker, color=colour, markersize=size)
        axes.set_xlabel("cell, in the order of the run")
        axes.set_ylabel("speed / median")
        return canvas.finish("machine-speed", f"{style.number(low)} to {style.number(high)} over {len(values)} cells")


def _grouped(pairs: Sequence[tuple[str, str]], fatal: bool) -> list[Doubted]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for why, cell in pairs:
        groups.setdefault(re.sub(r"[\d.,]+", "#", why), []).append((why, cell))
    made = [
        Doubted(style.line(own[0][0], 200) + (" (and alike)" if len({why for why, _ in own}) > 1 else ""),
                tuple(dict.fromkeys(style.line(cell, 60) for _, cell in own)), fatal)
        for own in groups.values()
    ]  # fmt: skip
    return sorted(made, key=lambda group: (-len(group.cells), group.reason))


def _disturbed(timed: Sequence[Record]) -> str:
    """The largest steal and the largest load of others, each with its cell."""
    told = []
    for words, name in (("of its cores' time to the hypervisor", "steal_share"), ("to other processes", "foreign_share")):
        known = [(share, r.cell.id) for r in timed if (share := getattr(r.timing, name)) is not None]
        if known:
            share, cell = max(known)
            told.append(f"{style.percent(share)} {words} ({style.line(cell, 60)})")
    return f"At the worst a cell lost {style.names(told)}." if told else "What others took of the processor cannot be read here."


def _speed(run: Run) -> str:
    speeds = control_speeds(run.records)
    if len(speeds) < 2:
        return ""
    low, high = min(speeds.values()), max(speeds.values())
    off = sum(max(speed, 1 / speed) > CONTROL_BOUND for speed in speeds.values())
    bound = f"beyond a factor {CONTROL_BOUND:g}, times are not compared ({style.plural(off, 'cell')})"
    return (
        f"A fixed workload before and after each cell ran at {style.number(low)} to {style.number(high)} times its median speed; "
        f"{bound}."
    )


def _overhead(run: Run) -> str:
    """What profiling itself cost at the most."""
    rows = (("profile_thread_share", "its sampling thread {} of a cell", style.percent),
            ("profile_boundary_s", "an ordinary boundary of a phase {}", style.seconds))  # fmt: skip
    told = []
    for metric, words, written in rows:
        values = [m.value for r in run.records for m in r.measurements if m.metric == metric and m.value is not None]
        if values:
            told.append(words.format(written(max(values))))
    return f"Profiling took at most: {style.names(told)}." if told else ""


def _own_speeds(run: Run) -> dict[str, float]:
    trained = {record.cell.id for record in run.records if record.audit is not None}
    return {cell: speed for cell, speed in control_speeds(run.records).items() if cell in trained}


def cells_in_words(group: Doubted) -> str:
    """How many cells, and which."""
    return f"{style.plural(len(group.cells), 'cell')}: {few(group.cells, 4)}"
