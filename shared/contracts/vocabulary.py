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

NOTICE_KINDS = ("service", "product", "policy_update", "legal")
"""What people are written to about. What each kind rests on, and who may refuse it, says identity."""
ANNOUNCED_KINDS = ("product", "policy_update", "legal")
"""What everybody concerned can be told at once."""
OBJECTIONABLE_KINDS = ("product",)
"""What a person can object to, beyond not wanting it: direct marketing (Art. 21(2) GDPR)."""
NOTICE_CHANNELS = ("email",)
NOTICE_FAILURES = ("refused", "given_up")
LETTERS = (
    "account_deactivated",
    "announcement",
    "confirm_email_change",
    "email_changed",
    "new_device",
    "password_changed",
    "reset_password",
    "second_factor_disabled",
    "second_factor_enabled",
    "verify_email",
)
"""What notices say, by the name under which the words are kept."""

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
