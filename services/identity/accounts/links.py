"""The tokens in links that are sent by mail: derived where they are needed, and never kept.

A token proves that whoever has it read the message that a request caused. It can be made again from the id of the
request, by the courier that writes the mail; of it, the database holds a hash at most.
"""

from __future__ import annotations

from uuid import UUID

from shared.privacy.secrets import ServiceSecret

VERIFICATION = "account-verification"
EMAIL_CHANGE = "email-change"
PASSWORD_RESET = "password-reset"  # noqa: S105 - what a token is for, and none itself
INQUIRY_THREAD = "inquiry-thread"
INVITATION = "invitation"


def link_token(secret: ServiceSecret, purpose: str, request_id: UUID) -> str:
    """The token of the request with this id: 256 bits that fit one purpose and say nothing about any other token."""
    return secret.derived_token(f"link-token:{purpose}", str(request_id))
