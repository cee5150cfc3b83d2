"""Reads about notices: what a person decided, what they were told, and what an announcement says."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.notices.aggregate import FALLBACK_LANGUAGE, Wording
from services.identity.notices.kinds import EMAIL, KINDS
from services.identity.notices.mail.recipients import obstacles
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.eventstore.recorded import readable_values
from shared.privacy.keyring import Keyring

_PAGE = text("""
    SELECT event_id, notice_id, kind, channel, subject_line, state, settled_at FROM notices
    WHERE account_id = :account_id AND (
        CAST(:cursor AS uuid) IS NULL
        OR event_id < (SELECT event_id FROM notices WHERE event_id = :cursor AND account_id = :account_id)
    )
    ORDER BY event_id DESC LIMIT :limit
""")
"""A cursor that is not one of the person's own notices leads nowhere, whether it is somebody else's or nobody's."""


def preferences(connection: Connection, account_id: UUID) -> list[dict[str, Any]]:
    """Each kind of notice: what it rests on, what the person decided, and what keeps it from them now, if anything.

    Raises `Problem("account-not-found")`.
    """
    kept_back = obstacles(connection, account_id)
    if not kept_back:
        raise Problem("account-not-found")
    refused = set(
        connection.scalars(
            text("SELECT kind FROM notice_refusals WHERE account_id = :account_id AND channel = :channel"),
            {"account_id": account_id, "channel": EMAIL},
        )
    )
    objected = set(
        connection.scalars(
            text("SELECT kind FROM notice_objections WHERE account_id = :account_id"), {"account_id": account_id}
        )
    )
    return [
        {
            "kind": name,
            "channel": EMAIL,
            "legal_basis": kind.legal_basis,
            "consent": kind.consent,
            "refusable": kind.refusable,
            "wanted": name not in refused,
            "objected": name in objected,
            "obstacle": kept_back[name],
        }
        for name, kind in KINDS.items()
    ]


def notices(
    connection: Connection, keyring: Keyring, account_id: UUID, cursor: UUID | None, limit: int
) -> dict[str, Any]:
    """A page of what a person was told, newest first, and the cursor of the next one; an erased subject is null."""
    rows = connection.execute(_PAGE, {"account_id": account_id, "cursor": cursor, "limit": limit + 1}).all()
    shown = rows[:limit]
    subjects = readable_values([row.subject_line for row in shown], keyring)
    return {
        "items": [
            {
                "notice_id": str(row.notice_id),
                "kind": row.kind,
                "channel": row.channel,
                "subject": subject,
                "state": row.state,
                "settled_at": rfc3339(row.settled_at),
            }
            for row, subject in zip(shown, subjects, strict=True)
        ],
        "next_cursor": str(shown[-1].event_id) if len(rows) > limit else None,
    }


def wording_for(connection: Connection, announcement_id: UUID, language: str) -> tuple[str, Wording]:
    """What an announcement says in a language, or else in English; and which of them it is."""
    row = connection.execute(
        text("""
            SELECT language, subject_line, text FROM announcement_wordings
            WHERE announcement_id = :announcement_id AND language IN (:language, :fallback)
            ORDER BY language = :language DESC LIMIT 1
        """),
        {"announcement_id": announcement_id, "language": language, "fallback": FALLBACK_LANGUAGE},
    ).one()
    return row.language, Wording(row.subject_line, row.text)
