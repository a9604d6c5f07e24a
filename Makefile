# Two commands set everything up on a fresh machine: `make bench` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: bench test test-long check clean

bench: .venv/installed  ## environment, then the quick suite
	$(BIN)/python run_bench.py

test: .venv/installed check  ## environment, then all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -p no:benchmark --ignore tests/perf --ignore tests/cli
	$(BIN)/python -m pytest -p no:benchmark tests/cli
	$(BIN)/python -m pytest tests/perf

test-long: .venv/installed  ## the proofs that take minutes
	$(BIN)/python -m pytest -m long -p no:benchmark

check: .venv/installed  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p build/typing/paragone
	for part in models bench reports; do ln -sfn ../../../$$part build/typing/paragone/$$part; done
	$(BIN)/mypy

# Versions are pinned by constraints, so that only what this machine needs is installed.
.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[test]'
	touch $@

clean:
	rm -rf .venv build *.egg-info
