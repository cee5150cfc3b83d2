"""The form that visitors write in with, and the quiet signs by which a machine gives itself away.

The token of a form says when it was handed out, under a keyed hash, so that nothing has to be kept of it. It fits any
inquiry for as long as it lasts; what one network may send is bounded elsewhere.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime, timedelta

from shared.contracts.problems import Problem
from shared.privacy.secrets import ServiceSecret

FILLED_IN_AT_LEAST = timedelta(seconds=3)
"""Faster than anybody reads a form and writes what they want."""
FORM_LIFETIME = timedelta(days=1)

_TOKEN = re.compile(r"(\d{1,12})\.([A-Za-z0-9_-]{43})", re.ASCII)


def form_token(secret: ServiceSecret, now: datetime) -> str:
    """The token of a form that is handed out now."""
    seconds = str(int(now.timestamp()))
    return f"{seconds}.{_mark(secret, seconds)}"


def sign_of_spam(secret: ServiceSecret, token: str, honeypot: str, now: datetime) -> str | None:
    """What says that no person filled in this form, as a word of `SPAM_SIGNS`; None if nothing does.

    Raises `Problem("form-expired")` for a form of ours that was open for more than a day: people do that.
    """
    if honeypot:
        return "honeypot_filled"
    found = _TOKEN.fullmatch(token)
    if found is None or not hmac.compare_digest(found[2], _mark(secret, found[1])):
        return "form_forged"
    age = now - datetime.fromtimestamp(int(found[1]), UTC)
    if age < FILLED_IN_AT_LEAST:
        return "filled_too_fast"
    if age > FORM_LIFETIME:
        raise Problem("form-expired")
    return None


def _mark(secret: ServiceSecret, handed_out: str) -> str:
    return secret.derived_token("inquiry-form", handed_out)
