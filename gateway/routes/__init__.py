"""Everything that can be done over HTTP, one module per resource."""

from __future__ import annotations

from gateway.routes import (
    accounts,
    audit,
    consents,
    cookies,
    exports,
    inquiries,
    inquiry_desk,
    invitations,
    me,
    notices,
    organisations,
    second_factor,
    security,
    sessions,
    staff,
    tokens,
)
from gateway.routing import Route

ROUTES: tuple[Route, ...] = (
    *accounts.routes,
    *sessions.routes,
    *tokens.routes,
    *me.routes,
    *second_factor.routes,
    *consents.routes,
    *cookies.routes,
    *inquiries.routes,
    *notices.routes,
    *organisations.routes,
    *invitations.routes,
    *staff.routes,
    *inquiry_desk.routes,
    *security.routes,
    *audit.routes,
    *exports.routes,
)
