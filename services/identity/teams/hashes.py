"""What service tokens are presented by: hashes in rows of their own, and when each was last used."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from shared.privacy.secrets import ServiceSecret, token_hash

PREFIX = "okst_"
"""The mark by which scanners for leaked secrets find one."""


def service_token(secret: ServiceSecret, command_id: UUID, token_id: UUID) -> str:
    """The token that this command issued: made again, not kept, when the command is repeated."""
    return PREFIX + secret.derived_token("service-token", f"{command_id}\n{token_id}")


def keep(connection: Connection, token_id: UUID, token: str) -> None:
    connection.execute(
        text("INSERT INTO service_token_hashes (token_hash, token_id) VALUES (:token_hash, :token_id)"),
        {"token_hash": token_hash(token), "token_id": token_id},
    )


def drop(connection: Connection, token_id: UUID) -> None:
    connection.execute(text("DELETE FROM service_token_hashes WHERE token_id = :token_id"), {"token_id": token_id})


def find(connection: Connection, hashed_token: bytes, now: datetime) -> Row[Any] | None:
    """What a token stands for that has not come to its end."""
    return connection.execute(
        text("""
            SELECT token_id, team, feeds, expires_at, last_used_at
            FROM service_token_hashes JOIN service_tokens USING (token_id)
            WHERE token_hash = :token_hash AND expires_at > :now
        """),
        {"token_hash": hashed_token, "now": now},
    ).first()


def note_use(connection: Connection, token_id: UUID, now: datetime) -> None:
    connection.execute(
        text("UPDATE service_token_hashes SET last_used_at = :now WHERE token_id = :token_id"),
        {"token_id": token_id, "now": now},
    )
