"""The house: imports go one way, files and functions stay small, reading a run needs no torch, every metric says what it is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from paragone.bench.metrics.table import METRICS

ROOT = Path(__file__).parents[1]
CODE = sorted(path for part in ("models", "bench", "reports") for path in (ROOT / part).rglob("*.py"))
ALLOWED = {"models": {"models"}, "bench": {"models", "bench"}, "reports": {"bench", "reports"}}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    part = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        if name.startswith("paragone."):
            assert name.split(".")[1] in ALLOWED[part], f"{path} imports {name}"
        assert name.split(".")[0] not in ("bench", "models", "reports"), f"{path} imports {name}"


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_are_small(path):
    text = path.read_text()
    assert text.count("\n") <= 400
    assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno <= 60, f"{path}:{node.lineno} {node.name}"


@pytest.mark.parametrize(
    "module",
    [
        "paragone.bench.records",
        "paragone.bench.longtable",
        "paragone.bench.judge",
        "paragone.reports",
        "paragone.bench.history.index",
        "paragone.bench.history.importing",
        "paragone.bench.history.checking",
        "paragone.bench.history.calibration",
        "paragone.reports.ci.command",
        "paragone.reports.history_page",
    ],
)
def test_reading_a_run_needs_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd="/").returncode == 0


def test_every_metric_says_what_it_is():
    for name, metric in METRICS.items():
        assert name == metric.name
        assert metric.source, name
        suffix = {"bytes": "_bytes", "s": "_s", "1/s": "_per_s"}.get(metric.unit)
        assert suffix is None or name.endswith(suffix), name


def test_listed_packages_are_all_there_are():
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {"paragone." + str(p.parent.relative_to(ROOT)).replace("/", ".") for p in CODE if p.name == "__init__.py"}
    assert set(listed) == found
