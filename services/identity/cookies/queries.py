"""Reading choices about cookies."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.cookies.aggregate import Choice, Objection


def cookie_choices(connection: Connection, subject_id: UUID) -> dict[str, Choice | Objection]:
    """How cookies stand with a visitor or a person: what was said of each purpose, expired or not."""
    rows = connection.execute(
        text("""
            SELECT purpose, state, wording_version, effective_at, expires_at FROM cookie_choices
            WHERE subject_id = :subject_id
        """),
        {"subject_id": subject_id},
    )
    return {
        row.purpose: Choice(row.state, row.wording_version, row.effective_at, row.expires_at)
        if row.wording_version
        else Objection(row.effective_at, row.expires_at)
        for row in rows
    }
