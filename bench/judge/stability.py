"""How much a contender's result depends on its seed and its learning rate: never from losses, from quality alone.

Every cell of a contender was run once a factor f on all its learning rates. q(s, f) is log FID of the default sampler at the
end of the cell of seed s and factor f. A *miss* is a cell that is not ok, or worse than independent pixels (H).

    1a common       share of a seed's factors with FID <= F + c (H - F), F held-out real, H independent pixels (means over seeds)
    1b own          share of a seed's factors with q(s, f) <= log o + median over the other seeds of q(., b_s), where b_s is the
                    factor with the best median over the other seeds; misses count as the worst there is
    2 spread        interquartile range over seeds of q(s, 1)
    3 drawdown      of the curve of (s, 1), see drawdown.py; the noise of an evaluation is pooled over seeds
    4 divergence    cells that diverged, and all misses, of all seeds and factors, with Clopper-Pearson limits
    5 sensitivity   mean over factors of q(s, f) - q(s, b_s)
    gain            geometric mean over seeds, at the best factor, of FID at half the budget / FID at its end

In 2 and 5 a miss enters as log H; 2 has no value where half of the cells at f = 1 miss, 5 none where half of the other seeds
miss at every factor. c and o are fixed in the suite. The seed that is judged never helps to set its own target or to choose its
own best factor. 1b, 2, 3, 5 and gain do not change when every FID is multiplied by a constant. Failures and targets that count
misses follow AlgoPerf (Dahl et al. 2023, arXiv:2306.07179), the spread over hyper-parameters Lucic et al. 2018,
arXiv:1711.10337.

A seed with a factor whose cell was never run, or that ended well but was not judged, is left out as a whole.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from paragone.bench.judge.derived import Key
from paragone.bench.judge.drawdown import excess_drawdown
from paragone.bench.judge.intervals import centre, clopper_pearson
from paragone.bench.metrics.table import METRICS, at_share, split_share
from paragone.bench.records import REFERENCE, Measurement, Record
from paragone.bench.variants import StabilityKeys, learning_rate_factor

Array = NDArray[np.float64]
FLOOR, HOPELESS = "held-out real", "independent pixels"
NEEDED_SEEDS = NEEDED_FACTORS = 3
HALF = 0.5
_PER_SEED = {
    "stability": "own",
    "stability_common": "common",
    "stability_drawdown": "drawdown",
    "stability_sensitivity": "sensitivity",
}


@dataclass(frozen=True)
class Targets:
    """What counts as reached: `floor` and `hopeless` are FIDs, NaN where that reference has no row."""

    keys: StabilityKeys
    floor: float
    hopeless: float

    @property
    def common(self) -> float:
        """The FID that anybody must reach."""
        return self.floor + self.keys.common * (self.hopeless - self.floor)


@dataclass(frozen=True, eq=False)
class Stability:
    """One contender's stability; tuples hold one value a seed, in the order of `seeds`, NaN where there is none.

    Attributes:
        log_fid: q(s, f), (seeds, factors); NaN is a miss.
        cells: cells of the seeds that count; `diverged` and `misses` (diverged ones included) are numbers of them.
        own, common: shares of factors that reach the target (1b, 1a).
        spread: of log FID at the contender's own rates; NaN where half of those cells miss.
        noise: sd of log FID over draws of one trained model; NaN where nobody measured it.
        best_factor: that of the best median over all seeds; NaN where every factor misses in half of the seeds.
        edge: True where the best factor is the smallest or the largest that was tried: the grid does not hold the optimum.
        gain: factor by which FID still fell over the last doubling of the budget.
    """

    contender: str
    family: str
    factors: tuple[float, ...]
    seeds: tuple[int, ...]
    log_fid: Array = field(repr=False)
    targets: Targets = field(repr=False)
    diverged: int
    misses: int
    own: tuple[float, ...]
    common: tuple[float, ...]
    drawdown: tuple[float, ...]
    sensitivity: tuple[float, ...]
    spread: float
    noise: float
    best_factor: float
    edge: bool
    gain: float

    @property
    def cells(self) -> int:
        """Number of cells that count."""
        return len(self.seeds) * len(self.factors)

    @property
    def enough(self) -> bool:
        """True from 3 seeds x 3 factors on; below, nothing here is worth a row."""
        return len(self.seeds) >= NEEDED_SEEDS and len(self.factors) >= NEEDED_FACTORS


def stability(records: Sequence[Record], targets: Mapping[str, object] | None) -> dict[str, Stability]:
    """Contender -> its stability, from one track's records of all variants, references included.

    `targets` is what the run's manifest holds under `suite["stability"]`; None, for a suite that varies nothing, finds nothing.

    Raises:
        ValueError: targets that no suite could have (pydantic names the key), or an FID that has no logarithm.
    """
    if targets is None:
        return {}
    keys = StabilityKeys.model_validate(targets)
    fixed = Targets(keys, _reference(records, FLOOR), _reference(records, HOPELESS))
    names = dict.fromkeys(record.cell.contender for record in records if record.family != REFERENCE)
    return {name: _of_contender([r for r in records if r.cell.contender == name], fixed) for name in names}


def stability_measurements(found: Mapping[str, Stability]) -> dict[Key, Measurement]:
    """One measurement a contender, seed and `stability*` metric, of contenders with enough runs; empty sampler."""
    return {
        (name, seed, "", metric): _measurement(metric, own, place)
        for name, own in found.items()
        if own.enough
        for metric in _PER_SEED
        for place, seed in enumerate(own.seeds)
    }


def stability_table(found: Mapping[str, Stability]) -> pd.DataFrame:
    """One row a contender, most stable first.

    Columns: contender family seeds factors enough; own common drawdown sensitivity, each with _low and _high, the 95 % interval
    of the mean over seeds; spread noise; cells diverged misses; diverged_low diverged_high misses_low misses_high, 95 % limits
    of the shares; best_factor edge gain.
    """
    rows = [_row(own) for own in found.values()]
    table = pd.DataFrame(rows)
    return table.sort_values(["own", "common"], ascending=False, ignore_index=True) if rows else table


def _reference(records: Sequence[Record], name: str) -> float:
    values = [_fid(record) for record in records if record.cell.contender == name]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else math.nan


def _of_contender(records: Sequence[Record], targets: Targets) -> Stability:
    factors = targets.keys.grid(records[0].cell.contender)
    by_cell = {(r.cell.seed, learning_rate_factor(r.cell.variant)): r for r in records}
    seeds = sorted({seed for seed, _ in by_cell})
    seeds = [seed for seed in seeds if all(_judged(by_cell.get((seed, factor))) for factor in factors)]
    cells = [[by_cell[seed, factor] for factor in factors] for seed in seeds]
    base = [row[factors.index(1)] for row in cells]
    q = np.array([[_log_fid(r, targets) for r in row] for row in cells]).reshape(len(seeds), len(factors))
    best, median = _best(q)
    misses, noise = int(np.isnan(q).sum()), _noise(base)
    known = math.isfinite(median)
    return Stability(
        contender=records[0].cell.contender, family=records[0].family, factors=factors, seeds=tuple(seeds), log_fid=q,
        targets=targets, misses=misses, diverged=sum(r.status == "diverged" for row in cells for r in row),
        own=tuple(_own(q, s, targets.keys.own) for s in range(len(seeds))),
        common=tuple(_common(row, targets) for row in q),
        drawdown=tuple(_drawdown(record, noise) for record in base),
        sensitivity=tuple(_sensitivity(q, s, targets) for s in range(len(seeds))),
        spread=_spread(q[:, factors.index(1)], targets), noise=noise,
        best_factor=factors[best] if known else math.nan, edge=known and best in (0, len(factors) - 1),
        gain=_gain([row[best] for row in cells], q[:, best]) if known else math.nan,
    )  # fmt: skip


def _judged(record: Record | None) -> bool:
    return record is not None and (record.status != "ok" or _fid(record) is not None)


def _fid(record: Record, share: float = 1.0) -> float | None:
    """FID of the default sampler of a cell that is ok."""
    wanted = at_share("fid", share), record.samplers[0]
    found = (m.value for m in record.measurements if (m.metric, m.sampler) == wanted)
    return next(found, None) if record.status == "ok" else None


def _log_fid(record: Record, targets: Targets) -> float:
    """q of a cell; NaN is a miss."""
    fid = _fid(record)
    return math.nan if fid is None or fid > targets.hopeless else math.log(fid)


def _filled(q: Array, targets: Targets) -> Array:
    """Misses as log H."""
    return np.where(np.isnan(q), math.log(targets.hopeless), q)


def _best(q: Array) -> tuple[int, float]:
    """Place and median over seeds of the best factor of q (seeds, factors); infinite where half of its cells miss."""
    if not len(q):
        return 0, math.inf
    medians = np.median(np.where(np.isnan(q), np.inf, q), axis=0)
    place = int(medians.argmin())
    return place, float(medians[place])


def _own(q: Array, seed: int, factor: float) -> float:
    """1b of one seed: no share at all without another seed, none reached where the others have no target to offer."""
    if len(q) < 2:
        return math.nan
    _, median = _best(np.delete(q, seed, axis=0))
    return float((q[seed] <= math.log(factor) + median).mean()) if math.isfinite(median) else 0.0


def _common(row: Array, targets: Targets) -> float:
    """1a of one seed's q (factors,)."""
    return math.nan if math.isnan(targets.common) else float((row <= math.log(targets.common)).mean())


def _sensitivity(q: Array, seed: int, targets: Targets) -> float:
    best, median = _best(np.delete(q, seed, axis=0))
    row = _filled(q, targets)[seed]
    return float((row - row[best]).mean()) if math.isfinite(median) else math.nan


def _spread(q: Array, targets: Targets) -> float:
    """Interquartile range of the base cells' q (seeds,); none where half of them miss, which is no agreement on a value."""
    if not q.size or np.isnan(q).mean() >= 0.5:
        return math.nan
    return float(np.subtract(*np.percentile(_filled(q, targets), [75, 25])))


def _noise(base: Sequence[Record]) -> float:
    """Root mean square over seeds of the measured noise of an evaluation."""
    found = [m.value for record in base for m in record.measurements if m.metric == "fid_noise" and m.value is not None]
    return math.sqrt(float(np.mean(np.square(found)))) if found else math.nan


def _drawdown(record: Record, noise: float) -> float:
    """3 of the base cell of a seed; evaluations that came too early are no part of the curve."""
    shares = sorted({split_share(m.metric)[1] for m in record.measurements if split_share(m.metric)[0] == "fid"})
    curve = [fid for share in shares if (fid := _fid(record, share)) is not None]
    return excess_drawdown(np.log(curve), noise) if len(curve) > 1 else math.nan


def _gain(cells: Sequence[Record], q: Array) -> float:
    """FID at half the budget / FID at its end, over the cells that are no misses."""
    pairs = [(_fid(record, HALF), end) for record, end in zip(cells, q, strict=True) if not math.isnan(end)]
    logs = [math.log(half) - end for half, end in pairs if half is not None]
    return math.exp(float(np.mean(logs))) if logs else math.nan


def _measurement(metric: str, own: Stability, place: int) -> Measurement:
    value = float(getattr(own, _PER_SEED[metric])[place])
    source, none = _source(metric, own)
    known = not math.isnan(value)
    return Measurement(
        metric=metric, value=value if known else None, unit=METRICS[metric].unit, source=source if known else none,
        n=len(own.factors),
    )  # fmt: skip


def _source(metric: str, own: Stability) -> tuple[str, str]:
    """How it was computed, and why it has no value where it has none."""
    count, t = len(own.factors), own.targets
    reached = f"share of {count} factors with FID at most"
    words = {
        "stability": (f"{reached} {t.keys.own:g} x the median at its best factor over the other seeds", "no other seed"),
        "stability_common": (f"{reached} {t.common:.3g}", "no row of held-out real or independent pixels"),
        "stability_drawdown": (
            f"worst quarter of the drawdowns of log FID, less that of evaluation noise {own.noise:.2g}",
            "its base cell is not ok, or the noise of an evaluation was not measured",
        ),
        "stability_sensitivity": (
            f"mean over {count} factors of log FID above that at the best factor of the other seeds",
            "every factor misses in half of the other seeds",
        ),
    }
    return words[metric]


def _row(own: Stability) -> dict[str, object]:
    row: dict[str, object] = {
        "contender": own.contender, "family": own.family, "seeds": len(own.seeds), "factors": len(own.factors),
        "enough": own.enough,
    }  # fmt: skip
    for name in _PER_SEED.values():
        values = np.array(getattr(own, name), dtype=float)
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), centre(values[~np.isnan(values)]), strict=True))
    row |= {"spread": own.spread, "noise": own.noise, "cells": own.cells}
    for name, count in (("diverged", own.diverged), ("misses", own.misses)):
        low, high = clopper_pearson(count, own.cells) if own.cells else (math.nan, math.nan)
        row |= {name: count, f"{name}_low": low, f"{name}_high": high}
    return row | {"best_factor": own.best_factor, "edge": own.edge, "gain": own.gain}
