"""How a run was made, in words: headline, method, definitions, environment, and the commands that make it again."""

import shlex
from itertools import pairwise

from paragone.bench.judge.timings import CONTROL_BOUND
from paragone.bench.metrics.table import METRICS, Metric
from paragone.reports import style
from paragone.reports.run import Run, Track

_METHOD = """
{contenders} were trained from scratch on the training part of {data}, {seeds}, {budget} each.

Widths were solved for {parameters} trained parameters, within 10 %.

The clock counts updates with the batch they need, compilation and warm-up included, and stands still during evaluation; it is
read after every update, and an update whose flops are counted is charged the time of those before it.

Each cell ran in a process of its own, seeds in the outer loop and contenders shuffled within each seed; times count only where
nothing disturbed the cell and a fixed workload around it ran within a factor {bound} of the run's median.

Samples are rounded to the data's own levels; each entry is judged on {items} of them against the whole test part, in the
features of one frozen encoder that saw training data only.

Quality is the Fréchet distance of these features (FID, lower is better); held-out real is the floor, independent pixels are
hopeless.

Values are means over seeds (geometric for FID, times and bytes) with 95 % intervals by Student's t, from 20 seeds on
interquartile means with bootstrap intervals.

Rank intervals come from paired tests over seeds, corrected by Holm; entries that surely lie within 5 % share a rank.

A verdict needs paired one-sided tests of every neighbouring pair, for the best and the typical contender of each family, after
correction over all claims at 5 % (Benjamini and Hochberg); what does not reach that is undetermined.

An entry that repeats training items more often than held-out data does keeps its row without quality rank; failed cells are
ranked last.
"""


def headline(run: Run) -> list[str]:
    """Suite, data, seeds, budget and machine, each a few words."""
    suite, machine = run.manifest.suite, run.manifest.fingerprint
    budget = suite.get("budget") or {}
    parts = [style.names([track.name for track in run.tracks]) or "no track", style.plural(len(run.seeds), "seed")]
    if isinstance(budget, dict) and budget.get("train"):
        parts.append(f"{style.line(budget['train'], 40)} of training each")
    if isinstance(budget, dict) and budget.get("parameters"):
        parts.append(f"{style.count(float(budget['parameters']))} parameters each")
    device = machine.get("gpu") or machine.get("device", "")
    if device in ("", "cpu"):
        cores = machine.get("cores", "")
        many = f"{cores} CPU core{'' if cores == '1' else 's'}" if cores else ""
        device = ", ".join(part for part in (machine.get("cpu", ""), many) if part) or device
    return parts + ([style.line(device, 60)] if device else [])


def finished(run: Run) -> str:
    """When the run started (minutes suffice) and how long it took."""
    start = style.line(run.manifest.started, 40)[:16].replace("T", " ")
    if run.manifest.ended is None:
        return f"{start} · not finished"
    return f"{start} · {style.seconds(run.manifest.wall_s)}" if run.manifest.wall_s else start


def incomplete(run: Run) -> str:
    """What to know before reading on where the run is not whole; "" where it is."""
    planned = len(run.manifest.order)
    if not run.records:
        return "No cell of this run has finished yet: there is nothing to compare."
    if run.manifest.ended is None or len(run.records) < planned:
        done = f"{len(run.records)} of {style.plural(planned, 'cell')}"
        return f"This run is not finished: {done} are done, and all that follows is of these."
    return ""


def sentences(run: Run) -> list[str]:
    """The method in ten sentences, with this run's own figures."""
    budget = run.manifest.suite.get("budget")
    given = budget if isinstance(budget, dict) else {}
    items = sorted({n for track in run.tracks for n in sizes(track, "fid")})
    filled = _METHOD.format(
        bound=f"{CONTROL_BOUND:g}",
        contenders=style.names(run.contenders) or "No contenders",
        data=style.names(list(dict.fromkeys(track.dataset for track in run.tracks))) or "no data",
        seeds=style.plural(len(run.seeds), "seed"),
        budget=style.line(given["train"], 40) if given.get("train") else "the same budget",
        parameters=f"about {style.count(float(given['parameters']))}" if given.get("parameters") else "equally many",
        items=style.names([style.count(n) for n in items]) or "equally many",
    )
    return [style.line(sentence, 600) for sentence in (*filled.strip().split("\n\n"), *_numbers(run))]


def _numbers(run: Run) -> list[str]:
    """Who computed in which number format, and whether networks were compiled, where the suite asks for other than the usual."""
    asked = run.manifest.suite.get("training")
    given = asked if isinstance(asked, dict) else {}
    told = []
    if given.get("precision", "float32") != "float32":
        formats: dict[str, list[str]] = {}
        for record in run.records:
            if record.audit is not None and record.cell.contender not in formats.setdefault(record.precision, []):
                formats[record.precision].append(record.cell.contender)
        used = "; ".join(f"{style.names(names)} in {words}" for words, names in formats.items())
        told.append(f"Updates and sampling computed in the number format that a contender allows: {used}.")
    if given.get("compile"):
        told.append("Networks were compiled by torch.compile at their first call, and the time it took is training time.")
    return told


def definitions(run: Run) -> list[Metric]:
    """The metrics of this run, in the table's order."""
    present = {str(name).partition("@")[0] for name in run.measurements["metric"].unique()}
    return [metric for metric in METRICS.values() if metric.name in present]


def environment(run: Run) -> list[tuple[str, str]]:
    """Run, commit, seeds, machine and versions as pairs of words."""
    manifest = run.manifest
    pairs = [
        ("run", manifest.run),
        ("suite", str(manifest.suite.get("name", style.MISSING))),
        ("commit", manifest.commit or "not under git"),
        ("seeds", ", ".join(str(seed) for seed in run.seeds)),
        ("started", manifest.started),
        ("ended", manifest.ended or "not finished"),
        ("schema version", str(manifest.schema_version)),
    ]
    pairs += [(f"machine: {name}", value) for name, value in sorted(manifest.fingerprint.items())]
    pairs += [(f"version: {name}", value) for name, value in sorted(manifest.versions.items())]
    return [(style.line(name, 60), style.line(value, 200)) for name, value in pairs]


def commands(run: Run) -> list[tuple[str, str]]:
    """What each command does, and the command: the run again, one cell of it, its reports."""
    words = [style.line(word, 300) for word in run.manifest.command]
    if words and words[0].endswith((".py", "paragone")):
        words = words[1:]
    words = words or ["run", style.line(run.manifest.suite.get("name", "quick"), 60)]
    folder = _value_of(words, "--out") or f"results/{style.line(run.manifest.run, 80)}"
    again = shlex.join(["python", "run_bench.py", *_without_folder(words)])
    cell = next((r.cell.id for r in run.records if r.audit is not None), run.records[0].cell.id if run.records else "CELL")
    return [
        ("the whole run, into a new folder", again),
        ("any single cell, here the first", f"{again} --cell {shlex.quote(cell)}"),
        ("tables, plots and reports from the records", shlex.join(["python", "run_bench.py", "report", folder])),
    ]


def _value_of(words: list[str], option: str) -> str:
    """What follows an option, `--out DIR` or `--out=DIR`; "" where it is not given."""
    joined = [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]
    apart = [value for word, value in pairwise(words) if word == option]
    return (joined + apart + [""])[0]


def _without_folder(words: list[str]) -> list[str]:
    """A command without what ties it to its old folder."""
    before = ["", *words]
    return [
        word
        for previous, word in zip(before, words, strict=False)
        if previous != "--out" and word not in ("--out", "--resume") and not word.startswith("--out=")
    ]


def sizes(track: Track, metric: str) -> list[int]:
    """On how many items a metric was computed, over the competitors' records: each number once."""
    found = {
        m.n
        for entry in track.competitors
        for record in entry.records
        for m in record.measurements
        if m.metric == metric and m.value is not None and m.n is not None
    }
    return sorted(found)
