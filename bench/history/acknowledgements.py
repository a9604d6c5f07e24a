"""Acknowledgements: a TOML file of the repository, `alerts.toml`, that says which alerts may stay, why, and until when.

    [[acknowledged]]
    id = "alert-1a2b3c4d5e"
    reason = "a larger network, on purpose"
    until = 2026-12-31

Entries are only ever appended, so that branches merge; of two with one id the later counts.
"""

import json
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

from paragone.bench.errors import UsageError
from paragone.bench.files import write_atomically
from paragone.bench.history.life import Acknowledgement

ACKNOWLEDGED_FILE = "alerts.toml"
_TABLE = "acknowledged"


def read_acknowledgements(path: Path) -> dict[str, Acknowledgement]:
    """By alert id, what the file says; nothing where it is not there.

    Raises:
        UsageError: it cannot be read, is no TOML, or an entry lacks something; with the entry's number.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    entries = content.pop(_TABLE, [])
    if content or not isinstance(entries, list):
        raise UsageError(f"{path}: it holds [[{_TABLE}]] tables and nothing else; found {next(iter(content), _TABLE)!r}")
    found = [_entry(path, k + 1, entry) for k, entry in enumerate(entries)]
    return {known.id: known for known in found}


def add_acknowledgement(path: Path, known: Acknowledgement) -> None:
    """Append an entry; what stood in the file stays to the letter.

    Raises:
        UsageError: the file cannot be read or written, or what stands in it is not what belongs there.
    """
    read_acknowledgements(path)
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = [f"[[{_TABLE}]]", f"id = {_quoted(known.id)}", f"reason = {_quoted(known.reason)}", f"until = {known.until}"]
        gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
        write_atomically(path, before + gap + "\n".join(lines) + "\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def day(text: str) -> str:
    """A day as YYYY-MM-DD.

    Raises:
        UsageError: it is none.
    """
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"{text!r} is not a day; write it as YYYY-MM-DD") from None


def _entry(path: Path, number: int, entry: Any) -> Acknowledgement:
    where = f"{path}, entry {number}"
    if not isinstance(entry, dict) or set(entry) != {"id", "reason", "until"}:
        found = ", ".join(entry) if isinstance(entry, dict) else repr(entry)
        raise UsageError(f"{where}: it has to hold id, reason and until, and holds {found or 'nothing'}")
    until = entry["until"]
    if isinstance(until, datetime | date):
        until = until.isoformat()[:10]
    if not all(isinstance(text, str) and text.strip() for text in (entry["id"], entry["reason"], until)):
        raise UsageError(f"{where}: id and reason are text, until is a day (YYYY-MM-DD), and none is empty")
    try:
        return Acknowledgement(id=entry["id"], reason=entry["reason"], until=day(until))
    except UsageError as error:
        raise UsageError(f"{where}: until: {error}") from None


def _quoted(text: str) -> str:
    """A TOML string on one line: JSON's escapes, and DEL, which TOML wants escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
