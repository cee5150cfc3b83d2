"""Inquiries for those who deal with them: staff, and compliance officers those about law and privacy.

Internal notes have schemas and routes of their own here. No schema of a thread has a place for one.
"""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from gateway.routes.identity.inquiries import (
    CorrespondenceSchema,
    KindSchema,
    MessageSchema,
    OwnInquirySchema,
    PageSchema,
    TroubleshootingSchema,
    inquiry_id,
    kind_field,
    state_field,
    words_field,
)
from gateway.routing import Route
from gateway.schemas import EXAMPLE_ID, EXAMPLE_INSTANT, Answer, CommandAnswer, Id, Instant, NextCursor, says
from shared.contracts.vocabulary import STAFF_GUARDS, STAFF_INQUIRY_ACTIONS

DESK = frozenset(STAFF_GUARDS)


def actions_field() -> fields.List[str]:
    action = fields.String(
        validate=OneOf(STAFF_INQUIRY_ACTIONS), metadata=says("Something that can be done now.", "answer")
    )
    return fields.List(action, metadata={"description": "What can be done now."})


def assignee_field(**options: Any) -> Id:
    return Id(metadata=says("The account of the colleague who deals with it.", EXAMPLE_ID), **options)


class InquiryFilterSchema(PageSchema):
    """Which inquiries."""

    kind = kind_field(load_default=None)
    state = state_field(load_default=None)
    assigned_to = assignee_field(load_default=None)


class StaffInquirySchema(OwnInquirySchema):
    """An inquiry, as those who deal with it see it in a list."""

    person_id = Id(metadata=says("The person: their account, or the subject id of a visitor.", EXAMPLE_ID))
    has_account = fields.Boolean(metadata=says("Whether the person was signed in.", True))
    child_reported = fields.Boolean(metadata=says("Whether it says that data of a child is held.", False))
    child = Id(allow_none=True, metadata=says("The account of that child, once it is known.", EXAMPLE_ID))
    assigned_to = assignee_field(allow_none=True)
    erased = fields.Boolean(metadata=says("Whether what was written was erased.", False))
    actions = actions_field()


class StaffInquiryPageSchema(Answer):
    """A page of inquiries: open reports of children first, then newest first."""

    items = fields.List(fields.Nested(StaffInquirySchema))
    next_cursor = NextCursor()


class StaffCorrespondenceSchema(CorrespondenceSchema):
    """A message of the person, or an answer and whose it is."""

    answered_by = Id(allow_none=True, metadata=says("Who answered; null in a message of the person.", EXAMPLE_ID))


class StaffThreadSchema(StaffInquirySchema):
    """An inquiry with all that the person told us; what was erased is null."""

    email = fields.String(allow_none=True, metadata=says("Where the person is answered.", "grace@example.org"))
    name = fields.String(allow_none=True, metadata=says("What the person is called.", "Grace Hopper"))
    troubleshooting = fields.Nested(
        TroubleshootingSchema, allow_none=True, metadata={"description": "What helps to find a fault."}
    )
    correspondence = fields.List(fields.Nested(StaffCorrespondenceSchema))


class DealtWithSchema(CommandAnswer):
    """Where the inquiry stands now."""

    inquiry_id = Id(metadata=says("The inquiry.", EXAMPLE_ID))
    state = state_field()
    actions = actions_field()


class AnsweredSchema(DealtWithSchema):
    """The answer, and where the inquiry stands now."""

    message_id = Id(metadata=says("The answer.", EXAMPLE_ID))


class AssigneeSchema(Schema):
    """A colleague."""

    assigned_to = assignee_field(required=True)


class ChildReportSchema(Schema):
    """Whose account it is."""

    account_id = Id(metadata=says("The account of the child, if it is known.", EXAMPLE_ID))


class NewInternalNoteSchema(Schema):
    """A note for the house alone."""

    text = words_field()


class InternalNoteSchema(Answer):
    """What a colleague noted. Nobody outside the house is ever shown it."""

    note_id = Id(metadata=says("The note.", EXAMPLE_ID))
    written_by = Id(metadata=says("Who noted it.", EXAMPLE_ID))
    text = fields.String(
        allow_none=True, metadata=says("What was noted; null after the person was erased.", "Called back, no answer.")
    )
    added_at = Instant(metadata=says("When.", EXAMPLE_INSTANT))


class InternalNotesSchema(Answer):
    """The notes about an inquiry, oldest first."""

    items = fields.List(fields.Nested(InternalNoteSchema))


class AddedInternalNoteSchema(CommandAnswer):
    """The new note."""

    note_id = Id(metadata=says("The note.", EXAMPLE_ID))


routes = [
    Route(
        "GET",
        "/v1/staff/inquiries",
        guards=DESK,
        calls="identity.list_inquiries",
        summary="List inquiries",
        description="Compliance officers see those about law and privacy.",
        tag="Inquiry desk",
        query=InquiryFilterSchema,
        answers=StaffInquiryPageSchema,
    ),
    Route(
        "GET",
        "/v1/staff/inquiries/{inquiry_id}",
        guards=DESK,
        calls="identity.read_inquiry",
        summary="Read an inquiry",
        tag="Inquiry desk",
        parameters={"inquiry_id": inquiry_id()},
        answers=StaffThreadSchema,
    ),
    Route(
        "POST",
        "/v1/staff/inquiries/{inquiry_id}/answers",
        guards=DESK,
        calls="identity.answer_inquiry",
        summary="Answer an inquiry",
        description="The person reads it in the thread, and gets it by mail.",
        tag="Inquiry desk",
        parameters={"inquiry_id": inquiry_id()},
        body=MessageSchema,
        answers=AnsweredSchema,
        status=201,
        problems=("inquiry-closed", "too-many-messages", "subject-erased"),
    ),
    Route(
        "PUT",
        "/v1/staff/inquiries/{inquiry_id}/assignee",
        guards=DESK,
        calls="identity.assign_inquiry",
        summary="Assign an inquiry",
        tag="Inquiry desk",
        parameters={"inquiry_id": inquiry_id()},
        body=AssigneeSchema,
        answers=DealtWithSchema,
        problems=("assignee-refused", "inquiry-closed"),
    ),
    Route(
        "DELETE",
        "/v1/staff/inquiries/{inquiry_id}/assignee",
        guards=DESK,
        calls="identity.unassign_inquiry",
        summary="Give an inquiry back",
        tag="Inquiry desk",
        parameters={"inquiry_id": inquiry_id()},
        answers=DealtWithSchema,
        problems=("inquiry-closed",),
    ),
    Route(
        "PUT",
        "/v1/staff/inquiries/{inquiry_id}/kind",
        guards=DESK,
        calls="identity.reclassify_inquiry",
        summary="Say what an inquiry is really about",
        description="It is then assigned to nobody. What turns out to be about privacy begins a privacy request.",
        tag="Inquiry desk",
        parameters={"inquiry_id": inquiry_id()},
        body=KindSchema,
        answers=DealtWithSchema,
        problems=("inquiry-closed",),
    ),
    Route(
        "PUT",
        "/v1/staff/inquiries/{inquiry_id}/closure",
        guards=DESK,
        calls="identity.close_inquiry",
        summary="Close an inquiry",
        description="The person can take it up again within thirty days by writing once more.",
        tag="Inquiry desk",
        parameters={"inquiry_id": inquiry_id()},
        answers=DealtWithSchema,
    ),
    Route(
        "DELETE",
        "/v1/staff/inquiries/{inquiry_id}/closure",
        guards=DESK,
        calls="identity.reopen_inquiry",
        summary="Take an inquiry up again",
        tag="Inquiry desk",
        parameters={"inquiry_id": inquiry_id()},
        answers=DealtWithSchema,
    ),
    Route(
        "PUT",
        "/v1/staff/inquiries/{inquiry_id}/child-report",
        guards=DESK,
        calls="identity.report_child",
        summary="Mark that an inquiry is about data of a child",
        description="For reports that came under another name, and to say whose account it is.",
        tag="Inquiry desk",
        parameters={"inquiry_id": inquiry_id()},
        body=ChildReportSchema,
        answers=DealtWithSchema,
    ),
    Route(
        "POST",
        "/v1/staff/inquiries/{inquiry_id}/notes",
        guards=DESK,
        calls="identity.add_internal_note",
        summary="Note something for the house",
        tag="Inquiry desk",
        parameters={"inquiry_id": inquiry_id()},
        body=NewInternalNoteSchema,
        answers=AddedInternalNoteSchema,
        status=201,
        problems=("too-many-notes", "subject-erased"),
    ),
    Route(
        "GET",
        "/v1/staff/inquiries/{inquiry_id}/notes",
        guards=DESK,
        calls="identity.list_internal_notes",
        summary="Read the notes about an inquiry",
        tag="Inquiry desk",
        parameters={"inquiry_id": inquiry_id()},
        answers=InternalNotesSchema,
    ),
]
