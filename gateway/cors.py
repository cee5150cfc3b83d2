"""Letting pages of other origins in: those on the list, and nothing at all while the list is empty (Fetch Standard)."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.idempotency import HEADER as IDEMPOTENCY_KEY
from gateway.request import Request
from gateway.response import Response
from gateway.sessions import CSRF_HEADER, GUARD_HEADER

PREFLIGHT_SECONDS = 600
ACCEPTED = ", ".join(("Accept", "Content-Type", CSRF_HEADER, GUARD_HEADER, IDEMPOTENCY_KEY, "X-Request-Id"))
EXPOSED = ", ".join((IDEMPOTENCY_KEY, "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"))


class Cors:
    """The headers by which browsers decide what a page may send and read."""

    def __init__(self, origins: frozenset[str]) -> None:
        self._origins = origins

    def is_preflight(self, request: Request) -> bool:
        """Whether a browser asks in advance, for a page that may be let in."""
        return (
            request.method == "OPTIONS"
            and request.header("HTTP_ACCESS_CONTROL_REQUEST_METHOD") is not None
            and request.header("HTTP_ORIGIN") in self._origins
        )

    def preflight(self, methods: Iterable[str]) -> Response:
        return Response(
            204,
            headers=[
                ("Access-Control-Allow-Methods", ", ".join(sorted(methods))),
                ("Access-Control-Allow-Headers", ACCEPTED),
                ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
            ],
        )

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """What every answer to this request carries. Caches must not give one origin's answer to another."""
        if not self._origins:
            return []
        headers = [("Vary", "Origin")]
        origin = request.header("HTTP_ORIGIN")
        if origin in self._origins:
            assert origin is not None
            headers += [
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Expose-Headers", EXPOSED),
            ]
        return headers
