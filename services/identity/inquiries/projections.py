"""The read models of inquiries, and that of internal notes, which is a table of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.inquiries.aggregate import CLOSED, ERASING_CORRESPONDENCE, OPEN, PENDING
from shared.contracts.identity import (
    InquiryAnswered,
    InquiryAssigned,
    InquiryChildReported,
    InquiryClosed,
    InquiryHandedOver,
    InquiryMessageReceived,
    InquiryOpened,
    InquiryPersonErased,
    InquiryReclassified,
    InquiryReopened,
    InternalNoteAdded,
)
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded

inquiries = OwnProjection("inquiries", "inquiries", "inquiry_messages")
internal_notes = OwnProjection("internal_notes", "internal_notes")


@inquiries.on(InquiryOpened)
def add_inquiry(connection: Connection, event: InquiryOpened, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO inquiries (inquiry_id, person_id, has_account, kind, email, name, troubleshooting,
                messages, unanswered, opened_at, last_message_at)
            VALUES (:inquiry_id, :person_id, :has_account, :kind, :email, :name, :troubleshooting,
                1, 1, :opened_at, :opened_at)
        """),
        {
            "inquiry_id": event.inquiry_id,
            "person_id": event.person_id,
            "has_account": event.has_account,
            "kind": event.kind,
            "opened_at": event.opened_at,
            **{field: recorded.sealed(field) for field in ("email", "name", "troubleshooting")},
        },
    )
    _add_message(connection, event, recorded, event.opened_at)


@inquiries.on(InquiryMessageReceived)
def add_message(connection: Connection, event: InquiryMessageReceived, recorded: Recorded) -> None:
    connection.execute(
        text("""
            UPDATE inquiries SET state = :state, messages = messages + 1, unanswered = unanswered + 1,
                last_message_at = :received_at
            WHERE inquiry_id = :inquiry_id
        """),
        {"inquiry_id": event.inquiry_id, "state": OPEN, "received_at": event.received_at},
    )
    _add_message(connection, event, recorded, event.received_at)


@inquiries.on(InquiryAnswered)
def add_answer(connection: Connection, event: InquiryAnswered, recorded: Recorded) -> None:
    connection.execute(
        text("""
            UPDATE inquiries SET state = :state, messages = messages + 1, unanswered = 0,
                last_message_at = :answered_at
            WHERE inquiry_id = :inquiry_id
        """),
        {"inquiry_id": event.inquiry_id, "state": PENDING, "answered_at": event.answered_at},
    )
    _add_message(connection, event, recorded, event.answered_at, answered_by=event.answered_by)


def _add_message(
    connection: Connection,
    event: InquiryOpened | InquiryMessageReceived | InquiryAnswered,
    recorded: Recorded,
    written_at: datetime,
    *,
    answered_by: UUID | None = None,
) -> None:
    connection.execute(
        text("""
            INSERT INTO inquiry_messages (message_id, inquiry_id, answered_by, text, written_at)
            VALUES (:message_id, :inquiry_id, :answered_by, :text, :written_at)
        """),
        {
            "message_id": event.message_id,
            "inquiry_id": event.inquiry_id,
            "answered_by": answered_by,
            "text": recorded.sealed("text"),
            "written_at": written_at,
        },
    )


@inquiries.on(InquiryAssigned)
def assign_inquiry(connection: Connection, event: InquiryAssigned, recorded: Recorded) -> None:
    _set(connection, event.inquiry_id, assigned_to=event.assigned_to)


@inquiries.on(InquiryReclassified)
def reclassify_inquiry(connection: Connection, event: InquiryReclassified, recorded: Recorded) -> None:
    _set(connection, event.inquiry_id, kind=event.kind)


@inquiries.on(InquiryClosed)
def close_inquiry(connection: Connection, event: InquiryClosed, recorded: Recorded) -> None:
    _set(connection, event.inquiry_id, state=CLOSED, closed_at=event.closed_at)


@inquiries.on(InquiryReopened)
def reopen_inquiry(connection: Connection, event: InquiryReopened, recorded: Recorded) -> None:
    _set(connection, event.inquiry_id, state=OPEN, closed_at=None)


@inquiries.on(InquiryHandedOver)
def keep_request_type(connection: Connection, event: InquiryHandedOver, recorded: Recorded) -> None:
    _set(connection, event.inquiry_id, request_type=event.request_type)


@inquiries.on(InquiryChildReported)
def mark_child_report(connection: Connection, event: InquiryChildReported, recorded: Recorded) -> None:
    known = {"child": event.account_id} if event.account_id is not None else {}
    _set(connection, event.inquiry_id, child_reported=True, **known)


@inquiries.on(InquiryPersonErased)
def mark_erased(connection: Connection, event: InquiryPersonErased, recorded: Recorded) -> None:
    if event.category in ERASING_CORRESPONDENCE:
        _set(connection, event.inquiry_id, erased=True)


def _set(connection: Connection, inquiry_id: UUID, **columns: Any) -> None:
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    connection.execute(
        text(f"UPDATE inquiries SET {assignments} WHERE inquiry_id = :inquiry_id"),  # noqa: S608 - names from above
        {"inquiry_id": inquiry_id, **columns},
    )


@internal_notes.on(InternalNoteAdded)
def add_internal_note(connection: Connection, event: InternalNoteAdded, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO internal_notes (note_id, inquiry_id, written_by, text, added_at)
            VALUES (:note_id, :inquiry_id, :written_by, :text, :added_at)
        """),
        {
            "note_id": event.note_id,
            "inquiry_id": event.inquiry_id,
            "written_by": event.written_by,
            "text": recorded.sealed("text"),
            "added_at": event.added_at,
        },
    )
