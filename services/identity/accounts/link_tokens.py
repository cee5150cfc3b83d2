"""What is kept of the links that were sent by mail: a hash of the token, whose it is, and until when it counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.accounts.aggregate import LinkRequest
from services.identity.accounts.links import link_token
from shared.contracts.problems import Problem
from shared.privacy.secrets import ServiceSecret, token_hash


@dataclass(frozen=True)
class Link:
    """Whose link was followed, and which request it answers."""

    account_id: UUID
    request_id: UUID


def keep(connection: Connection, secret: ServiceSecret, purpose: str, account_id: UUID, request: LinkRequest) -> None:
    """Makes the link of a request count until it expires."""
    connection.execute(
        text("""
            INSERT INTO link_tokens (token_hash, purpose, account_id, request_id, expires_at)
            VALUES (:token_hash, :purpose, :account_id, :request_id, :expires_at)
        """),
        {
            "token_hash": token_hash(link_token(secret, purpose, request.id)),
            "purpose": purpose,
            "account_id": account_id,
            "request_id": request.id,
            "expires_at": request.expires_at,
        },
    )


def owner(connection: Connection, purpose: str, token: str) -> UUID | None:
    """Whose a link is that was not used, though it may have expired."""
    account_id: UUID | None = connection.scalar(
        text("SELECT account_id FROM link_tokens WHERE token_hash = :token_hash AND purpose = :purpose"),
        {"token_hash": token_hash(token), "purpose": purpose},
    )
    return account_id


def redeem(connection: Connection, purpose: str, token: str, *, of: UUID | None = None, now: datetime) -> Link:
    """Takes a link, which then counts no more. Of two who try at once, the second waits for the first and is refused.

    Raises `Problem("link-invalid")` for a token that is unknown, used, expired, or of another purpose, and for one that
    was sent about another account than that of the person it is to be `of`.
    """
    row = connection.execute(
        text("""
            DELETE FROM link_tokens WHERE token_hash = :token_hash AND purpose = :purpose AND expires_at > :now
                AND (CAST(:of AS uuid) IS NULL OR account_id = :of)
            RETURNING account_id, request_id
        """),
        {"token_hash": token_hash(token), "purpose": purpose, "now": now, "of": of},
    ).first()
    if row is None:
        raise Problem("link-invalid")
    return Link(row.account_id, row.request_id)


def withdraw(connection: Connection, account_id: UUID, *purposes: str) -> None:
    """Makes all links of an account worthless that are for one of these purposes."""
    connection.execute(
        text("DELETE FROM link_tokens WHERE account_id = :account_id AND purpose = ANY(:purposes)"),
        {"account_id": account_id, "purposes": list(purposes)},
    )
