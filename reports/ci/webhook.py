"""The check as a JSON body, and its delivery to a file, or by POST to an address: tried a bounded number of times, and the verdict
is never lost over it.

    again      after 1 and 2 s: no connection, no answer in 10 s, an answer that is not HTTP, 5xx, 429 (its Retry-After, up to 10 s)
    never      other 4xx, and 3xx: a POST that follows a redirect becomes a GET without its body, so nothing is followed
    at most    45 s in all

A receiver may see a body twice (an answer can get lost after it arrived); `run` says which night it is. An address may hold a
secret, so only its scheme and host are ever printed.
"""

import base64
import http.client
import json
import math
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from paragone.bench.files import write_atomically
from paragone.bench.history.findings import Finding
from paragone.bench.history.outcome import Outcome
from paragone.reports.ci import words

BODY_VERSION = 1
"""Schema history of the body (schema.json): 1 first version."""
SCHEMA = Path(__file__).with_name("schema.json")
_MOST_SKIPPED = 100


@dataclass(frozen=True)
class Patience:
    """How long and how often a delivery is tried; all in seconds."""

    timeout_s: float = 10.0
    waits_s: tuple[float, ...] = (1.0, 2.0)
    longest_wait_s: float = 10.0
    total_s: float = 45.0


@dataclass
class _Attempt:
    """What one POST came to: `problem` is empty where it was delivered."""

    problem: str = ""
    again: bool = True
    wait_s: float | None = None
    ended: threading.Event = field(default_factory=threading.Event)


def webhook_body(outcome: Outcome) -> dict[str, Any]:
    """The body, valid against `schema.json`; numbers that JSON does not know are null."""
    judgement, night = outcome.judgement, outcome.judgement.night
    states = [f.state for f in judgement.findings]
    return {
        "schema_version": BODY_VERSION,
        "text": words.plain(outcome.headline, 1000),
        "verdict": outcome.verdict,
        "exit_code": outcome.exit_code,
        "strict": outcome.strict,
        "fail_on": list(outcome.fail_on),
        "run": {key: getattr(night, key) for key in ("run", "started", "commit", "suite", "machine", "problem")},
        "series": {"total": len(states), "states": {state: states.count(state) for state in dict.fromkeys(states)}},
        "failing": [_alert(outcome, f) for f in outcome.failing],
        "standing": [_alert(outcome, f) for f in outcome.standing],
        "waiting": [_series(f) for f in words.in_state(outcome, "waiting")],
        "improved": [_series(f) for f in words.in_state(outcome, "improved")],
        "not_judged": [
            {"state": g.state, "reason": g.reason, "series": [f.key.name for f in g.findings]}
            for g in words.grouped(outcome.not_judged)
        ],
        "notices": list(judgement.notices),
        "skipped": {"total": len(outcome.skipped), "files": list(outcome.skipped[:_MOST_SKIPPED])},
    }


def deliver(target: str, body: dict[str, Any], patience: Patience = Patience()) -> str | None:
    """Write the body to a file, or POST it to an http or https address; never raises.

    Returns what went wrong in words that show nothing of the address but scheme and host; None where it was delivered.
    """
    try:
        content = json.dumps(body, allow_nan=False, indent=1).encode()
        if "://" not in target:
            write_atomically(Path(target), content + b"\n")
            return None
        address = urlsplit(target)
        host, _ = address.hostname or "", address.port  # a port that is no number raises
    except (OSError, ValueError) as error:
        where = "the address" if "://" in target else target
        why = type(error).__name__ if "://" in target else error
        return f"webhook not delivered: {where} cannot be used ({why}); give a file, or an http or https address"
    if address.scheme not in ("http", "https") or not host:
        return f"webhook not delivered: {address.scheme}:// is no http or https address; give one, or a file"
    problem = _post(address, content, patience)
    return f"webhook to {address.scheme}://{host} not delivered: {problem}" if problem else None


def _post(address: SplitResult, content: bytes, patience: Patience) -> str:
    """Try until delivered, refused for good, or out of patience; empty where delivered."""
    end, tries, attempt = time.monotonic() + patience.total_s, 0, _Attempt()
    for wait in (*patience.waits_s, 0.0):
        left = end - time.monotonic()
        if left <= 0:
            break
        attempt, tries = _try(address, content, min(patience.timeout_s, left)), tries + 1
        if not attempt.problem or not attempt.again:
            break
        if tries <= len(patience.waits_s):
            asked = wait if attempt.wait_s is None else min(attempt.wait_s, patience.longest_wait_s)
            time.sleep(max(0.0, min(asked, end - time.monotonic())))
    return f"{attempt.problem} ({tries} {'try' if tries == 1 else 'tries'})" if attempt.problem else ""


def _try(address: SplitResult, content: bytes, timeout_s: float) -> _Attempt:
    """One POST. A thread bounds all of it: a socket's own timeout starts anew with every byte, and does not count name look-ups."""
    attempt = _Attempt()
    threading.Thread(target=_send, args=(attempt, address, content, timeout_s), daemon=True).start()
    if not attempt.ended.wait(timeout_s):
        return _Attempt(f"no answer within {timeout_s:.3g} s")
    return attempt


def _send(attempt: _Attempt, address: SplitResult, content: bytes, timeout_s: float) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "paragone"}
    if address.username is not None:
        pair = f"{unquote(address.username)}:{unquote(address.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    bare = address._replace(netloc=address.netloc.rpartition("@")[2], fragment="").geturl()
    try:
        request = urllib.request.Request(bare, content, headers, method="POST")
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout_s):
            pass
    except urllib.error.HTTPError as error:
        with error:
            _answered(attempt, error)
    except http.client.InvalidURL:
        attempt.problem, attempt.again = "the address holds characters that none may hold", False
    except (TimeoutError, OSError, http.client.HTTPException) as error:
        attempt.problem = _words(error)
    except Exception as error:  # whatever a proxy or a codec thinks of: words, never a lost verdict
        attempt.problem, attempt.again = f"{type(error).__name__} while sending", False
    finally:
        attempt.ended.set()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are answers like any other."""

    def redirect_request(self, *args: Any) -> None:
        """Follow nothing."""


def _answered(attempt: _Attempt, error: urllib.error.HTTPError) -> None:
    attempt.again = error.code == 429 or error.code >= 500
    moved = ": the address has moved, give the new one" if 300 <= error.code < 400 else ""
    attempt.problem = f"answered {error.code}{moved}"
    attempt.wait_s = _retry_after(error.headers.get("Retry-After"))


def _retry_after(value: str | None) -> float | None:
    """Seconds that a `Retry-After` asks for (a number or a date, RFC 9110 section 10.2.3), None where it says nothing readable."""
    if value is None:
        return None
    try:
        if value.strip().isdigit():
            return float(value)
        when = parsedate_to_datetime(value)
        return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _words(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception) else error
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, http.client.HTTPException) and not isinstance(reason, OSError):
        return "the answer was not HTTP"
    said = getattr(reason, "strerror", None)
    return words.plain(said) if said else type(reason).__name__


def _alert(outcome: Outcome, finding: Finding) -> dict[str, Any]:
    alert = finding.alert
    if alert is None:
        return _series(finding)
    known = outcome.acknowledgements.get(alert.id)
    return {
        **_series(finding),
        "id": alert.id,
        "how": alert.how,
        "pairs": len(alert.differences),
        "effect": _finite(alert.effect),
        "low": _finite(alert.low),
        "high": _finite(alert.high),
        "first_bad": outcome.located.get(alert.id, alert.first_bad),
        "first_bad_commit": alert.first_bad_commit,
        "last_good": alert.last_good,
        "last_good_commit": alert.last_good_commit,
        "base_commit": alert.base_commit,
        "opened": alert.opened,
        "opened_at": alert.opened_at,
        "before": _finite(alert.before_raw),
        "after": _finite(alert.after_raw),
        "acknowledged": None if known is None else {"reason": known.reason, "until": known.until},
    }


def _series(finding: Finding) -> dict[str, Any]:
    watch, tonight = finding.watch, finding.tonight
    return {
        "series": finding.key.id,
        "entry": finding.key.entry,
        "metric": finding.key.metric,
        "kind": watch.kind,
        "unit": watch.unit,
        "scale": watch.scale,
        "state": finding.state,
        "reason": finding.reason,
        "value": None if tonight is None else _finite(tonight.raw),
        "change": _finite(finding.change),
        "words": words.change_of(finding),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
