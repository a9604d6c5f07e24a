"""Every metric: unit, direction, scale, what it was computed on, where it comes from, what it cannot see.

The one list that runner, judge and reports share; importing it costs nothing.
"""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["lower", "higher", "none"]
Scale = Literal["log", "identity"]
Group = Literal["quality", "likelihood", "speed", "cost", "memory"]


@dataclass(frozen=True)
class Metric:
    """One metric. `direction` is the better one, `none` where closeness to a value or nothing at all is better.

    `needs` says on how many items it is computed and against what; `blind` what it cannot see.
    """

    name: str
    label: str
    group: Group
    unit: str
    direction: Direction
    scale: Scale
    needs: str
    source: str
    blind: str


_N = "N generated items against the whole test split"
_PRD = "Kynkaanniemi et al. 2019, arXiv:1904.06991, k = 3, through torch-fidelity"

_METRICS = (
    Metric("fid", "FID", "quality", "", "lower", "log", _N, "Heusel et al. 2017, arXiv:1706.08500, through torch-fidelity",
           "memorisation, rare failures; depends on N and on the reference's draw"),
    Metric("fid_floor", "FID at the floor's N", "quality", "", "lower", "log", "mean of 10 subsets as large as held-out real",
           "as fid, at the N at which held-out real can be judged", "as fid"),
    Metric("kid", "KID", "quality", "", "lower", "identity", _N,
           "Binkowski et al. 2018, arXiv:1801.01401, unbiased, all items, torch-fidelity's kernel",
           "memorisation; noisy on small sets"),
    Metric("precision", "precision", "quality", "share", "higher", "identity", _N, _PRD, "diversity"),
    Metric("recall", "recall", "quality", "share", "higher", "identity", _N, _PRD,
           "quality: outliers widen it; compare at equal precision only"),
    Metric("density", "density", "quality", "", "higher", "identity", _N, "Naeem et al. 2020, arXiv:2002.09797, k = 5",
           "diversity"),
    Metric("coverage", "coverage", "quality", "share", "higher", "identity", _N, "Naeem et al. 2020, arXiv:2002.09797, k = 5",
           "quality of samples far from all real ones"),
    Metric("high_frequency_ratio", "high frequencies", "quality", "ratio to real", "none", "identity", _N,
           "share of spectral power above half the Nyquist frequency in a direction, over real's",
           "where in the image the detail lies"),
    Metric("two_sample_accuracy", "two-sample accuracy", "quality", "share", "lower", "identity",
           "equal numbers of generated and test items", "arXiv:1610.06545, 5-fold, support vector machine, frozen features",
           "differences that the encoder drops"),
    Metric("class_balance", "class balance", "quality", "share", "higher", "identity", _N,
           "1 - total variation between the classes of generated and of test items by the frozen encoder",
           "variety within a class"),
    Metric("copied_share", "exact copies", "quality", "share", "none", "identity", "N generated items against the training split",
           "share equal to a training item, level by level", "copies with any change"),
    Metric("near_copy_share", "near copies", "quality", "share", "none", "identity",
           "N generated items against the training split",
           "share with d(nearest) / d(second nearest) < 1/3, shifts of one pixel allowed", "copies with strong noise"),
    Metric("bits_per_dim", "bits/dim", "likelihood", "bits/dim", "lower", "identity", "the whole test split",
           "-log2 P(x) / D of discrete levels, at the end of training", "sample quality"),
    Metric("bits_per_dim_best", "bits/dim at best", "likelihood", "bits/dim", "lower", "identity", "the whole test split",
           "as bits_per_dim, at the checkpoint that is best on validation data", "sample quality"),
    Metric("validation_bits_per_dim", "validation bits/dim", "likelihood", "bits/dim", "lower", "identity",
           "the whole validation split", "as bits_per_dim, on validation data", "sample quality"),
    Metric("train_bits_per_dim", "training bits/dim", "likelihood", "bits/dim", "none", "identity",
           "training items, as many as test has", "as bits_per_dim, on training data: the gap to test shows memorising", ""),
    Metric("validation_fid", "validation FID", "quality", "", "lower", "log", "N generated items against the validation split",
           "as fid; used to choose the best of a family, never to rank", "as fid"),
    Metric("train_step_s", "time a training step", "speed", "s", "lower", "log", "all updates", "counted seconds / steps", ""),
    Metric("sample_latency_s", "latency of one", "speed", "s", "lower", "log", "median of repeats, one item", "perf_counter", ""),
    Metric("sample_throughput_per_s", "samples a second", "speed", "1/s", "higher", "log",
           "median of repeats at the best batch size", "perf_counter", "quality"),
    Metric("sampling_setup_s", "preparing to sample", "speed", "s", "lower", "identity", "once", "perf_counter", ""),
    Metric("network_evaluations", "network evaluations", "speed", "1", "none", "identity", "one call of sample",
           "calls of the module that is called most", "their size"),
    Metric("train_s", "training time", "cost", "s", "none", "log", "", "counted by the meter", ""),
    Metric("train_steps", "steps", "cost", "1", "none", "log", "", "counted by the meter", ""),
    Metric("train_samples", "training samples", "cost", "1", "none", "log", "", "counted by the meter", ""),
    Metric("parameters", "trained parameters", "cost", "1", "none", "log", "", "counted", ""),
    Metric("sampling_parameters", "parameters to sample", "cost", "1", "lower", "log", "one call of sample",
           "parameters that sampling touches", ""),
    Metric("train_peak_rss_bytes", "peak memory in training", "memory", "bytes", "lower", "log", "the cell's process",
           "VmHWM, gross", "what is the contender's own"),
    Metric("sample_peak_rss_bytes", "peak memory in sampling", "memory", "bytes", "lower", "log", "the cell's process",
           "VmHWM, gross", "what is the contender's own"),
    Metric("train_peak_rss_net_bytes", "own memory in training", "memory", "bytes", "lower", "log", "the cell's process",
           "VmHWM less the process's resting memory after imports and data", ""),
    Metric("sample_peak_rss_net_bytes", "own memory in sampling", "memory", "bytes", "lower", "log", "the cell's process",
           "VmHWM less the process's resting memory after imports and data", ""),
    Metric("train_cuda_allocated_bytes", "CUDA allocated in training", "memory", "bytes", "lower", "log", "", "torch", ""),
    Metric("train_cuda_reserved_bytes", "CUDA reserved in training", "memory", "bytes", "lower", "log", "", "torch", ""),
    Metric("sample_cuda_allocated_bytes", "CUDA allocated in sampling", "memory", "bytes", "lower", "log", "", "torch", ""),
    Metric("sample_cuda_reserved_bytes", "CUDA reserved in sampling", "memory", "bytes", "lower", "log", "", "torch", ""),
    Metric("train_nvml_process_bytes", "NVML process memory", "memory", "bytes", "lower", "log", "", "NVML", ""),
    Metric("sample_nvml_process_bytes", "NVML process memory", "memory", "bytes", "lower", "log", "", "NVML", ""),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}


def split_share(name: str) -> tuple[str, float]:
    """Name and budget share of a measurement: `fid@0.25` is (`fid`, .25), `fid` is (`fid`, 1)."""
    base, _, share = name.partition("@")
    return base, float(share) if share else 1.0


def at_share(name: str, share: float) -> str:
    """The measurement's name at a budget share: `fid@0.25`, and `fid` at 1."""
    return name if share == 1.0 else f"{name}@{share:g}"
