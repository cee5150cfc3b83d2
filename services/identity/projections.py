"""Identity's own read models, kept in the transaction that appends the events: those of people, and all together."""

from __future__ import annotations

from services.identity.access.projections import api_tokens, security_signals, sessions
from services.identity.accounts.projections import accounts
from services.identity.consents.projections import consents
from services.identity.cookies.projections import cookie_choices
from services.identity.erasure.projections import erasures
from services.identity.guards.projections import guard_requests
from services.identity.inquiries.projections import inquiries, internal_notes
from services.identity.notices.projections import announcement_wordings, notices
from services.identity.organisations.projections import invitations, organisations
from services.identity.policies.projections import policy_acknowledgements
from services.identity.teams.projections import service_tokens
from shared.eventstore.projections import OwnProjections

projections = OwnProjections(
    accounts,
    consents,
    cookie_choices,
    sessions,
    api_tokens,
    security_signals,
    erasures,
    guard_requests,
    inquiries,
    internal_notes,
    notices,
    announcement_wordings,
    organisations,
    invitations,
    service_tokens,
    policy_acknowledgements,
)
