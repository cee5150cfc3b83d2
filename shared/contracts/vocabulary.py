"""Closed vocabularies that several contracts and routes share."""

from __future__ import annotations

GUARDS = ("influencer", "client", "compliance", "staff")
STAFF_GUARDS = ("compliance", "staff")

PURPOSES = ("product_news", "usage_analytics", "partner_introductions")
"""What a person can consent to. Everything else the product does rests on another legal basis."""

POLICY_VERSIONS = ("2026-11-01",)
"""Versions of the privacy policy that can be accepted, oldest first; the last one is in force."""

SESSION_ENDINGS = ("signed_out", "erased")
