"""Reads about the requests for guards of the house."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shared.contracts.times import rfc3339

MOST_WAITING = 200
"""More than a house ever has colleagues to decide about in a week; what is beyond is not listed."""


def waiting(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    """The requests that can be decided now, oldest first."""
    rows = connection.execute(
        text("""
            SELECT request_id, account_id, guard, requested_by, requested_at, expires_at FROM guard_requests
            WHERE expires_at > :now ORDER BY request_id LIMIT :limit
        """),
        {"now": now, "limit": MOST_WAITING},
    )
    return [
        {
            "request_id": str(row.request_id),
            "account_id": str(row.account_id),
            "guard": row.guard,
            "requested_by": row.requested_by and str(row.requested_by),
            "requested_at": rfc3339(row.requested_at),
            "expires_at": rfc3339(row.expires_at),
        }
        for row in rows
    ]


def is_waiting(connection: Connection, account_id: UUID, guard: str, now: datetime) -> bool:
    """Whether somebody asked for this guard for a person, and it can still be decided."""
    found = connection.scalar(
        text("""
            SELECT EXISTS (
                SELECT FROM guard_requests WHERE account_id = :account_id AND guard = :guard AND expires_at > :now
            )
        """),
        {"account_id": account_id, "guard": guard, "now": now},
    )
    return bool(found)
