"""Every metric: unit, direction, scale, what it was computed on, where it comes from, what it cannot see.

The one list that runner, judge and reports share; importing it costs nothing.
"""

from dataclasses import dataclass
from typing import Literal

SIDES = (8, 12, 16, 24, 32)
"""Sides in pixels of the images at which `latency_pixels_exponent` is measured, its repeats in this order: multiples of 4, and
the same whatever the data's size, so that exponents of two tracks can be compared."""
Direction = Literal["lower", "higher", "none"]
Scale = Literal["log", "identity"]
Data = Literal["image", "labelled", "points"]
Group = Literal["quality", "likelihood", "speed", "cost", "memory", "probe", "stability", "task"]


@dataclass(frozen=True)
class Metric:
    """One metric. `direction` is the better one, `none` where closeness to a value or nothing at all is better.

    `needs` says on how many items it is computed and against what; `blind` what it cannot see; `data` on which data a metric of
    quality or likelihood exists.
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
    data: Data = "image"

    @property
    def better(self) -> Literal["lower", "higher"]:
        """The direction in which comparisons read it; where none is better, as it stands: lower first."""
        return "higher" if self.direction == "higher" else "lower"


_N = "N generated items against the whole test split"
_PRD = "Kynkaanniemi et al. 2019, arXiv:1904.06991, k = 3"


def _in_phase(phase: str, words: str) -> tuple[Metric, ...]:
    """Memory and state of the device in one phase of a cell."""
    rss = "VmHWM, the mark reset at the beginning of the phase"
    rows: tuple[tuple[str, str, str, Direction, Scale, str, str], ...] = (
        ("peak_rss_bytes", f"peak memory in {words}", "bytes", "lower", "log", rss, "what is the contender's own"),
        ("peak_rss_net_bytes", f"peak memory in {words}, net", "bytes", "lower", "log", f"{rss}, less that of the empty twin", ""),
        ("cuda_allocated_bytes", f"CUDA allocated in {words}", "bytes", "lower", "log", "torch's allocator, peak",
         "context, libraries, fragmentation"),
        ("cuda_reserved_bytes", f"CUDA reserved in {words}", "bytes", "lower", "log", "torch's allocator, peak",
         "context, libraries"),
        ("nvml_process_bytes", f"NVML process memory in {words}", "bytes", "lower", "log", "NVML, list of compute processes", ""),
        ("nvml_device_bytes", f"NVML device memory in {words}", "bytes", "lower", "log",
         "NVML, used memory of the device over that at the cell's start", "other processes on the device"),
        ("power_w", f"power in {words}", "W", "lower", "log", "NVML, mean of samples", "peaks between samples"),
        ("gpu_utilisation", f"GPU busy in {words}", "share", "none", "identity", "NVML, mean of samples",
         "how much of the GPU a kernel uses"),
        ("sm_clock_mhz", f"SM clock in {words}", "MHz", "none", "identity", "NVML, mean of samples", ""),
        ("temperature_c", f"temperature in {words}", "C", "none", "identity", "NVML, highest of samples", ""),
    )  # fmt: skip
    return tuple(
        Metric(
            f"{phase}_{name}",
            label,
            "memory" if unit == "bytes" else "cost",
            unit,
            better,
            scale,
            "the cell's process",
            source,
            blind,
        )
        for name, label, unit, better, scale, source, blind in rows
    )


_METRICS = (
    Metric("fid", "FID", "quality", "", "lower", "log", _N, "Heusel et al. 2017, arXiv:1706.08500, through torch-fidelity",
           "memorisation, rare failures; depends on N and on the reference's draw"),
    Metric("fid_floor", "FID at the floor's N", "quality", "", "lower", "log", "mean of 10 subsets as large as held-out real",
           "as fid, at the N at which held-out real can be judged", "as fid"),
    Metric("fid_second_encoder", "FID, second encoder", "quality", "", "lower", "log", _N,
           "as fid, features of the dataset's second encoder, of another kind", "as fid"),
    Metric("fid_bootstrap", "FID, reference resampled", "quality", "", "lower", "log", _N,
           "mean of FID against 200 bootstraps of the test split, the same for every entry; repeats in their order", "as fid"),
    Metric("fid_infinity", "FID at infinite N", "quality", "", "lower", "log", "subsets of the N generated items",
           "Chong and Forsyth 2020, arXiv:1911.07023: a line in 1 / N, taken to 0; the reference stays finite", "as fid"),
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
    Metric("clipped_density", "clipped density", "quality", "share of real's", "higher", "identity", _N,
           "Salvy et al. 2025, arXiv:2507.01761, k = 5", "diversity"),
    Metric("clipped_coverage", "clipped coverage", "quality", "share of real's", "higher", "identity", _N,
           "Salvy et al. 2025, arXiv:2507.01761, k = 5", "quality of samples far from all real ones"),
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
    Metric("nearest_train_ratio", "nearness to training data", "quality", "ratio", "none", "identity",
           "N generated items against the training and the test split",
           "median of d(nearest training item) / d(nearest test item), shifts of one pixel allowed", "few copies among many"),
    Metric("class_accuracy", "class accuracy", "quality", "share", "higher", "identity", "N items asked for classes",
           "share that the frozen classifier puts into the class that was asked for", "variety within a class", "labelled"),
    Metric("class_coverage", "coverage within classes", "quality", "share", "higher", "identity",
           "items asked for a class against the test items of that class",
           "mean over classes of coverage (Naeem et al. 2020), k = 5", "quality of samples far from all real ones", "labelled"),
    Metric("class_spread", "spread within classes", "quality", "ratio to real", "none", "identity",
           "items asked for a class against the test items of that class",
           "geometric mean over classes of the mean distance of two items over that of two real ones, frozen features",
           "whether what is varied is real", "labelled"),
    Metric("energy_distance", "energy distance", "quality", "", "lower", "identity", _N,
           "Szekely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018, unbiased: may fall below 0", "memorisation", "points"),
    Metric("validation_energy_distance", "validation energy distance", "quality", "", "lower", "identity",
           "N generated items against the validation split",
           "as energy_distance; used to choose the best of a family, never to rank",
           "as energy_distance", "points"),
    Metric("modes", "modes found", "quality", "1", "higher", "identity", "N generated points against the known modes",
           "modes with at least 20 points within three standard deviations", "balance between modes", "points"),
    Metric("high_quality_share", "points at modes", "quality", "share", "higher", "identity",
           "N generated points against the known modes", "share within three standard deviations of a mode; real data has .989",
           "which modes they are", "points"),
    Metric("mode_divergence", "imbalance of modes", "quality", "nats", "lower", "identity",
           "N generated points against the known modes", "KL divergence of the shares of the modes from equal ones (reverse KL)",
           "points between modes", "points"),
    Metric("bits_per_dim", "bits/dim", "likelihood", "bits/dim", "lower", "identity", "the whole test split",
           "-log2 P(x) / D of discrete levels, at the end of training", "sample quality"),
    Metric("bits_per_dim_best", "bits/dim at best", "likelihood", "bits/dim", "lower", "identity", "the whole test split",
           "as bits_per_dim, at the checkpoint that is best on validation data", "sample quality"),
    Metric("validation_bits_per_dim", "validation bits/dim", "likelihood", "bits/dim", "lower", "identity",
           "the whole validation split", "as bits_per_dim, on validation data", "sample quality"),
    Metric("train_bits_per_dim", "training bits/dim", "likelihood", "bits/dim", "none", "identity",
           "training items, as many as test has", "as bits_per_dim, on training data: the gap to test shows memorising", ""),
    Metric("log_density_gap", "gap to the true density", "likelihood", "nats", "lower", "identity", "the whole test split",
           "mean of the true log-density less the learned one: KL divergence from the data, at most so much for a bound", "",
           "points"),
    Metric("validation_log_density_gap", "validation gap to the true density", "likelihood", "nats", "lower", "identity",
           "the whole validation split", "as log_density_gap, on validation data", "", "points"),
    Metric("train_log_density_gap", "training gap to the true density", "likelihood", "nats", "none", "identity",
           "training items, as many as test has", "as log_density_gap, on training data", "", "points"),
    Metric("validation_fid", "validation FID", "quality", "", "lower", "log", "N generated items against the validation split",
           "as fid; used to choose the best of a family, never to rank", "as fid"),
    Metric("energy_distance_noise", "noise of an evaluation", "stability", "", "none", "identity",
           "several draws of one trained model", "standard deviation of the energy distance over draws", "the noise of training",
           "points"),
    Metric("fid_noise", "noise of an evaluation", "stability", "log sd", "none", "identity", "several draws of one trained model",
           "standard deviation of log FID over draws with different random numbers", "the noise of training"),
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
    Metric("train_flops", "training flops", "cost", "flop", "none", "log", "the counted updates, their mean in between",
           "the formulas of torch's FlopCounterMode and for what it misses: two for a multiplication with addition",
           "operators without a formula: flops_time_share says how much time those take"),
    Metric("train_joules", "energy in training", "cost", "J", "lower", "log", "", "NVML, or RAPL of the whole package",
           "with RAPL: what others did on the machine"),
    Metric("sample_joules", "energy an item", "cost", "J", "lower", "log", "N items", "NVML, or RAPL of the whole package",
           "with RAPL: what others did on the machine"),
    Metric("evaluate_joules", "energy in evaluation", "cost", "J", "none", "log", "", "NVML, or RAPL of the whole package",
           "with RAPL: what others did on the machine"),
    Metric("train_cpu_s", "processor time in training", "cost", "s", "lower", "log", "", "user and system time", ""),
    Metric("sample_cpu_s", "processor time in sampling", "cost", "s", "lower", "log", "", "user and system time", ""),
    Metric("evaluate_cpu_s", "processor time in evaluation", "cost", "s", "none", "log", "", "user and system time",
           ""),
    Metric("sample_flops", "flops an item", "cost", "flop", "lower", "log", "one call of sample, one item", "as train_flops",
           "as train_flops"),
    Metric("flops_utilisation", "utilisation in training", "cost", "share of peak", "higher", "log", "",
           "train_flops / train_s over control_flops_per_s: Chowdhery et al. 2022, arXiv:2204.02311, on a measured peak", ""),
    Metric("sample_flops_utilisation", "utilisation in sampling", "cost", "share of peak", "higher", "log", "",
           "sample_flops x sample_throughput_per_s over control_flops_per_s", ""),
    Metric("flops_time_share", "time in counted operators", "cost", "share", "none", "identity", "the counted updates",
           "seconds in operators that have a formula over seconds in all operators", ""),
    Metric("control_flops_per_s", "speed of the machine", "cost", "flop/s", "none", "log", "before and after the cell",
           "the faster of a fixed matrix product and a fixed convolution, a tenth of a second", ""),
    Metric("control_s", "control workload", "cost", "s", "none", "log", "before and after the cell",
           "time of a fixed matrix product and a fixed convolution; repeats are before, after", ""),
    Metric("profile_thread_share", "sampling thread", "cost", "share", "none", "identity", "the whole cell",
           "the thread's own time over the cell's", ""),
    Metric("profile_boundary_s", "phase boundary", "cost", "s", "none", "identity", "the whole cell", "perf_counter, median", ""),
    *(metric for phase, words in (("train", "training"), ("sample", "sampling"), ("evaluate", "evaluation"))
      for metric in _in_phase(phase, words)),
    Metric("train_own_memory_bytes", "own memory in training", "memory", "bytes", "lower", "log", "the cell's process",
           "on CUDA the allocator's peak, else the peak resident set less that of the empty twin", ""),
    Metric("sample_own_memory_bytes", "own memory in sampling", "memory", "bytes", "lower", "log", "the cell's process",
           "on CUDA the allocator's peak, else the peak resident set less that of the empty twin", ""),
    Metric("train_memory_per_item_bytes", "memory an item of a training batch", "probe", "bytes", "lower", "log",
           "untrained copies at three batch sizes", "least-squares slope of the peak of tensors in 16 updates on batch size",
           "what torch's allocator does not hand out; what the heap adds"),
    Metric("sample_memory_per_item_bytes", "memory an item sampled at once", "probe", "bytes", "lower", "log",
           "the trained contender at several sizes", "least-squares slope of the peak of tensors in one call on the items drawn",
           "as train_memory_per_item_bytes"),
    Metric("train_memory_steps_exponent", "growth of memory with updates", "probe", "exponent", "none", "identity",
           "an untrained copy after 16, 32, 64 updates", "slope of the log peak of tensors on log updates; repeats are log peaks",
           "as train_memory_per_item_bytes"),
    Metric("latency_pixels_exponent", "growth of time with pixels", "probe", "exponent", "none", "identity",
           "untrained copies at several image sizes", "slope of log latency on log pixels; repeats are log latencies", ""),
    Metric("tiny_space_total", "total probability", "probe", "share", "none", "identity", "every picture of a tiny space",
           "sum of exp(log_prob) of a copy trained there", ""),
    Metric("tiny_space_distance", "samples against likelihood", "probe", "share", "lower", "identity", "samples of a tiny space",
           "total variation between drawn frequencies and exp(log_prob), less what sampling noise alone gives", ""),
    Metric("interpolation_distance", "distance along interpolations", "probe", "ratio", "lower", "log",
           "lines between two latents, decoded",
           "distance to the nearest real item along the line, in frozen features, over that of its ends", "variety"),
    Metric("interpolation_confidence", "confidence along interpolations", "probe", "ratio", "higher", "log",
           "lines between two latents, decoded", "largest class probability along the line over that of its ends, frozen encoder",
           "variety"),
    Metric("latent_probe_accuracy", "class read from the latent", "probe", "share", "higher", "identity",
           "drawn latents and what they decode to", "logistic regression from z to the frozen encoder's class, 5-fold", ""),
    Metric("code_probe_gain", "gain of codes over PCA", "probe", "share", "higher", "identity", "codes of training and test items",
           "test accuracy of logistic regression on codes less that on as many principal components", ""),
    Metric("compression_ratio_to_pca", "reconstruction against PCA", "probe", "ratio", "lower", "log", "test items",
           "mean squared error of decode(encode(x)) over that of as many principal components", ""),
    Metric("denoising_ratio_to_pca", "denoising against PCA", "probe", "ratio", "lower", "log", "test items with noise",
           "mean squared error of decode(encode(x + noise)) to x over that of as many principal components", ""),
    Metric("anomaly_gain_over_pca", "anomalies against PCA", "probe", "share", "higher", "identity", "test items and strange ones",
           "area under the ROC curve of the reconstruction error less that of as many principal components", ""),
    Metric("inversion_error", "error of the inverse", "probe", "", "lower", "identity", "test items",
           "largest |decode(encode(x)) - x| where x lies in [-1, 1]", ""),
    Metric("forward_end_gap", "forward process from its end", "probe", "", "lower", "identity", "training items at the last step",
           "largest of |mean|, |standard deviation - 1| and |correlation with x| over pixels' average, less sampling noise", ""),
    Metric("forward_variance_gap", "forward process: kept variance", "probe", "", "lower", "identity",
           "training items at nine times", "largest |a_t^2 + s_t^2 - 1|, a_t and s_t fitted to noised items", ""),
    Metric("objective_gap", "loss against its parts", "probe", "share", "lower", "identity", "one update",
           "|loss - (reconstruction + KL)| / |loss| as logged", ""),
    Metric("classifier_accuracy", "classifier of the same budget", "probe", "share", "higher", "identity", "the whole test split",
           "test accuracy of a convolutional classifier with the suite's training budget and parameters", ""),
    Metric("latency_steps_exponent", "growth of time with steps", "probe", "exponent", "none", "identity",
           "a contender's samplers", "slope of log latency on log network evaluations over its samplers", ""),
    Metric("memory_steps_exponent", "growth of memory with steps", "probe", "exponent", "none", "identity",
           "a contender's samplers", "slope of log own memory in sampling on log network evaluations over its samplers", ""),
    Metric("share_right", "share put right", "probe", "share", "higher", "identity", "as two-sample and classifier accuracy",
           "generation: 2 (1 - two-sample accuracy), the share not told from real; classification: accuracy", ""),
    Metric("rank_agreement", "agreement of metrics", "probe", "correlation", "none", "identity", "all entries of a seed",
           "lowest Spearman correlation between the ranking by FID and the rankings by the other quality metrics", ""),
    Metric("stability", "stability", "stability", "share", "higher", "identity", "learning-rate variants",
           "share of learning-rate factors that reach twice the contender's own median FID at its best factor", ""),
    Metric("stability_common", "stability, common target", "stability", "share", "higher", "identity", "learning-rate variants",
           "share of learning-rate factors that reach F + .1 (H - F), F held-out real, H independent pixels", ""),
    Metric("stability_drawdown", "drawdown", "stability", "log ratio", "lower", "identity", "curves of 16 evaluations",
           "worst quarter of log FID over its best so far, less what evaluation noise alone gives", ""),
    Metric("stability_sensitivity", "sensitivity to the rate", "stability", "log ratio", "lower", "identity",
           "learning-rate variants", "mean excess of log FID over the grid above that at the best factor", ""),
    Metric("density_integral", "integral of the density", "probe", "1", "none", "identity", "a fine grid over the plane",
           "sum of exp(log_prob) x the cell's area", ""),
    Metric("class_accuracy_guidance_slope", "faith against guidance", "task", "1", "none", "identity", "samplers cfg-w, w >= 1",
           "slope of class accuracy on log w", ""),
    Metric("coverage_guidance_slope", "diversity against guidance", "task", "1", "none", "identity", "samplers cfg-w, w >= 1",
           "slope of coverage within classes on log w", ""),
    Metric("guidance_gap", "guidance formula", "probe", "", "lower", "identity", "samplers cfg-0 and cfg-1",
           "largest change of samples with the class at w = 0, and to the conditional sampler at w = 1", ""),
    Metric("style_scale_ratio", "styles at scales", "probe", "ratio", "none", "log", "mixed styles",
           "coarse change by early layers over that by late ones", ""),
    Metric("exposure_slope", "exposure bias", "task", "1", "none", "identity", "32 tokens after prefixes of 16 to 256",
           "slope, on log length, of the log ratio of n-gram divergences after own and after held-out prefixes", ""),
    Metric("left_given_right_ratio", "left half given the right", "task", "ratio", "lower", "log", "halves of held-out lines",
           "error of the left half given the right over that of the right given the left", ""),
    Metric("ngram_divergence", "n-gram divergence", "task", "nats", "lower", "identity", "equal numbers of characters",
           "Jensen-Shannon divergence of n-grams to held-out text at matched entropy", "meaning"),
    Metric("bits_per_byte", "bits/byte", "task", "bits/byte", "lower", "identity", "held-out text",
           "one scoring rule for all: stated context and stride", "sample quality"),
    Metric("translation_error", "error of translation", "task", "1", "lower", "log", "test pairs",
           "mean absolute difference to the true translation", ""),
    Metric("content_kept", "content kept", "task", "share", "higher", "identity", "test pairs",
           "share of translations whose content a frozen encoder still recognises", ""),
    Metric("condition_gain", "gain of a condition", "task", "share", "higher", "identity", "text, image and sketch in turn",
           "smallest gain of satisfied conditions over unconditional samples", ""),
    Metric("satisfied_share", "captions satisfied", "task", "share", "higher", "identity", "unseen compositions",
           "exact checker of the drawn shapes", ""),
    Metric("satisfied_attributes_slope", "satisfied against asked", "task", "1", "none", "identity", "1 to 4 attributes",
           "slope of the satisfied share on the number of attributes", ""),
    Metric("satisfied_width_slope", "satisfied against width", "task", "1", "none", "identity", "several widths",
           "slope of the satisfied share on log width", ""),
    Metric("frechet_audio_distance", "audio distance", "task", "1", "lower", "log", "N generated items against the test split",
           "Frechet distance in a frozen in-domain encoder", "as fid"),
    Metric("frechet_video_distance", "video distance", "task", "1", "lower", "log", "N generated items against the test split",
           "Frechet distance over frames and frame differences", "as fid"),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}


def split_share(name: str) -> tuple[str, float]:
    """Name and budget share of a measurement: `fid@0.25` is (`fid`, .25), `fid` is (`fid`, 1)."""
    base, _, share = name.partition("@")
    return base, float(share) if share else 1.0


def at_share(name: str, share: float) -> str:
    """The measurement's name at a budget share: `fid@0.25`, and `fid` at 1."""
    return name if share == 1.0 else f"{name}@{share:g}"
