"""Inquiries of those who write in: visitors, and people with an account."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import Length, OneOf

from gateway.routing import PUBLIC, Route
from gateway.schemas import (
    EXAMPLE_HASH,
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Accepted,
    Address,
    Answer,
    CommandAnswer,
    Count,
    Cursor,
    Id,
    Instant,
    LinkToken,
    NextCursor,
    Prose,
    Text,
    says,
)
from shared.contracts.vocabulary import (
    INQUIRY_ACTIONS,
    INQUIRY_KINDS,
    INQUIRY_STATES,
    LONGEST_INQUIRY_TEXT,
    OPEN_GUARDS,
    PRIVACY_REQUEST_TYPES,
)

WRITERS = frozenset(OPEN_GUARDS)
EXAMPLE_TEXT = "Since yesterday the page with my proposals stays empty.\nWhat can I do?"


def inquiry_id() -> Id:
    return Id(required=True, metadata=says("The inquiry.", EXAMPLE_ID))


def kind_field(**options: Any) -> fields.String:
    return fields.String(validate=OneOf(INQUIRY_KINDS), metadata=says("What it is about.", "privacy"), **options)


def state_field(**options: Any) -> fields.String:
    return fields.String(
        validate=OneOf(INQUIRY_STATES),
        metadata=says("`open` waits for us, `pending` was answered and waits for the person.", "open"),
        **options,
    )


def request_type_field(**options: Any) -> fields.String:
    return fields.String(
        validate=OneOf(PRIVACY_REQUEST_TYPES),
        metadata=says("What is asked for in a privacy inquiry, if it is one of these.", "access"),
        **options,
    )


def words_field() -> Prose:
    return Prose(LONGEST_INQUIRY_TEXT, required=True, metadata=says("In one's own words.", EXAMPLE_TEXT))


class TroubleshootingSchema(Schema):
    """What helps to find a fault: these details and no others."""

    page = Text(500, metadata=says("The page that was open.", "/proposals"))
    browser = Text(200, metadata=says("Browser and system.", "Firefox 145 on Linux"))
    app_version = Text(50, metadata=says("Version of the client program.", "2026.11.2"))
    request_id = Text(64, metadata=says("The `X-Request-Id` of what failed.", EXAMPLE_ID))
    happened_at = Instant(metadata=says("When it happened.", EXAMPLE_INSTANT))


class KindSchema(Schema):
    """What an inquiry is about."""

    kind = kind_field(required=True)
    request_type = request_type_field()

    @validates_schema
    def _only_privacy_has_a_type(self, data: dict[str, Any], **more: Any) -> None:
        if "request_type" in data and data.get("kind") != "privacy":
            raise ValidationError("Only a privacy inquiry asks for this.", "request_type")


class InquirySchema(KindSchema):
    """What somebody writes in about."""

    text = words_field()
    troubleshooting = fields.Nested(TroubleshootingSchema)


class VisitorInquirySchema(InquirySchema):
    """The same from somebody without an account, who says where to answer."""

    email = Address(required=True, metadata=says("Where to answer.", "grace@example.org"))
    name = Text(200, metadata=says("Name to be addressed by.", "Grace Hopper"))
    form_token = Text(100, required=True, metadata=says("From `GET /v1/inquiry-form`.", f"1795512600.{EXAMPLE_HASH}"))
    website = fields.String(
        load_default="", validate=Length(max=500), metadata=says("To be left empty, and not to be shown.", "")
    )


class FormSchema(Answer):
    """What a form for visitors needs."""

    form_token = fields.String(
        metadata=says("Sent with the inquiry; it counts for a day.", f"1795512600.{EXAMPLE_HASH}")
    )


class MessageSchema(Schema):
    """One more message."""

    text = words_field()


class LinkedMessageSchema(MessageSchema):
    """One more message of a visitor."""

    token = LinkToken()


class FollowedLinkSchema(Schema):
    """The link to a thread."""

    token = LinkToken()


class OwnInquirySchema(Answer):
    """An inquiry, as its person sees it in a list."""

    inquiry_id = Id(metadata=says("The inquiry.", EXAMPLE_ID))
    kind = kind_field()
    state = state_field()
    request_type = request_type_field(allow_none=True)
    messages = fields.Integer(metadata=says("How many messages and answers there are.", 2))
    opened_at = Instant(metadata=says("When the person wrote in.", EXAMPLE_INSTANT))
    last_message_at = Instant(metadata=says("When somebody wrote last.", EXAMPLE_INSTANT))
    closed_at = Instant(allow_none=True, metadata=says("When it was closed; null if it is not.", EXAMPLE_INSTANT))
    actions = fields.List(
        fields.String(validate=OneOf(INQUIRY_ACTIONS), metadata=says("Something that can be done now.", "reply")),
        metadata={"description": "What can be done now."},
    )


class OwnInquiryPageSchema(Answer):
    """A page of inquiries, newest first."""

    items = fields.List(fields.Nested(OwnInquirySchema))
    next_cursor = NextCursor()


class CorrespondenceSchema(Answer):
    """A message of the person, or an answer."""

    message_id = Id(metadata=says("The message.", EXAMPLE_ID))
    author = fields.String(validate=OneOf(["person", "staff"]), metadata=says("Who wrote it.", "person"))
    text = fields.String(allow_none=True, metadata=says("What was written; null after it was erased.", EXAMPLE_TEXT))
    written_at = Instant(metadata=says("When.", EXAMPLE_INSTANT))


class ThreadSchema(OwnInquirySchema):
    """An inquiry with its correspondence, oldest first."""

    correspondence = fields.List(fields.Nested(CorrespondenceSchema))


class OpenedInquirySchema(CommandAnswer):
    """The new inquiry."""

    inquiry_id = Id(metadata=says("The inquiry.", EXAMPLE_ID))
    actions = OwnInquirySchema().fields["actions"]


class SentMessageSchema(CommandAnswer):
    """The new message."""

    message_id = Id(metadata=says("The message.", EXAMPLE_ID))
    actions = OwnInquirySchema().fields["actions"]


class PageSchema(Schema):
    """Which part of a list."""

    cursor = Cursor()
    limit = Count(1, 100, load_default=50, metadata=says("How many at most.", 50))


routes = [
    Route(
        "GET",
        "/v1/inquiry-form",
        guards=PUBLIC,
        calls="identity.hand_out_inquiry_form",
        summary="Get a form to write in with",
        tag="Inquiries",
        answers=FormSchema,
    ),
    Route(
        "POST",
        "/v1/inquiries",
        guards=PUBLIC,
        calls="identity.receive_inquiry",
        summary="Write in without an account",
        description=(
            "Is acknowledged by a message to the address, whose link opens the thread. A privacy inquiry begins a "
            "privacy request. What machines send is dropped, and answered in the same way: leave `website` empty, and "
            "send the form no sooner than a few seconds after it was handed out."
        ),
        tag="Inquiries",
        body=VisitorInquirySchema,
        answers=Accepted,
        status=202,
        problems=("form-expired",),
        tells_client=True,
    ),
    Route(
        "GET",
        "/v1/inquiry-thread",
        guards=PUBLIC,
        calls="identity.read_inquiry_thread",
        summary="Read a thread by its link",
        description="Changes nothing: the link counts until it expires, or until the next message brings another one.",
        tag="Inquiries",
        query=FollowedLinkSchema,
        answers=ThreadSchema,
        problems=("link-invalid",),
    ),
    Route(
        "POST",
        "/v1/inquiry-thread/messages",
        guards=PUBLIC,
        calls="identity.reply_by_link",
        summary="Write once more by link",
        description="Takes a closed inquiry up again within thirty days.",
        tag="Inquiries",
        body=LinkedMessageSchema,
        answers=SentMessageSchema,
        status=201,
        problems=("link-invalid", "inquiry-closed", "too-many-messages", "subject-erased"),
    ),
    Route(
        "POST",
        "/v1/inquiry-thread/links",
        guards=PUBLIC,
        calls="identity.renew_inquiry_link",
        summary="Ask for another link to a thread",
        description="Sends one to the address of the inquiry, to whoever has the last one, which may have expired.",
        tag="Inquiries",
        body=FollowedLinkSchema,
        answers=Accepted,
        status=202,
        problems=("link-invalid", "asked-too-soon", "subject-erased"),
    ),
    Route(
        "POST",
        "/v1/me/inquiries",
        guards=WRITERS,
        calls="identity.open_own_inquiry",
        summary="Write in",
        description="Is answered in the thread and by mail. A privacy inquiry begins a privacy request.",
        tag="Inquiries",
        body=InquirySchema,
        answers=OpenedInquirySchema,
        status=201,
        problems=("too-many-inquiries", "subject-erased"),
    ),
    Route(
        "GET",
        "/v1/me/inquiries",
        guards=WRITERS,
        calls="identity.list_own_inquiries",
        summary="List one's own inquiries",
        tag="Inquiries",
        query=PageSchema,
        answers=OwnInquiryPageSchema,
    ),
    Route(
        "GET",
        "/v1/me/inquiries/{inquiry_id}",
        guards=WRITERS,
        calls="identity.read_own_inquiry",
        summary="Read one's own inquiry",
        tag="Inquiries",
        parameters={"inquiry_id": inquiry_id()},
        answers=ThreadSchema,
    ),
    Route(
        "POST",
        "/v1/me/inquiries/{inquiry_id}/messages",
        guards=WRITERS,
        calls="identity.reply_in_own_inquiry",
        summary="Write once more",
        description="Takes a closed inquiry up again within thirty days.",
        tag="Inquiries",
        parameters={"inquiry_id": inquiry_id()},
        body=MessageSchema,
        answers=SentMessageSchema,
        status=201,
        problems=("inquiry-closed", "too-many-messages", "subject-erased"),
    ),
]
