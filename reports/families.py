"""Which family a contender belongs to, for pages that hold no records: read from the contenders' sources, without importing them.

Each contender says `@register("name", family="family", ...)` in its own file; importing those files would import torch.
Contenders from a user's own files, and benchmarks, have no family here and are drawn in grey.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_REGISTERED = re.compile(r'^@register\(\s*"([^"]+)",\s*family="([^"]+)"', re.MULTILINE)


@cache
def families() -> dict[str, str]:
    """Family by contender's name."""
    spec = find_spec("paragone.models")
    folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    sources = sorted(path for folder in folders for path in Path(folder).glob("*/*.py"))
    return {name: family for path in sources for name, family in _REGISTERED.findall(path.read_text(encoding="utf-8"))}


def family_of(entry: str) -> str:
    """The family of an entry of the history (`digits/ddpm/ddim-50`, track first); empty where it is not known."""
    parts = entry.split("/")
    return families().get(parts[1], "") if len(parts) > 1 else ""
