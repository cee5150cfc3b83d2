"""Forgetting whoever is erased: every row by which they could still be recognised."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.access import throttles
from services.identity.accounts.credentials import email_index_of


def forget_person(connection: Connection, account_id: UUID) -> None:
    """Deletes everything by which an erased person could still be recognised or sign in."""
    throttles.forget(connection, email_index_of(connection, account_id))
    for table in (
        "email_index",
        "username_index",
        "passwords",
        "session_tokens",
        "link_tokens",
        "unsubscription_links",
        "authenticators",
        "recovery_codes",
        "api_token_hashes",
        "ended_tokens",
        "known_devices",
    ):
        connection.execute(
            text(f"DELETE FROM {table} WHERE account_id = :account_id"),  # noqa: S608 - names from the line above
            {"account_id": account_id},
        )
