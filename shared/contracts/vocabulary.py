"""Closed vocabularies that several contracts and routes share."""

from __future__ import annotations

GUARDS = ("influencer", "client", "compliance", "staff")
OPEN_GUARDS = ("influencer", "client")
"""What anybody may be."""
STAFF_GUARDS = ("compliance", "staff")
"""What somebody of the house makes somebody."""

PURPOSES = ("product_news", "usage_analytics", "partner_introductions")
"""What a person can consent to. Everything else the product does rests on another legal basis."""

POLICY_VERSIONS = ("2026-11-01",)
"""Versions of the privacy policy that can be accepted, oldest first; the last one is in force."""

SESSION_ENDINGS = ("signed_out", "erased", "revoked", "idle", "replaced", "password_changed", "deactivated")

LOCALES = ("en", "fr", "de", "es", "it", "pt")
"""Languages a person may prefer (BCP 47); what is not written in theirs is sent in English."""

PASSWORD_CHANGES = ("changed", "reset")
DEACTIVATIONS = ("by_person", "by_staff")
SECOND_FACTOR_ENDINGS = ("by_person", "by_staff")

TOKEN_SCOPES = ("profile:read", "profile:write", "consents:read", "consents:write", "audit:read")
"""What an API token can be limited to."""
TOKEN_ENDINGS = ("revoked", "deactivated", "erased")

SIGN_IN_FAILURES = ("unknown_address", "wrong_password", "wrong_second_factor", "deactivated", "guard_not_held")
THROTTLE_SCOPES = ("account", "network")
ACCESS_REFUSALS = ("cross_guard", "cross_workspace", "scope_missing", "csrf")
SIGNAL_KINDS = ("signin_failed", "signin_throttled", "access_refused", "token_misused", "new_device")
TOKEN_MISUSES = ("after_its_end",)

MEMBERSHIP_ENDINGS = ("left", "removed", "erased")
ORGANISATION_ENDINGS = ("by_owner", "without_owner")
PARTINGS = ("by_workspace", "by_client", "client_closed")
"""How a workspace and a client organisation stop dealing with each other."""
INVITATION_PURPOSES = ("join", "become_client")
INVITATION_ENDINGS = ("revoked", "replaced", "inviter_gone", "organisation_closed")
