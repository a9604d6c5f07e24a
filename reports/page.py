"""What the pages share: the templates' environment, marks and badges, and text of others made safe.

All text of others passes the template's escaping; what is marked as HTML is made in this package and escapes what it holds.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from paragone.reports import style

TEMPLATES = Path(__file__).parent / "templates"

_SHAPES: Mapping[str, str] = {
    "o": '<circle cx="8" cy="8" r="6"/>', "s": '<rect x="2.5" y="2.5" width="11" height="11"/>',
    "^": '<path d="M8 1.5 15 14H1z"/>', "v": '<path d="M8 14.5 15 2H1z"/>', "D": '<path d="M8 .8 15.2 8 8 15.2.8 8z"/>',
    "<": '<path d="M1.5 8 14 1v14z"/>', ">": '<path d="M14.5 8 2 1v14z"/>', "p": '<path d="M8 1 15 6.2 12.3 14.5H3.7L1 6.2z"/>',
    "P": '<path d="M5.5 1h5v4.5H15v5h-4.500V15h-5v-4.500H1v-5h4.500z"/>',
    "X": '<path d="M4.5 1 8 4.5 11.5 1 15 4.5 11.5 8 15 11.5 11.5 15 8 11.5 4.5 15 1 11.5 4.5 8 1 4.500z"/>',
}  # fmt: skip
_BADGES: Mapping[str, tuple[str, str]] = {
    "supported": ("supported", '<path d="M2 8.5 6.5 13 14.5 3" fill="none" stroke="currentColor" stroke-width="2.6"/>'),
    "contradicted": ("contradicted", '<path d="M3 3 13 13M13 3 3 13" stroke="currentColor" stroke-width="2.6"/>'),
    "undetermined": ("undetermined", '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2.2"/>'),
    "tie": ("undetermined", '<path d="M2 5.500h12M2 10.500h12" stroke="currentColor" stroke-width="2.6"/>'),
}


def template(name: str) -> Any:
    """A template of this package, with the style sheet at hand as `css`."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=_finalize,
    )  # fmt: skip
    environment.globals["css"] = Markup((TEMPLATES / "report.css").read_text())
    return environment.get_template(name)


def mark(look: style.Look, family: str) -> Markup:
    """An entry's marker as in the plots, hidden from screen readers because its name stands beside it."""
    return Markup('<svg class="mark" viewBox="0 0 16 16" aria-hidden="true" fill="{}">{}</svg>').format(
        colour(family), Markup(_SHAPES.get(look.marker, _SHAPES["o"]))
    )


def colour(family: str) -> str:
    """A family's colour as the page's variable, which is another one in the dark; grey for references and unknown families."""
    return f"var(--f-{family})" if family in style.FAMILY_COLOURS else "var(--reference)"


def badge(word: str) -> Markup:
    """A verdict by word and shape: the colour only repeats them."""
    kind, shape = _BADGES.get(word, _BADGES["undetermined"])
    return Markup('<span class="badge {}"><svg viewBox="0 0 16 16" aria-hidden="true">{}</svg>{}</span>').format(
        kind, Markup(shape), word
    )


def linked(text: str) -> Markup:
    """Foreign text, escaped, with arXiv numbers as links."""
    return Markup(
        re.sub(r"arXiv:(\d{4}\.\d{4,5})", r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', str(escape(style.line(text, 400))))
    )


def sentence(text: str) -> str:
    """A clause with a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _finalize(value: Any) -> Any:
    """What each expression of a template passes: foreign text loses terminal escapes and control characters here."""
    return style.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
