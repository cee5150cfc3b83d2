"""How a visitor who made a choice is known again: by one value, signed by us, of which nothing is kept here.

It is the visitor's subject id and its keyed hash. Nobody can make one up, and it opens nothing but the choice.
"""

from __future__ import annotations

import hmac
from uuid import UUID

from shared.privacy.secrets import ServiceSecret


def visitor_token(secret: ServiceSecret, visitor_id: UUID) -> str:
    """What the browser of a visitor keeps."""
    return f"{visitor_id.hex}.{secret.derived_token('visitor', str(visitor_id))}"


def visitor_of(secret: ServiceSecret, token: str) -> UUID | None:
    """The visitor to whom we gave this; None for anything else."""
    try:
        visitor_id = UUID(hex=token.partition(".")[0])
    except ValueError:
        return None
    genuine = hmac.compare_digest(token.encode(), visitor_token(secret, visitor_id).encode())
    return visitor_id if genuine else None
