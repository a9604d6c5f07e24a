"""What a cell spent, as rows of its record: on each axis of the budget along the training, and what an item costs to draw."""

from collections.abc import Sequence

from paragone.bench.budget import Meter
from paragone.bench.cellprofile import CellProfile
from paragone.bench.metrics.table import METRICS, at_share
from paragone.bench.profile.energy import EnergyCounter, Refusal
from paragone.bench.records import Audit, Measurement


def counter_of(energy: EnergyCounter | Refusal) -> EnergyCounter | None:
    """The counter, or None where there is none."""
    return None if isinstance(energy, Refusal) else energy


def audit(meter: Meter, parameters_asked: int, parameters: int) -> Audit:
    """The budget asked and spent."""
    return Audit(
        axis=meter.budget.axis, asked=meter.budget.amount, spent_s=meter.seconds, spent_steps=meter.steps,
        spent_samples=meter.samples, spent_flops=meter.counting.flops, spent_joules=meter.joules, overrun=meter.overrun,
        last_update=meter.last_update, parameters_asked=parameters_asked, parameters=parameters,
    )  # fmt: skip


def spent(meter: Meter, share: float, energy: EnergyCounter | Refusal) -> list[Measurement]:
    """Spent so far on every axis, named after the share of the budget at which it is asked; `energy` is where joules come from."""
    clock, counting = "counted by the meter", meter.counting
    flops = "counted updates, their mean in between" if counting.flops is not None else counting.status
    joules = energy.words if isinstance(energy, Refusal) else energy.source
    rows: tuple[tuple[str, float | None, str], ...] = (
        ("train_s", meter.seconds, clock), ("train_steps", meter.steps, clock), ("train_samples", meter.samples, clock),
        ("train_flops", counting.flops, flops), ("train_joules", meter.joules, joules),
    )  # fmt: skip
    return [_row(at_share(name, share), value, source) for name, value, source in rows]


def training_costs(meter: Meter, profile: CellProfile) -> list[Measurement]:
    """Time of a step, memory and processor time of the training, and how near its flops come to the machine's limit.

    Processor time is read over the plain updates and scaled to all of them.
    """
    plain = meter.plain_steps or meter.steps
    step_s = (meter.plain_s if meter.plain_steps else meter.seconds) / plain
    found = [_row("train_step_s", step_s, f"mean of {plain} plain updates" if meter.plain_steps else "mean of all updates")]
    for m in profile.measurements("train"):
        if m.metric == "train_cpu_s" and m.value is not None and profile.seconds("train"):
            scale = meter.seconds / profile.seconds("train")
            m = m.model_copy(update={"value": m.value * scale, "source": f"{m.source}, scaled from {1 / scale:.1%} of it"})
        if m.metric != "train_joules":  # the meter's own, which leaves counting out
            found.append(m)
    counting, peak = meter.counting, profile.peak_flops_per_s
    share = None if counting.flops is None else counting.flops / meter.seconds / peak
    return [
        *found,
        _row("flops_utilisation", share, "of the control workload's peak" if share is not None else counting.status),
        _row("flops_time_share", counting.time_share, "of operators' seconds in counted updates"),
    ]


def sampling_costs(profile: CellProfile, sampler: str, items: int, twin: str) -> list[Measurement]:
    """Memory (over that of the empty twin's phase) and processor time of drawing the judged samples, and energy an item."""
    found = []
    for m in profile.measurements("sample", sampler, twin):
        if m.metric == "sample_joules" and m.value is not None:
            m = m.model_copy(update={"value": m.value / items, "source": f"{m.source}, over {items} items", "n": items})
        found.append(m)
    return found


def sampling_utilisation(timing: Sequence[Measurement], peak_flops_per_s: float) -> list[Measurement]:
    """`sample_flops_utilisation` from the flops of an item and the items a second of one sampler."""
    values = {m.metric: m.value for m in timing}
    flops, rate = values.get("sample_flops"), values.get("sample_throughput_per_s")
    share = None if flops is None or rate is None else flops * rate / peak_flops_per_s
    return [_row("sample_flops_utilisation", share, "of the control workload's peak", timing[0].sampler)]


def _row(metric: str, value: float | None, source: str, sampler: str = "") -> Measurement:
    unit = METRICS[metric.partition("@")[0]].unit
    return Measurement(metric=metric, value=None if value is None else float(value), unit=unit, source=source, sampler=sampler)
