"""What all tests share."""

import torch
from hypothesis import settings

# The tensors of tests are small: a second thread costs more than it gives, above all where other work runs beside.
torch.set_num_threads(1)
# A busy machine is no failure.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def pytest_terminal_summary(terminalreporter):
    """Print what tests recorded as `figure`, passed or not, from whatever process they ran in."""
    reports = [r for state in ("passed", "failed") for r in terminalreporter.stats.get(state, ()) if hasattr(r, "user_properties")]
    figures = sorted({words for r in reports for name, words in r.user_properties if name == "figure"})
    if figures:
        terminalreporter.section("figures")
        for words in figures:
            terminalreporter.write_line(words)
