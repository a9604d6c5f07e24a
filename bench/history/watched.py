"""What the history watches: the kind of each metric, and the smallest effect that is worth waking somebody for.

time     ratio to the control workload; seconds, and items a second        3 %
memory   net of the empty twin; torch's allocator on CUDA                  2 %
energy   ratio to the control workload                                     5 %
quality  the seeds are the replicates                                      by metric
exact    compared to the letter: parameters, flops, samples seen, hash of the samples
"""

import math
from dataclasses import dataclass
from typing import Literal

from paragone.bench.history.series import Kind
from paragone.bench.metrics.table import METRICS

SAMPLES_HASH = "samples_hash"
"""The exact series that stands for the judged samples of an entry, all seeds together."""
BENCHMARK = "benchmark_s"
"""The series of one test of pytest-benchmark: the median of its rounds."""
SMALLEST: dict[Kind, float] = {"time": math.log(1.03), "memory": math.log(1.02), "energy": math.log(1.05)}


@dataclass(frozen=True)
class Watch:
    """How one metric is watched; `smallest` is an effect in compared values: a log ratio, or in its unit on `identity`."""

    metric: str
    label: str
    unit: str
    kind: Kind
    scale: Literal["log", "identity"]
    sign: Literal[1, -1]
    smallest: float

    @property
    def relative(self) -> bool:
        """True where a difference of compared values is the log of a ratio."""
        return self.scale == "log"

    @property
    def over_control(self) -> bool:
        """True where values are divided by the control workload's time."""
        return self.kind in ("time", "energy") and self.metric != BENCHMARK

    def compared(self, raw: float, control_s: float = 1.0) -> float:
        """The compared value of a raw one, larger is worse; on the log scale it must be positive.

        Items a second are multiplied by the control workload's time, seconds and joules divided by it.
        """
        if not self.relative:
            return self.sign * raw
        return self.sign * math.log(raw) - (math.log(control_s) if self.over_control else 0.0)


def _measured(kind: Kind, *metrics: str) -> list[Watch]:
    return [_watch(metric, kind, SMALLEST[kind]) for metric in metrics]


def _watch(metric: str, kind: Kind, smallest: float) -> Watch:
    known = METRICS[metric]
    return Watch(metric, known.label, known.unit, kind, known.scale, -1 if known.direction == "higher" else 1, smallest)


_WATCHES = (
    *_measured("time", "train_step_s", "sample_latency_s", "sample_throughput_per_s"),
    *_measured("memory", "train_peak_rss_net_bytes", "sample_peak_rss_net_bytes", "train_cuda_allocated_bytes",
               "sample_cuda_allocated_bytes"),
    *_measured("energy", "train_joules", "sample_joules"),
    _watch("fid", "quality", math.log(1.1)),
    _watch("bits_per_dim", "quality", 0.03),
    *(_watch(metric, "exact", 0.0) for metric in ("parameters", "sampling_parameters", "train_flops", "sample_flops",
                                                  "network_evaluations", "train_samples")),
    Watch(SAMPLES_HASH, "hash of the samples", "", "exact", "identity", 1, 0.0),
    Watch(BENCHMARK, "benchmark", "s", "time", "log", 1, SMALLEST["time"]),
)  # fmt: skip

WATCHED: dict[str, Watch] = {watch.metric: watch for watch in _WATCHES}
WORSE_WHEN_MORE = frozenset({"parameters", "sampling_parameters", "train_flops", "sample_flops", "network_evaluations"})
"""Exact metrics of which more is worse; of the others a change is only told."""
KINDS: tuple[Kind, ...] = ("time", "memory", "energy", "quality", "exact")
