"""Reads of service tokens."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from shared.contracts.times import rfc3339


def service_tokens(connection: Connection) -> list[dict[str, Any]]:
    """Every service token that was not revoked, by team and newest first, also those that have expired."""
    rows = connection.execute(
        text("""
            SELECT token_id, team, feeds, issued_at, expires_at, last_used_at
            FROM service_tokens LEFT JOIN service_token_hashes USING (token_id)
            ORDER BY team, token_id DESC
        """)
    )
    return [
        {
            "token_id": str(row.token_id),
            "team": row.team,
            "feeds": row.feeds,
            "issued_at": rfc3339(row.issued_at),
            "expires_at": rfc3339(row.expires_at),
            "last_used_at": row.last_used_at and rfc3339(row.last_used_at),
        }
        for row in rows
    ]
