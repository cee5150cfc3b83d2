"""Reads of inquiries. None of them knows of internal notes, which are read in `internal_note_queries` alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from services.identity.inquiries.aggregate import Standing
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.eventstore.recorded import readable_values
from shared.privacy.keyring import Keyring

_COLUMNS = """
    inquiry_id, person_id, has_account, kind, state, child_reported, child, assigned_to, request_type, email, name,
    troubleshooting, messages, unanswered, opened_at, last_message_at, closed_at, erased
"""
_INQUIRY = text(f"SELECT {_COLUMNS} FROM inquiries WHERE inquiry_id = :inquiry_id")  # noqa: S608 - names from above
_OWN = text(f"""
    SELECT {_COLUMNS} FROM inquiries
    WHERE person_id = :person_id AND (CAST(:before AS uuid) IS NULL OR inquiry_id < :before)
    ORDER BY inquiry_id DESC LIMIT :limit
""")  # noqa: S608
_FOR_STAFF = text(f"""
    SELECT {_COLUMNS} FROM inquiries
    WHERE kind = ANY(:kinds)
        AND (CAST(:state AS text) IS NULL OR state = :state)
        AND (CAST(:assigned_to AS uuid) IS NULL OR assigned_to = :assigned_to)
        AND (CAST(:before AS uuid) IS NULL OR
            (urgent, inquiry_id) < (SELECT urgent, inquiry_id FROM inquiries WHERE inquiry_id = :before))
    ORDER BY urgent DESC, inquiry_id DESC LIMIT :limit
""")  # noqa: S608
_ACCOUNT = text("SELECT email, name FROM accounts WHERE account_id = :account_id")
_MESSAGES = text("""
    SELECT message_id, answered_by, text, written_at FROM inquiry_messages
    WHERE inquiry_id = :inquiry_id ORDER BY message_id
""")


@dataclass(frozen=True)
class Selection:
    """Which inquiries staff want to see, of those kinds that they deal with."""

    kinds: Collection[str]
    state: str | None = None
    assigned_to: UUID | None = None


def own_inquiries(
    connection: Connection, person_id: UUID, before: UUID | None, limit: int, now: datetime
) -> dict[str, Any]:
    """A page of the inquiries of a person, newest first, and the cursor of the next one."""
    rows = connection.execute(_OWN, {"person_id": person_id, "before": before, "limit": limit + 1}).all()
    return _page(rows, limit, [_for_person(row, now) for row in rows[:limit]])


def inquiries_for_staff(
    connection: Connection, selection: Selection, before: UUID | None, limit: int
) -> dict[str, Any]:
    """A page of inquiries, newest first but for open reports of children, which come before all others."""
    rows = connection.execute(
        _FOR_STAFF,
        {
            "kinds": list(selection.kinds),
            "state": selection.state,
            "assigned_to": selection.assigned_to,
            "before": before,
            "limit": limit + 1,
        },
    ).all()
    return _page(rows, limit, [_for_staff(row) for row in rows[:limit]])


def thread_of_person(
    connection: Connection, keyring: Keyring, inquiry_id: UUID, now: datetime, *, person_id: UUID | None = None
) -> dict[str, Any]:
    """An inquiry and its correspondence as its person reads it; texts that were erased are null.

    With `person_id`, only of that person. Raises `Problem("not-found")`.
    """
    row = _inquiry(connection, inquiry_id)
    if person_id not in (None, row.person_id):
        raise Problem("not-found")
    messages = [
        {
            "message_id": str(message.message_id),
            "author": "staff" if message.answered_by else "person",
            "text": words,
            "written_at": rfc3339(message.written_at),
        }
        for message, words in _messages(connection, keyring, inquiry_id)
    ]
    return _for_person(row, now) | {"correspondence": messages}


def thread_for_staff(
    connection: Connection, keyring: Keyring, inquiry_id: UUID, kinds: Collection[str]
) -> dict[str, Any]:
    """An inquiry of one of these kinds with all that the person told us. Raises `Problem("not-found")`."""
    row = _inquiry(connection, inquiry_id)
    if row.kind not in kinds:
        raise Problem("not-found")
    messages = [
        {
            "message_id": str(message.message_id),
            "author": "staff" if message.answered_by else "person",
            "answered_by": message.answered_by and str(message.answered_by),
            "text": words,
            "written_at": rfc3339(message.written_at),
        }
        for message, words in _messages(connection, keyring, inquiry_id)
    ]
    return _for_staff(row) | {
        **_whom_to_answer(connection, keyring, row),
        "troubleshooting": _readable(row.troubleshooting, keyring),
        "correspondence": messages,
    }


def kind_of(connection: Connection, inquiry_id: UUID) -> str | None:
    """What an inquiry is about; None if there is no such inquiry."""
    kind: str | None = connection.scalar(
        text("SELECT kind FROM inquiries WHERE inquiry_id = :inquiry_id"), {"inquiry_id": inquiry_id}
    )
    return kind


def inquiries_of(connection: Connection, person_id: UUID) -> list[UUID]:
    """Every inquiry of a person."""
    rows = connection.scalars(
        text("SELECT inquiry_id FROM inquiries WHERE person_id = :person_id ORDER BY inquiry_id"),
        {"person_id": person_id},
    )
    return list(rows)


def unsettled(connection: Connection, person_id: UUID) -> int:
    """How many inquiries of a person are not closed."""
    counted: int = connection.execute(
        text("SELECT count(*) FROM inquiries WHERE person_id = :person_id AND state <> 'closed'"),
        {"person_id": person_id},
    ).scalar_one()
    return counted


def _inquiry(connection: Connection, inquiry_id: UUID) -> Row[Any]:
    row = connection.execute(_INQUIRY, {"inquiry_id": inquiry_id}).first()
    if row is None:
        raise Problem("not-found")
    return row


def _page(rows: Collection[Row[Any]], limit: int, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"items": items, "next_cursor": items[-1]["inquiry_id"] if len(rows) > limit else None}


def _standing(row: Row[Any]) -> Standing:
    return Standing(row.state, row.messages, row.unanswered, row.closed_at, row.erased)


def _for_person(row: Row[Any], now: datetime) -> dict[str, Any]:
    return _outline(row) | {"actions": _standing(row).actions_of_person(now)}


def _for_staff(row: Row[Any]) -> dict[str, Any]:
    return _outline(row) | {
        "person_id": str(row.person_id),
        "has_account": row.has_account,
        "child_reported": row.child_reported,
        "child": row.child and str(row.child),
        "assigned_to": row.assigned_to and str(row.assigned_to),
        "erased": row.erased,
        "actions": _standing(row).actions_of_staff(),
    }


def _outline(row: Row[Any]) -> dict[str, Any]:
    return {
        "inquiry_id": str(row.inquiry_id),
        "kind": row.kind,
        "state": row.state,
        "request_type": row.request_type,
        "messages": row.messages,
        "opened_at": rfc3339(row.opened_at),
        "last_message_at": rfc3339(row.last_message_at),
        "closed_at": row.closed_at and rfc3339(row.closed_at),
    }


def _whom_to_answer(connection: Connection, keyring: Keyring, row: Row[Any]) -> dict[str, str | None]:
    """Address and name: those of the account as they are now, or those that a visitor left."""
    told = connection.execute(_ACCOUNT, {"account_id": row.person_id}).first() if row.has_account else row
    if told is None:
        return {"email": None, "name": None}
    return {"email": _readable(told.email, keyring), "name": _readable(told.name, keyring)}


def _messages(connection: Connection, keyring: Keyring, inquiry_id: UUID) -> list[tuple[Row[Any], str | None]]:
    """The messages of a thread in order, each with its words, for which the keyring is asked once."""
    rows = connection.execute(_MESSAGES, {"inquiry_id": inquiry_id}).all()
    return list(zip(rows, readable_values([row.text for row in rows], keyring), strict=True))


def _readable(sealed: str | None, keyring: Keyring) -> Any:
    return readable_values([sealed], keyring)[0] if sealed else None
