"""Everything that can be done over HTTP, one module per resource."""

from __future__ import annotations

from gateway.routes import accounts, audit, consents, me, security, sessions, tokens
from gateway.routing import Route

ROUTES: tuple[Route, ...] = (
    *accounts.routes,
    *sessions.routes,
    *tokens.routes,
    *me.routes,
    *consents.routes,
    *security.routes,
    *audit.routes,
)
