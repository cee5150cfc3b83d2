"""What the gateway answers by itself: its health and its documentation."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from typing import Any

from gateway.cookies import Cookies
from gateway.documentation import POLICY, SCRIPT_PATH, STYLE_PATH, documentation_html, script, style_sheet
from gateway.openapi import openapi_document
from gateway.request import Request
from gateway.response import JSON, NO_CONTENT_POLICY, Response, json_response
from gateway.routes import ROUTES
from gateway.sessions import Rpc
from shared.contracts.catalogue import asyncapi_document, published_contracts

HTML = "text/html; charset=utf-8"
PROBES = frozenset({"/healthz", "/readyz"})
"""Pages for those who run the platform: asked by address, whatever name that has, and as often as they like."""

GPC_HONOURED_SINCE = "2026-11-24"
"""What anybody may look up: that the signal of browsers is honoured here (Global Privacy Control)."""


@dataclass(frozen=True)
class Page:
    """An address that is read by anybody and answered without a call."""

    path: str
    make: Callable[[], Response]
    method: str = "GET"

    def respond(self, request: Request, values: Mapping[str, str]) -> Response:
        return self.make()


class Publication:
    """A page that stays as it is while the process runs: made when it is first asked for, and sent once to each reader.

    Its entity tags are strong: one for the plain bytes and one for the compressed ones (RFC 9110, section 8.8.3).
    """

    method = "GET"

    def __init__(self, path: str, make: Callable[[], str], media_type: str, policy: str = NO_CONTENT_POLICY) -> None:
        self.path = path
        self._make = make
        self._media_type = media_type
        self._policy = policy

    def respond(self, request: Request, values: Mapping[str, str]) -> Response:
        compressed = request.accepts_encoding("gzip")
        tag = f"{self._digest}-gzip" if compressed else self._digest
        headers = [("ETag", f'"{tag}"'), ("Vary", "Accept-Encoding")]
        if request.has_copy_of(tag):
            return Response(304, cache="no-cache", content_policy=self._policy, headers=headers)
        if compressed:
            headers.append(("Content-Encoding", "gzip"))
        body = self._compressed if compressed else self._plain
        return Response(200, body, self._media_type, "no-cache", self._policy, headers)

    @cached_property
    def _plain(self) -> bytes:
        return self._make().encode()

    @cached_property
    def _compressed(self) -> bytes:
        return gzip.compress(self._plain, mtime=0)

    @cached_property
    def _digest(self) -> str:
        return sha256(self._plain).hexdigest()[:32]


def pages(rpc: Rpc, cookies: Cookies, public_url: str) -> list[Page | Publication]:
    """All such pages. `public_url` is the address that the examples of the documentation speak to."""

    @cache
    def document() -> dict[str, Any]:
        return openapi_document(ROUTES, cookies)

    def readiness() -> Response:
        connected = rpc.connected
        return json_response(
            200 if connected else 503, {"ready": connected, "broker": "connected" if connected else "away"}
        )

    return [
        Page("/healthz", lambda: json_response(200, {"alive": True})),
        Page("/readyz", readiness),
        Page("/.well-known/gpc.json", lambda: json_response(200, {"gpc": True, "lastUpdate": GPC_HONOURED_SINCE})),
        Publication("/openapi.json", lambda: _as_json(document()), JSON),
        Publication("/asyncapi.json", lambda: _as_json(asyncapi_document(published_contracts())), JSON),
        Publication("/docs", lambda: documentation_html(document(), public_url), HTML, POLICY),
        Publication(STYLE_PATH, style_sheet, "text/css; charset=utf-8"),
        Publication(SCRIPT_PATH, script, "text/javascript; charset=utf-8"),
    ]


def _as_json(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
