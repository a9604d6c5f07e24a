"""`list`: what there is, as a head and rows of text."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from paragone.bench.metrics.modalities import MODALITIES, REFERENCES
from paragone.bench.metrics.table import METRICS
from paragone.bench.suite import load_suite, shipped

Rows = tuple[Sequence[str], Sequence[Sequence[str]]]


def contenders() -> Rows:
    """Every contender with its family, modalities, samplers, optional abilities and what its file says first."""
    from paragone.models import registered

    rows = []
    for name, cls in registered().items():
        module = __import__(cls.__module__, fromlist=["__doc__"])
        first = (module.__doc__ or "").strip().split("\n")[0]
        abilities = ", ".join(sorted(cls.abilities())) or "-"
        rows.append((name, cls.family, ", ".join(cls.modalities), ", ".join(cls.samplers), abilities, first))
    for name in REFERENCES:
        where = ", ".join(modality for modality, known in MODALITIES.items() if name in known.references)
        rows.append((name, "reference", where, "default", "-", "competes with nobody"))
    return ("contender", "family", "modalities", "samplers", "abilities", "what it is"), rows


def suites() -> Rows:
    """The suites that ship."""
    rows = []
    for name in shipped():
        suite = load_suite(name)
        tracks = ", ".join(track.name for track in suite.tracks)
        rows.append((name, tracks, str(suite.seeds), suite.budget.train, f"{suite.budget.parameters:,}", suite.title))
    return ("suite", "tracks", "seeds", "training", "parameters", "what it is for"), rows


def datasets() -> Rows:
    """The embedded datasets."""
    from paragone.bench.data import EMBEDDED, load

    rows = []
    for name in EMBEDDED:
        data = load(name)
        sizes = " / ".join(str(len(part)) for part in (data.train, data.validation, data.test))
        shape = "x".join(str(side) for side in data.spec.shape)
        rows.append((name, data.spec.modality, shape, str(data.spec.levels or "-"), sizes, data.source, data.hash))
    return ("dataset", "modality", "shape", "levels", "train / validation / test", "source", "hash"), rows


def metrics() -> Rows:
    """Every metric with what it is and what it cannot see."""
    rows = [(m.name, m.unit or "-", m.direction, m.scale, m.needs or "-", m.source, m.blind or "-") for m in METRICS.values()]
    return ("metric", "unit", "better", "scale", "computed on", "source", "cannot see"), rows


def claims() -> Rows:
    """Every claim of the document: how it is decided, on what, and by which shipped suite."""
    from paragone.bench.deciders import deciding_suites
    from paragone.bench.judge.claims import CLAIMS
    from paragone.bench.judge.evidence import claimed_order

    rows = []
    for claim in CLAIMS:
        suites = ", ".join(deciding_suites(claim)) or f"none yet: needs {', '.join(claim.members)} on {claim.modality} data"
        metrics = ", ".join(claim.metrics)
        rows.append((claim.id, claim.kind, claim.section, claimed_order(claim), metrics, suites, claim.statement))
    return ("claim", "kind", "section", "in short", "metrics", "decided by suite", "statement"), rows


def print_rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere plain text, one unwrapped line a row, columns two spaces apart."""
    console = Console()
    if console.is_terminal:
        table = Table(*head, box=None, padding=(0, 2), header_style="bold")
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
        return
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


LISTINGS: dict[str, Callable[[], Rows]] = {
    "contenders": contenders,
    "suites": suites,
    "datasets": datasets,
    "metrics": metrics,
    "claims": claims,
}
