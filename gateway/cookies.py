"""Every cookie there is, and the one place where cookies are set.

What is not in the register cannot be set, and what is not strictly necessary only for whoever allowed its category.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime

from shared.contracts.vocabulary import GUARDS, STRICTLY_NECESSARY

Header = tuple[str, str]

VISITOR_COOKIE = "okacrm_visitor"

_VISITOR_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


@dataclass(frozen=True)
class Cookie:
    """A cookie that may be set: under which name, what for, and how long a browser keeps it."""

    name: str
    category: str
    purpose: str
    life: str


def session_cookie(guard: str) -> str:
    """The name, in the register, of the cookie with the token of a session under this guard."""
    return f"okacrm_{guard}"


REGISTER = (
    *(
        Cookie(
            session_cookie(guard),
            STRICTLY_NECESSARY,
            f"Keeps a person signed in as {guard}.",
            "Until they sign out, and 12 hours at most.",
        )
        for guard in GUARDS
    ),
    Cookie(
        VISITOR_COOKIE,
        STRICTLY_NECESSARY,
        "Remembers what somebody without an account chose about cookies.",
        "Set with the choice; until the choice expires after 12 months, or its person signs up.",
    ),
)


class CookieRefused(Exception):
    """The gateway was about to set a cookie that it may not set."""


def may_set(category: str, allowed: Collection[str] = ()) -> bool:
    """Whether a cookie of a category may be set for somebody who allowed these: before a choice, there are none."""
    return category == STRICTLY_NECESSARY or category in allowed


class Cookies:
    """Reads and sets what is in the register. Each guard has a cookie, so that a person can hold a session of each."""

    def __init__(self, *, local: bool, register: Iterable[Cookie] = REGISTER) -> None:
        """Local HTTP is plain, and browsers keep `Secure` cookies and the `__Host-` prefix for HTTPS."""
        self._prefix = "" if local else "__Host-"
        self._attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("" if local else "; Secure")
        self._register = {cookie.name: cookie for cookie in register}
        self.names = {guard: self._prefix + session_cookie(guard) for guard in GUARDS}
        self._guards = {name: guard for guard, name in self.names.items()}

    def declared(self) -> list[Cookie]:
        """What may be set, under the names that browsers know."""
        return [replace(cookie, name=self._prefix + cookie.name) for cookie in self._register.values()]

    def read(self, header: str) -> dict[str, str]:
        """The tokens in a Cookie header, by guard."""
        tokens: dict[str, str] = {}
        for name, value in _pairs(header):
            guard = self._guards.get(name)
            if guard is not None:
                tokens.setdefault(guard, value)
        return tokens

    def read_visitor(self, header: str) -> str:
        """What a visitor who chose about cookies is known by; empty for everybody else."""
        name = self._prefix + VISITOR_COOKIE
        token = next((value for each, value in _pairs(header) if each == name), "")
        return token if _VISITOR_TOKEN.fullmatch(token) else ""

    def keep(self, name: str, value: str, expires_at: str, *, allowed: Collection[str] = ()) -> Header:
        """The header that makes a browser keep a value until then, for somebody who allowed these categories.

        Raises `CookieRefused` for a name that is not in the register, and for a category that was not allowed.
        """
        cookie = self._register.get(name)
        if cookie is None or not may_set(cookie.category, allowed):
            raise CookieRefused(name)
        expiry = format_datetime(datetime.fromisoformat(expires_at).astimezone(UTC), usegmt=True)
        return self._header(name, value, f"Expires={expiry}")

    def drop(self, name: str) -> Header:
        """The header that makes a browser forget a cookie."""
        return self._header(name, "", "Max-Age=0")

    def _header(self, name: str, value: str, life: str) -> Header:
        return "Set-Cookie", f"{self._prefix}{name}={value}; {life}{self._attributes}"


def _pairs(header: str) -> Iterator[tuple[str, str]]:
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        yield name, value
