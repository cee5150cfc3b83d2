"""What the gateway answers by itself: its health and its documentation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway.cookies import Cookies
from gateway.documentation import POLICY, STYLE_PATH, documentation_html, style_sheet
from gateway.openapi import openapi_document
from gateway.request import Request
from gateway.response import Response, json_response
from gateway.routes import ROUTES
from gateway.sessions import Rpc
from shared.contracts.catalogue import asyncapi_document, published_contracts

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


def pages(rpc: Rpc, cookies: Cookies) -> list[Page]:
    """All such pages. The documentation is made when it is first asked for."""

    @cache
    def document() -> dict[str, Any]:
        return openapi_document(ROUTES, cookies)

    @cache
    def openapi() -> bytes:
        return json.dumps(document(), ensure_ascii=False, indent=1).encode()

    @cache
    def asyncapi() -> bytes:
        return json.dumps(asyncapi_document(published_contracts()), ensure_ascii=False, indent=1).encode()

    @cache
    def html() -> bytes:
        return documentation_html(document()).encode()

    def readiness() -> Response:
        connected = rpc.connected
        return json_response(
            200 if connected else 503, {"ready": connected, "broker": "connected" if connected else "away"}
        )

    return [
        Page("/healthz", lambda: json_response(200, {"alive": True})),
        Page("/readyz", readiness),
        Page("/.well-known/gpc.json", lambda: json_response(200, {"gpc": True, "lastUpdate": GPC_HONOURED_SINCE})),
        Page("/openapi.json", lambda: Response(200, openapi(), cache="no-cache")),
        Page("/asyncapi.json", lambda: Response(200, asyncapi(), cache="no-cache")),
        Page("/docs", lambda: Response(200, html(), "text/html; charset=utf-8", "no-cache", POLICY)),
        Page(STYLE_PATH, lambda: Response(200, style_sheet(), "text/css; charset=utf-8", "no-cache")),
    ]
