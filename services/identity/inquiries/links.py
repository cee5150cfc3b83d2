"""The link by which a visitor opens the thread of their inquiry: of its token, a hash is kept.

There is one for an inquiry, and the next one takes its place. Opening a thread does not use it up, because programs
that look through mail follow links as well.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.accounts.aggregate import LinkRequest
from services.identity.accounts.links import INQUIRY_THREAD, link_token
from shared.contracts.problems import Problem
from shared.privacy.secrets import ServiceSecret, token_hash


def keep(connection: Connection, secret: ServiceSecret, inquiry_id: UUID, request: LinkRequest) -> None:
    """Makes the link of a request the one that counts for an inquiry."""
    connection.execute(
        text("""
            INSERT INTO inquiry_links (inquiry_id, token_hash, expires_at)
            VALUES (:inquiry_id, :token_hash, :expires_at)
            ON CONFLICT (inquiry_id) DO UPDATE SET token_hash = :token_hash, expires_at = :expires_at
        """),
        {
            "inquiry_id": inquiry_id,
            "token_hash": token_hash(link_token(secret, INQUIRY_THREAD, request.id)),
            "expires_at": request.expires_at,
        },
    )


def follow(connection: Connection, token: str, *, now: datetime) -> UUID:
    """The inquiry whose link this is. Raises `Problem("link-invalid")` if it was replaced or has expired."""
    return _of(connection, token, since=now)


def follow_expired(connection: Connection, token: str) -> UUID:
    """The inquiry whose last link this is, however old. Raises `Problem("link-invalid")` if it was replaced."""
    return _of(connection, token, since=None)


def forget(connection: Connection, inquiry_id: UUID) -> None:
    """Makes the link of an inquiry worthless for good."""
    connection.execute(text("DELETE FROM inquiry_links WHERE inquiry_id = :inquiry_id"), {"inquiry_id": inquiry_id})


def _of(connection: Connection, token: str, *, since: datetime | None) -> UUID:
    inquiry_id: UUID | None = connection.scalar(
        text("""
            SELECT inquiry_id FROM inquiry_links
            WHERE token_hash = :token_hash AND (CAST(:since AS timestamptz) IS NULL OR expires_at > :since)
        """),
        {"token_hash": token_hash(token), "since": since},
    )
    if inquiry_id is None:
        raise Problem("link-invalid")
    return inquiry_id
