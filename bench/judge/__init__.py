"""Statistics, rankings, verdicts: pure functions of numbers and tables, without torch and without files."""
