"""Reading consents."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import PURPOSES


def consents(connection: Connection, account_id: UUID) -> list[dict[str, Any]]:
    """Where a person stands on every purpose."""
    rows = connection.execute(
        text("SELECT purpose, state, effective_at FROM consents WHERE account_id = :account_id"),
        {"account_id": account_id},
    )
    known = {row.purpose: row for row in rows}
    return [
        consent_view(purpose, known[purpose].state, known[purpose].effective_at)
        if purpose in known
        else consent_view(purpose, "not_given", None)
        for purpose in PURPOSES
    ]


def consent_view(purpose: str, state: str, effective_at: datetime | None) -> dict[str, Any]:
    return {"purpose": purpose, "state": state, "effective_at": effective_at and rfc3339(effective_at)}
