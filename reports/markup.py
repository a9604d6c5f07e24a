"""Words and tables as GitHub-flavoured Markdown: foreign text is escaped, so that it is read as text."""

import re
from collections.abc import Sequence

from paragone.reports import style


def text(value: object, limit: int = 400) -> str:
    """Foreign text on one line, so that neither Markdown nor HTML reads markup in it."""
    return re.sub(r"([\\`*_\[\]<>|#~$])", r"\\\1", style.line(value, limit)).replace("\\<", "&lt;").replace("\\>", "&gt;")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A Markdown table of ready texts; `right` are the columns aligned to the right."""
    rule = ["--:" if place in right else ":--" for place in range(len(heads))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [list(heads), rule, *(list(row) for row in rows)])
