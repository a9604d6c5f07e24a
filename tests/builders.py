"""Runs made of numbers instead of training, so that what reads records can be tested in milliseconds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from paragone.bench.metrics.table import METRICS, at_share
from paragone.bench.records import REFERENCE, Audit, Cell, Failure, Manifest, Measurement, Record, Timing

BELOW_ONE = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
TRACK = "digits"
PER_CELL = ("train_step_s", "train_s", "train_steps", "train_samples", "parameters", "train_peak_rss_bytes")
QUALITY = (
    "fid", "fid_second_encoder", "fid_bootstrap", "fid_infinity", "kid", "precision", "recall", "density", "coverage",
    "clipped_density", "clipped_coverage", "high_frequency_ratio", "two_sample_accuracy", "class_balance", "copied_share",
    "near_copy_share", "nearest_train_ratio", "validation_fid",
)  # fmt: skip
QUIET_S = 0.1
"""Seconds of the control workload around a cell that nothing disturbed."""
PEAK_FLOPS_PER_S = 5e12
NO_ENERGY = "unsupported: no counter of energy can be read here"
SPEED = ("sample_latency_s", "sample_throughput_per_s", "network_evaluations", "sample_peak_rss_bytes")


@dataclass(frozen=True)
class Way:
    """One sampler: its level of FID, its throughput in items/s, how many network calls; `judged=False` is timed only."""

    fid: float
    throughput_per_s: float
    evaluations: int = 1
    judged: bool = True


@dataclass(frozen=True)
class Plan:
    """One contender: family, samplers, peak memory in bytes, steps in the whole budget, bits/dim if it has a likelihood."""

    family: str
    samplers: Mapping[str, Way]
    memory_bytes: float = 9.5e8
    steps: int = 600
    bits_per_dim: float | None = None
    flags: tuple[str, ...] = ()
    ablation: bool = False
    near_copies: float = 0.0
    copies: float = 0.0
    images_seen: int = 128
    flops_per_step: float = 4e9
    sample_flops: float = 2e7
    own_memory_bytes: float = 6e7
    extra: Mapping[str, float] = field(default_factory=dict)


CONTENDERS: dict[str, Plan] = {
    "pixelcnn": Plan("autoregressive", {"default": Way(5.1, 310.0, 64)}, 1.02e9, 420, 1.83, flops_per_step=9e9),
    "autoencoder": Plan(
        "autoencoder",
        {"prior": Way(29.0, 41_000.0), "gaussian": Way(9.8, 40_000.0), "mixture": Way(3.9, 36_000.0)},
        9.3e8,
        2100,
    ),
    "vae": Plan("autoencoder", {"mean": Way(9.1, 39_000.0), "noise": Way(8.2, 37_500.0)}, 9.35e8, 1500, 2.31, flops_per_step=1.2e9),
    "dcgan": Plan("gan", {"default": Way(4.6, 38_500.0)}, 9.6e8, 900, own_memory_bytes=8.5e7),
    "ddpm": Plan(
        "diffusion",
        {"ddim-50": Way(6.2, 420.0, 50), "ddpm-1000": Way(6.0, 21.0, 1000, judged=False)},
        1.04e9,
        380,
        2.72,
        own_memory_bytes=1.6e8,
    ),
    "realnvp": Plan("flow", {"default": Way(11.4, 5200.0)}, 9.9e8, 350, 2.44),
    "vqvae": Plan("hybrid", {"default": Way(7.3, 2600.0, 16)}, 9.8e8, 700),
}
REFERENCES: dict[str, Plan] = {
    "held-out real": Plan(REFERENCE, {"default": Way(1.13, 1.0)}),
    "train copies": Plan(REFERENCE, {"default": Way(0.85, 1.0)}, copies=1.0, near_copies=1.0),
    "gaussian mixture": Plan(REFERENCE, {"default": Way(1.6, 1.0)}, bits_per_dim=2.05),
    "real blurred": Plan(REFERENCE, {"default": Way(14.0, 1.0)}),
    "real + noise": Plan(REFERENCE, {"default": Way(11.0, 1.0)}),
    "independent pixels": Plan(REFERENCE, {"default": Way(48.9, 1.0)}),
}


def make_run(
    seeds: int = 3,
    *,
    contenders: Mapping[str, Plan] | None = None,
    failures: Iterable[tuple[str, int]] = (("realnvp", 1),),
    variants: Sequence[str] = ("",),
    shares: Sequence[float] = BELOW_ONE,
    noise: float = 0.08,
    seconds: float = 6.0,
    generator_seed: int = 7,
    watts: float | None = None,
) -> tuple[Manifest, list[Record]]:
    """A finished run on digits: `seeds` seeds of `contenders` (default: all) and of the six references.

    `watts` is the power of a machine whose energy can be read; without it no energy is measured, and says so.
    `noise` is the log sd of quality between seeds; `failures` lists (contender, seed) whose cells died in training.
    """
    generator = np.random.default_rng(generator_seed)
    failed = set(failures)
    records: list[Record] = []
    plans = {**(CONTENDERS if contenders is None else contenders), **REFERENCES}
    for seed in range(seeds):
        for name, plan in plans.items():
            for variant in variants if plan.family != REFERENCE else ("",):
                cell = Cell(track=TRACK, contender=name, seed=seed, variant=variant)
                maker = _Maker(generator, cell, plan, noise, seconds, watts)
                records.append(maker.record(len(records), tuple(shares), (name, seed) in failed))
    return _manifest(records, seeds, seconds), records


def planned(name: str, **changes: object) -> Plan:
    """A contender's plan with fields changed."""
    return replace({**CONTENDERS, **REFERENCES}[name], **changes)


def with_values(record: Record, values: Mapping[tuple[str, str], float | None], source: str = "built") -> Record:
    """A copy of the record in which (metric, sampler) has another value; None needs `source` to say why."""
    changed = tuple(
        m.model_copy(update={"value": values[m.metric, m.sampler], "source": source}) if (m.metric, m.sampler) in values else m
        for m in record.measurements
    )
    return record.model_copy(update={"measurements": changed})


def with_timing(record: Record, *invalid: str, control_s: float = QUIET_S) -> Record:
    """A copy of the record whose times something speaks against, or whose control workload took another time."""
    return record.model_copy(update={"timing": _timing(control_s, invalid)})


@dataclass
class _Maker:
    """Makes one cell's record."""

    generator: np.random.Generator
    cell: Cell
    plan: Plan
    noise: float
    seconds: float
    watts: float | None = None

    def record(self, position: int, shares: tuple[float, ...], failed: bool) -> Record:
        reference = self.plan.family == REFERENCE
        measurements = self._training(shares) if not reference else []
        for sampler, way in self.plan.samplers.items():
            measurements += self._sampler(sampler, way, shares if not reference else ())
        if failed:
            measurements = [m.model_copy(update={"value": None, "source": "failed", "repeats": ()}) for m in measurements]
        return Record(
            cell=self.cell, dataset="digits", modality="image", family=self.plan.family, ablation=self.plan.ablation,
            samplers=tuple(self.plan.samplers), status="failed" if failed else "ok", flags=self.plan.flags,
            failure=_failure() if failed else None, audit=None if reference else self._audit(failed), timing=_timing(),
            width=None if reference else 24, measurements=tuple(measurements), seconds_by_phase=self._phases(reference),
            hashes={"suite": "5a" * 32, "data": "da" * 32, "source": "c0" * 32}, fingerprint=_FINGERPRINT, position=position,
            started="2026-01-05T10:00:00+00:00", ended="2026-01-05T10:00:11+00:00",
        )  # fmt: skip

    def _training(self, shares: tuple[float, ...]) -> list[Measurement]:
        steps = round(self.plan.steps * self._wobble(0.02))
        values = {
            "train_step_s": self.seconds / steps, "train_s": self.seconds, "train_steps": steps,
            "train_samples": steps * self.plan.images_seen, "parameters": 200_000 * self._wobble(0.01),
            "train_peak_rss_bytes": self.plan.memory_bytes * self._wobble(0.01),
        }  # fmt: skip
        spent = {name: float(values[name]) for name in ("train_s", "train_steps", "train_samples")}
        spent["train_flops"] = steps * self.plan.flops_per_step
        made = [_measured(name, value) for name, value in values.items()]
        made.append(_measured("train_flops", spent["train_flops"]))
        made.append(_measured("flops_utilisation", spent["train_flops"] / self.seconds / PEAK_FLOPS_PER_S))
        made.append(_measured("train_peak_rss_net_bytes", self.plan.own_memory_bytes))
        for share in (*shares, 1.0):
            made += [_measured(at_share(name, share), value * share) for name, value in spent.items() if share < 1]
            made.append(self._joules(at_share("train_joules", share), self.seconds * share))
        if self.plan.bits_per_dim is not None:
            bits = self.plan.bits_per_dim * self._wobble(0.01)
            source = "exact" if self.cell.contender == "pixelcnn" else "bound"
            made.append(_measured("bits_per_dim", bits, source=source, n=360))
            made.append(_measured("bits_per_dim_best", bits * 0.99, source=source, n=360))
            made.append(_measured("validation_bits_per_dim", bits * 1.01, source=source, n=360))
            made.append(_measured("train_bits_per_dim", bits * 0.96, source=source, n=360))
        else:
            made.append(_measured("bits_per_dim", None, source="unsupported"))
        return made

    def _sampler(self, sampler: str, way: Way, shares: tuple[float, ...]) -> list[Measurement]:
        items = 360 if self.cell.contender in ("held-out real", "real blurred", "real + noise") else 1000
        same_each_seed = self.cell.contender == "held-out real"
        fid = way.fid * (1.0 if same_each_seed else self._wobble(self.noise))
        made = [_measured(name, value, sampler, n=items) for name, value in self._quality(fid).items()] if way.judged else []
        if way.judged:
            repeats = tuple(float(fid * factor) for factor in _BOOTSTRAPS)
            made.append(_measured("fid_bootstrap", float(np.mean(repeats)), sampler, n=items, repeats=repeats))
        first = sampler == next(iter(self.plan.samplers))
        for share in shares if way.judged and first else ():
            early = fid * share**-0.45 * self._wobble(self.noise / 2)
            made.append(_measured(at_share("fid", share), min(early, 60.0), sampler, n=items))
        if self.plan.family != REFERENCE:
            made += self._speed(sampler, way)
        return made

    def _quality(self, fid: float) -> dict[str, float]:
        coverage = float(np.clip(1.02 - 0.2 * np.log(fid + 0.15), 0.02, 0.99))
        return {
            "fid": fid, "kid": (fid - 1.1) * 0.004, "precision": float(np.clip(1 - 0.02 * fid, 0, 1)),
            "recall": coverage * 0.9, "density": coverage * 1.1, "coverage": coverage,
            "high_frequency_ratio": float(np.exp(-0.02 * fid)), "two_sample_accuracy": float(np.clip(0.49 + 0.02 * fid, 0, 1)),
            "class_balance": coverage, "copied_share": self.plan.copies, "near_copy_share": self.plan.near_copies,
            "validation_fid": fid * self._wobble(0.03), "fid_second_encoder": 1.4 * fid**0.9, "fid_infinity": 0.9 * fid,
            "clipped_density": float(np.clip(coverage * 1.05, 0, 1)), "clipped_coverage": coverage * 0.97,
            "nearest_train_ratio": 1.0 - max(self.plan.copies, self.plan.near_copies) / 2,
        }  # fmt: skip

    def _speed(self, sampler: str, way: Way) -> list[Measurement]:
        throughput = way.throughput_per_s * self._wobble(0.02)
        latency = 8 / way.throughput_per_s * self._wobble(0.02)
        return [
            _measured("sample_throughput_per_s", throughput, sampler, n=1000, repeats=_repeats(throughput)),
            _measured("sample_latency_s", latency, sampler, n=1, repeats=_repeats(latency)),
            _measured("network_evaluations", float(way.evaluations), sampler),
            _measured("sampling_setup_s", 0.0, sampler),
            _measured("sampling_parameters", 120_000.0, sampler),
            _measured("sample_peak_rss_bytes", self.plan.memory_bytes * 1.02, sampler),
            _measured("sample_peak_rss_net_bytes", self.plan.own_memory_bytes * 0.5, sampler),
            _measured("sample_flops", self.plan.sample_flops * way.evaluations, sampler),
            self._joules("sample_joules", 1 / throughput, sampler),
        ]

    def _joules(self, metric: str, seconds: float, sampler: str = "") -> Measurement:
        if self.watts is None:
            return _measured(metric, None, sampler, source=NO_ENERGY)
        return _measured(metric, self.watts * seconds, sampler)

    def _wobble(self, sd: float) -> float:
        return float(np.exp(sd * self.generator.standard_normal()))

    def _audit(self, failed: bool) -> Audit:
        spent = self.seconds * (0.4 if failed else 1.0)
        return Audit(
            axis="seconds", asked=self.seconds, spent_s=spent + 0.004, spent_steps=self.plan.steps,
            spent_samples=self.plan.steps * 128, spent_flops=self.plan.steps * self.plan.flops_per_step,
            spent_joules=None if self.watts is None else self.watts * spent, overrun=0.0 if failed else 0.004,
            last_update=self.seconds / self.plan.steps, parameters_asked=200_000,
            parameters=199_000,
        )  # fmt: skip

    def _phases(self, reference: bool) -> dict[str, float]:
        train = {} if reference else {"build": 0.05, "train": self.seconds}
        return {"start": 0.3, "data": 0.1, **train, "sample": 1.1, "measure": 1.4}


def _measured(
    metric: str,
    value: float | None,
    sampler: str = "",
    source: str = "built",
    n: int | None = None,
    repeats: tuple[float, ...] = (),
) -> Measurement:
    unit = METRICS[metric.partition("@")[0]].unit
    return Measurement(metric=metric, value=value, unit=unit, source=source, sampler=sampler, n=n, repeats=repeats)


def _repeats(value: float) -> tuple[float, ...]:
    return (value * 0.98, value, value * 1.03)


def _timing(control_s: float = QUIET_S, invalid: Sequence[str] = ()) -> Timing:
    return Timing(control_s=(control_s, control_s), steal_share=0.002, foreign_share=0.01, invalid=tuple(invalid))


def _failure() -> Failure:
    tail = 'Traceback (most recent call last):\n  File "flow.py", line 7\nRuntimeError: planted failure'
    return Failure(phase="train", kind="RuntimeError", message="planted failure", elapsed_s=2.4, tail=tail)


_BOOTSTRAPS = np.exp(0.05 * np.random.default_rng(11).standard_normal(200))
"""What resampling the reference does to every FID alike."""

_FINGERPRINT = {"device": "cpu", "cpu": "Example CPU", "cores": "2", "memory_bytes": "8000000000", "system": "Linux"}


def _manifest(records: Sequence[Record], seeds: int, seconds: float) -> Manifest:
    contenders = sorted({r.cell.contender for r in records if r.family != REFERENCE})
    return Manifest(
        run="built", command=("run_bench.py", "run", "quick"), fingerprint=_FINGERPRINT, versions={"paragone": "0.1.0"},
        commit="0" * 40, order=tuple(r.cell.id for r in records), references=tuple(REFERENCES),
        suite={"name": "quick", "seeds": list(range(seeds)), "tracks": [TRACK], "contenders": contenders,
               "train": f"{seconds:g} s", "parameters": 200_000, "samples": 1000},
        twins={TRACK: {"train": 8.9e8, "sample": 8.9e8, "evaluate": 8.9e8}},
        started="2026-01-05T10:00:00+00:00", ended="2026-01-05T10:04:31+00:00", wall_s=271.0,
    )  # fmt: skip
