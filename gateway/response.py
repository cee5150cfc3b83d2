"""What is sent back, and the headers that every answer carries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

StartResponse = Callable[[str, list[tuple[str, str]]], Any]

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
TEXT = "text/plain; charset=utf-8"
OCTETS = "application/octet-stream"
NO_STORE = "no-store"
FOR_EVER = "public, max-age=31536000, immutable"

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_TRANSPORT_SECURITY = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")


@dataclass(slots=True)
class Response:
    """One answer. `content_policy` is the CSP; the default forbids everything, which suits data."""

    status: int
    body: bytes = b""
    media_type: str = JSON
    cache: str = NO_STORE
    content_policy: str = NO_CONTENT_POLICY
    headers: list[tuple[str, str]] = field(default_factory=list)


def json_response(status: int, value: Any, *, media_type: str = JSON) -> Response:
    return Response(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), media_type)


class Sender:
    """Hands responses to the server, with the headers that everything carries."""

    def __init__(self, *, local: bool) -> None:
        self._common = [*_SECURITY_HEADERS] if local else [*_SECURITY_HEADERS, _TRANSPORT_SECURITY]

    def raw(self, response: Response) -> bytes:
        """The bytes of an answer after which the connection is closed, for what was no request at all."""
        lines = [f"HTTP/1.1 {_STATUS_LINES[response.status]}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self._headers(response)]
        return "\r\n".join([*lines, "", ""]).encode() + response.body

    def send(self, response: Response, start_response: StartResponse, *, with_body: bool) -> Iterable[bytes]:
        start_response(_STATUS_LINES[response.status], self._headers(response))
        return [response.body] if with_body else [b""]

    def _headers(self, response: Response) -> list[tuple[str, str]]:
        headers = [
            *self._common,
            ("Content-Security-Policy", response.content_policy),
            ("Cache-Control", response.cache),
            *response.headers,
        ]
        if response.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            headers.append(("Content-Type", response.media_type))
            headers.append(("Content-Length", str(len(response.body))))
        return headers
