"""Reads of internal notes: no other module reads their table, and only operations of staff call this one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shared.contracts.times import rfc3339
from shared.eventstore.recorded import readable_values
from shared.privacy.keyring import Keyring


def internal_notes(connection: Connection, keyring: Keyring, inquiry_id: UUID) -> list[dict[str, Any]]:
    """What staff noted about an inquiry, oldest first; what was erased with the person is null."""
    rows = connection.execute(
        text("""
            SELECT note_id, written_by, text, added_at FROM internal_notes
            WHERE inquiry_id = :inquiry_id ORDER BY note_id
        """),
        {"inquiry_id": inquiry_id},
    ).all()
    return [
        {
            "note_id": str(row.note_id),
            "written_by": str(row.written_by),
            "text": words,
            "added_at": rfc3339(row.added_at),
        }
        for row, words in zip(rows, readable_values([row.text for row in rows], keyring), strict=True)
    ]


def count_internal_notes(connection: Connection, inquiry_id: UUID) -> int:
    """How many notes there are about an inquiry."""
    counted: int = connection.execute(
        text("SELECT count(*) FROM internal_notes WHERE inquiry_id = :inquiry_id"), {"inquiry_id": inquiry_id}
    ).scalar_one()
    return counted
