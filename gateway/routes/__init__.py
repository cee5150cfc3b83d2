"""Everything that can be done over HTTP, one module per resource."""

from __future__ import annotations

from gateway.routes.audit import (
    consent_history,
    corrections,
    disclosures,
    exports,
    feeds,
    policies,
    processing,
    purposes,
    recipients,
)
from gateway.routes.audit import log as audit_log
from gateway.routes.audit import records as audit
from gateway.routes.identity import (
    accounts,
    consents,
    cookies,
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
    *purposes.routes,
    *consent_history.routes,
    *audit.routes,
    *corrections.routes,
    *feeds.routes,
    *recipients.routes,
    *disclosures.routes,
    *policies.routes,
    *processing.routes,
    *audit_log.routes,
    *exports.routes,
)
