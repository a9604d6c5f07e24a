"""The harness: suites, cells, budgets, measurements, records, verdicts."""
