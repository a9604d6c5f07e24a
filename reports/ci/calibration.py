"""What `alerts calibrate` prints: a table of the series, then what all of them together let expect."""

import math
from collections.abc import Sequence

from paragone.bench.history.calibration import WIDE, Calibration, Sight
from paragone.bench.history.segments import LONG
from paragone.bench.history.watched import BENCHMARK, Watch
from paragone.reports import style
from paragone.reports.ci import words

HEAD = ("series", "nights", "noise", "found the same night", "found in two nights, no re-runs")


def calibration_rows(found: Calibration) -> list[tuple[str, ...]]:
    """One row a series: nights, spread of one night, smallest effects found in 80 of 100 cases."""
    return [_row(sight) for sight in found.sights]


def _row(sight: Sight) -> tuple[str, ...]:
    name = f"{words.plain(sight.key.entry)} {sight.key.metric}"
    if sight.known is None:
        return name, str(sight.nights), style.MISSING, f"warming up: {LONG} nights are needed", style.MISSING
    again = style.MISSING if sight.key.metric == BENCHMARK else _effect(sight.watch, sight.again)
    mark = " (!)" if sight.wide else ""
    return name, str(sight.nights), _noise(sight) + mark, again, _effect(sight.watch, sight.alone)


def _noise(sight: Sight) -> str:
    spread = sight.known.sd if sight.known is not None else 0.0
    return style.percent(words.ratio_of(spread) - 1) if sight.watch.relative else style.number(spread)


def _effect(watch: Watch, effect: float | None) -> str:
    return "nothing" if effect is None or math.isinf(effect) else words.change(watch, effect)


def calibration_lines(found: Calibration, skipped: Sequence[str]) -> list[str]:
    """What is said below the table."""
    judged = [sight for sight in found.sights if sight.known is not None]
    lines = [f"{len(judged)} of {len(found.sights)} series have the {LONG} nights that a verdict needs"]
    if judged:
        lines += [
            f"expected false alerts a month of these {len(judged)} series: {found.false_again:.2g} with re-runs, "
            f"{found.false_alone:.2g} without ({found.drawn} quiet series-nights drawn from their own noise)",
            f"series sent to a re-run on a quiet night: {style.percent(found.rerun_share)}",
            "effects are found in 80 of 100 cases; smaller ones take more nights. Noise is one standard deviation of a night",
        ]
    wide = [sight for sight in judged if sight.wide]
    if wide:
        lines.append(
            f"(!) {style.plural(len(wide), 'series', 'series')} of time or energy spread by more than "
            f"{style.percent(words.ratio_of(WIDE) - 1)} although divided by the control workload: changes below the effect shown "
            "go unseen; more seeds, longer budgets or a quieter machine help"
        )
    return lines + ([words.skipped(skipped)] if skipped else [])
