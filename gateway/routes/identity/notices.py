"""Notices: what a person is told, what they want to be told, and what staff tell everybody."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validates_schema
from marshmallow.validate import Length, OneOf

from gateway.routing import ANY_PERSON, PUBLIC, STAFF, Route
from gateway.schemas import (
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Answer,
    CommandAnswer,
    Count,
    Cursor,
    Id,
    Instant,
    LinkToken,
    NextCursor,
    Prose,
    Statement,
    Text,
    locale_field,
    says,
)
from shared.contracts.vocabulary import (
    ANNOUNCED_KINDS,
    LOCALES,
    NOTICE_CHANNELS,
    NOTICE_KINDS,
    OBJECTIONABLE_KINDS,
    PURPOSES,
)

STATES = ("sent", "failed")
LEGAL_BASES = ("contract", "consent", "legitimate_interests", "legal_obligation")
OBSTACLES = ("restricted", "deactivated", "not-verified", "objected", "not-wanted", "no-consent")


def kind_field(**options: Any) -> fields.String:
    return fields.String(validate=OneOf(NOTICE_KINDS), metadata=says("What sort of notice.", "product"), **options)


def channel_field(**options: Any) -> fields.String:
    return fields.String(validate=OneOf(NOTICE_CHANNELS), metadata=says("How it is sent.", "email"), **options)


def objectionable_kind() -> fields.String:
    return fields.String(
        required=True, validate=OneOf(OBJECTIONABLE_KINDS), metadata=says("What one objects to.", "product")
    )


class NoticePageQuerySchema(Schema):
    """Which part of the log."""

    cursor = Cursor()
    limit = Count(1, 200, load_default=50, metadata=says("How many at most.", 50))


class NoticeSchema(Answer):
    """Something that a person was told, or could not be told."""

    notice_id = Id(metadata=says("The notice.", EXAMPLE_ID))
    kind = kind_field()
    channel = channel_field()
    subject = fields.String(
        allow_none=True,
        metadata=says("Its subject as it was sent; null after it was erased.", "Your password was changed"),
    )
    state = fields.String(
        validate=OneOf(STATES),
        metadata=says("Whether the mail server took it; `failed` if it refused for good, or for a day.", "sent"),
    )
    settled_at = Instant(metadata=says("When that was so.", EXAMPLE_INSTANT))


class NoticePageSchema(Answer):
    """A page of one's own notices, newest first."""

    items = fields.List(fields.Nested(NoticeSchema))
    next_cursor = NextCursor()


class NoticePreferenceSchema(Answer):
    """How it stands with one kind of notice by one channel."""

    kind = kind_field()
    channel = channel_field()
    legal_basis = fields.String(
        validate=OneOf(LEGAL_BASES), metadata=says("What sending it rests on (Art. 6(1) GDPR).", "consent")
    )
    consent = fields.String(
        allow_none=True, validate=OneOf(PURPOSES), metadata=says("The consent it needs as well.", "product_news")
    )
    refusable = fields.Boolean(metadata=says("Whether it can be turned off.", True))
    wanted = fields.Boolean(metadata=says("Whether it is turned on.", True))
    objected = fields.Boolean(metadata=says("Whether one objected to it.", False))
    obstacle = fields.String(
        allow_none=True,
        validate=OneOf(OBSTACLES),
        metadata=says("What keeps it from being sent as things stand; null if nothing does.", "no-consent"),
    )


class NoticePreferencesSchema(Answer):
    """One entry for each kind and channel."""

    items = fields.List(fields.Nested(NoticePreferenceSchema))


class NoticeChoiceSchema(Schema):
    """Whether one kind of notice is wanted by one channel."""

    kind = kind_field(required=True)
    channel = channel_field(required=True)
    wanted = Statement(required=True, metadata=says("Whether to get it.", False))


class NoticeChoicesSchema(Schema):
    """All choices; what is not named is wanted."""

    items = fields.List(
        fields.Nested(NoticeChoiceSchema), required=True, validate=Length(0, len(NOTICE_KINDS) * len(NOTICE_CHANNELS))
    )

    @validates_schema
    def choose_once(self, data: dict[str, Any], **more: Any) -> None:
        named = [(item["kind"], item["channel"]) for item in data["items"]]
        if len(set(named)) < len(named):
            raise ValidationError("Name each kind and channel once.", "items")


class OneClickSchema(Schema):
    """What a mail program sends when its user wants no more of these notices (RFC 8058)."""

    one_click = fields.String(
        required=True,
        data_key="List-Unsubscribe",
        validate=OneOf(["One-Click"]),
        metadata=says("Says that it is meant.", "One-Click"),
    )

    class Meta:
        unknown = EXCLUDE

    @post_load
    def ask_for_nothing_else(self, data: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {}


class UnsubscriptionSchema(Answer):
    """What a link ends."""

    kind = kind_field()


class WordingSchema(Schema):
    """What is said in one language."""

    language = locale_field(required=True)
    subject = Text(200, required=True, metadata=says("The subject.", "Our privacy policy changes on 1 March"))
    text = Prose(
        20_000,
        required=True,
        metadata=says("The text; an empty line begins another paragraph.", "From 1 March we keep less."),
    )


class AnnouncementSchema(Schema):
    """Something that everybody concerned is told."""

    kind = fields.String(
        required=True,
        validate=OneOf(ANNOUNCED_KINDS),
        metadata=says("What sort of notice it is, which says whom it reaches.", "policy_update"),
    )
    wordings = fields.List(
        fields.Nested(WordingSchema),
        required=True,
        validate=Length(1, len(LOCALES)),
        metadata={"description": "In English, and in as many other languages as it is written in."},
    )

    @validates_schema
    def write_once(self, data: dict[str, Any], **more: Any) -> None:
        languages = [each["language"] for each in data["wordings"]]
        if len(set(languages)) < len(languages):
            raise ValidationError("Write each language once.", "wordings")


class PublishedAnnouncementSchema(CommandAnswer):
    """An announcement on its way."""

    announcement_id = Id(metadata=says("The announcement.", EXAMPLE_ID))


routes = [
    Route(
        "GET",
        "/v1/me/notices",
        guards=ANY_PERSON,
        calls="identity.list_notices",
        summary="List what one was told",
        tag="Notices",
        query=NoticePageQuerySchema,
        answers=NoticePageSchema,
        scope="profile:read",
        problems=("subject-erased",),
    ),
    Route(
        "GET",
        "/v1/me/notice-preferences",
        guards=ANY_PERSON,
        calls="identity.read_notice_preferences",
        summary="See what one is told, and what that rests on",
        tag="Notices",
        answers=NoticePreferencesSchema,
        scope="profile:read",
        problems=("account-not-found", "subject-erased"),
    ),
    Route(
        "PUT",
        "/v1/me/notice-preferences",
        guards=ANY_PERSON,
        calls="identity.choose_notices",
        summary="Choose what one is told",
        description=(
            "Replaces all choices; what is not named is wanted. News about the product also takes the consent "
            "`product_news`. What serves the account or is required by law cannot be turned off."
        ),
        tag="Notices",
        body=NoticeChoicesSchema,
        answers=CommandAnswer,
        scope="profile:write",
        problems=("notice-not-refusable", "subject-erased"),
    ),
    Route(
        "PUT",
        "/v1/me/notice-objections/{kind}",
        guards=ANY_PERSON,
        calls="identity.object_to_notices",
        summary="Object to notices",
        description="Ends them at once, whatever was agreed to or is agreed to later, until it is withdrawn.",
        tag="Notices",
        parameters={"kind": objectionable_kind()},
        answers=CommandAnswer,
        scope="profile:write",
        problems=("subject-erased",),
    ),
    Route(
        "DELETE",
        "/v1/me/notice-objections/{kind}",
        guards=ANY_PERSON,
        calls="identity.withdraw_objection",
        summary="Withdraw an objection to notices",
        tag="Notices",
        parameters={"kind": objectionable_kind()},
        answers=CommandAnswer,
        scope="profile:write",
        problems=("subject-erased",),
    ),
    Route(
        "GET",
        "/v1/unsubscriptions/{token}",
        guards=PUBLIC,
        calls="identity.read_unsubscription",
        summary="Look at what a link in a notice ends",
        description="Changes nothing, however often a mail program or a person follows the link.",
        tag="Notices",
        parameters={"token": LinkToken()},
        answers=UnsubscriptionSchema,
        problems=("link-invalid",),
    ),
    Route(
        "POST",
        "/v1/unsubscriptions/{token}",
        guards=PUBLIC,
        calls="identity.unsubscribe",
        summary="End notices of one kind with one click",
        description=(
            "What mail programs do with the header `List-Unsubscribe` of a notice (RFC 8058), without a session. It "
            "takes back the consent that these notices rest on, or else turns them off by mail. Doing it again changes "
            "nothing."
        ),
        tag="Notices",
        parameters={"token": LinkToken()},
        body=OneClickSchema,
        as_form=True,
        answers=UnsubscriptionSchema,
        problems=("link-invalid",),
    ),
    Route(
        "POST",
        "/v1/staff/announcements",
        guards=STAFF,
        calls="identity.publish_announcement",
        summary="Tell everybody concerned",
        description=(
            "Everybody who has an account at this moment, and whom this kind of notice reaches, is written to once, in "
            "their language or else in English. It cannot be taken back."
        ),
        tag="Staff",
        body=AnnouncementSchema,
        answers=PublishedAnnouncementSchema,
        status=201,
        step_up=True,
        problems=("words-missing",),
    ),
]
