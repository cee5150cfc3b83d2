"""Forgetting the mails to somebody who is erased. They are no read model, so the command that erases does it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text


def forget_mails(connection: Connection, person_id: UUID) -> None:
    """Delete every mail to a person, whether it was sent or waits: none is sent any more."""
    connection.execute(text("DELETE FROM mails WHERE account_id = :person_id"), {"person_id": person_id})
