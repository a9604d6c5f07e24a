"""Statistics, rankings, verdicts: pure functions of numbers and tables, without torch and without files."""

from paragone.bench.judge.orderings import OrderVerdict, Pair, order_verdict

__all__ = ["OrderVerdict", "Pair", "order_verdict"]
