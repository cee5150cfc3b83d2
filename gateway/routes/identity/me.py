"""A person's own profile, picture, address, password and guards."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import OneOf

from gateway.routes.identity.accounts import new_password
from gateway.routing import ANY_PERSON, Representation, Route, SessionStep, Upload
from gateway.schemas import (
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Accepted,
    Address,
    Answer,
    CommandAnswer,
    Country,
    Id,
    Instant,
    Secret,
    Text,
    TimeZone,
    guard_field,
    locale_field,
    says,
    username_field,
)
from shared.contracts.vocabulary import OPEN_GUARDS

PICTURE = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP////////////////////////////////////////////////////////////////////////////"
    "//////////wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAv/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AT//Z"
)
PICTURES = Upload("image", ("image/jpeg", "image/png", "image/webp"), 2 * 1024 * 1024, PICTURE)


class ProfileSchema(Answer):
    """What the platform knows about the person who asks."""

    account_id = Id(metadata=says("The account, which is also the person's subject id.", EXAMPLE_ID))
    email = Address(metadata=says("Address to sign in with.", "ada@example.org"))
    name = Text(200, metadata=says("Name to be addressed by.", "Ada Lovelace"))
    time_zone = TimeZone()
    country = Country()
    username = username_field(allow_none=True)
    locale = locale_field(allow_none=True)
    email_verified = fields.Boolean(metadata=says("Whether the address was shown to be the person's own.", True))
    second_factor = fields.Boolean(metadata=says("Whether signing in asks for a one-time code as well.", False))
    guards = fields.List(guard_field(), metadata={"description": "The guards this account can sign in with."})
    registered_at = Instant(metadata=says("When the account was registered.", EXAMPLE_INSTANT))


class ChangedProfileSchema(ProfileSchema, CommandAnswer):
    """The profile after the change."""


class ProfileChangeSchema(Schema):
    """What is to be different; what is absent stays."""

    name = Text(200, metadata=says("Name to be addressed by.", "Ada King"))
    time_zone = TimeZone()
    country = Country()
    username = username_field()
    locale = locale_field()

    @validates_schema
    def say_something(self, data: dict[str, Any], **more: Any) -> None:
        if not data:
            raise ValidationError("Name at least one thing to change.")


class NewAddressSchema(Schema):
    """The address that is to be that of the account."""

    new_email = Address(required=True, metadata=says("Where the message is sent.", "ada.king@example.org"))


class PasswordChangeSchema(Schema):
    """Another password, and the one that it is to replace."""

    current_password = Secret(required=True, metadata=says("Password of the account.", "crimson-otter-meadow-17"))
    new_password = new_password()


class GuardSchema(Schema):
    """A guard to hold as well."""

    guard = fields.String(
        required=True, validate=OneOf(OPEN_GUARDS), metadata=says("In which capacity to sign in as well.", "client")
    )


class GuardsSchema(CommandAnswer):
    """The guards after the change."""

    guards = fields.List(guard_field(), metadata={"description": "The guards this account can sign in with."})


routes = [
    Route(
        "GET",
        "/v1/me",
        guards=ANY_PERSON,
        calls="identity.read_profile",
        summary="Read one's own profile",
        tag="Profile",
        answers=ProfileSchema,
        scope="profile:read",
        problems=("account-not-found", "subject-erased"),
    ),
    Route(
        "PATCH",
        "/v1/me",
        guards=ANY_PERSON,
        calls="identity.change_profile",
        summary="Change one's own profile",
        tag="Profile",
        body=ProfileChangeSchema,
        answers=ChangedProfileSchema,
        scope="profile:write",
        problems=("username-taken", "account-not-found", "subject-erased"),
    ),
    Route(
        "GET",
        "/v1/me/image",
        guards=ANY_PERSON,
        calls="identity.read_image",
        summary="See one's own picture",
        tag="Profile",
        representations=(Representation("image/jpeg", member="image", example=PICTURE, base64=True),),
        problems=("not-found",),
    ),
    Route(
        "PUT",
        "/v1/me/image",
        guards=ANY_PERSON,
        calls="identity.change_image",
        summary="Choose a picture of oneself",
        description=(
            "What is kept is drawn anew: a JPEG of at most 512 by 512 pixels, without anything that the file held "
            "beside its pixels. A file of more than 20 megapixels is refused."
        ),
        tag="Profile",
        upload=PICTURES,
        answers=CommandAnswer,
        problems=("image-unusable", "account-not-found", "subject-erased"),
    ),
    Route(
        "DELETE",
        "/v1/me/image",
        guards=ANY_PERSON,
        calls="identity.remove_image",
        summary="Take one's picture away",
        tag="Profile",
        answers=CommandAnswer,
        problems=("account-not-found", "subject-erased"),
    ),
    Route(
        "POST",
        "/v1/me/email-verification-requests",
        guards=ANY_PERSON,
        calls="identity.request_email_verification",
        summary="Ask again for the message of verification",
        description="Sends nothing if the address is verified, or if a message was sent less than two minutes ago.",
        tag="Accounts",
        answers=Accepted,
        status=202,
        problems=("account-not-found", "subject-erased"),
    ),
    Route(
        "POST",
        "/v1/me/email-change-requests",
        guards=ANY_PERSON,
        calls="identity.request_email_change",
        summary="Ask for another address",
        description=(
            "Sends a message to the new address; it is that of the account once it has been confirmed from there. A "
            "later request replaces this one. Whether somebody else has the address is not told."
        ),
        tag="Accounts",
        body=NewAddressSchema,
        answers=Accepted,
        status=202,
        step_up=True,
        problems=("asked-too-soon", "account-not-found", "subject-erased"),
    ),
    Route(
        "PUT",
        "/v1/me/password",
        guards=ANY_PERSON,
        calls="identity.change_password",
        summary="Change one's password",
        description="Ends all other sessions of the person, their API tokens and the links that were sent before.",
        tag="Accounts",
        body=PasswordChangeSchema,
        answers=CommandAnswer,
        problems=(
            "password-refused",
            "password-too-weak",
            "too-many-attempts",
            "account-not-found",
            "subject-erased",
        ),
        tells_client=True,
    ),
    Route(
        "POST",
        "/v1/me/guards",
        guards=ANY_PERSON,
        calls="identity.add_own_guard",
        summary="Hold one more guard",
        description="One person may be an influencer and a client, with a session of each.",
        tag="Accounts",
        body=GuardSchema,
        answers=GuardsSchema,
        problems=("guard-already-held", "email-not-verified", "account-not-found", "subject-erased"),
    ),
    Route(
        "POST",
        "/v1/me/deactivation",
        guards=ANY_PERSON,
        calls="identity.deactivate_own_account",
        summary="Deactivate one's account",
        description=(
            "Ends all sessions. From then on sign-in is refused as if the password were wrong; what the account holds "
            "stays. Staff can reactivate it. The last owner of an organisation who can act makes another member an "
            "owner first, or closes it."
        ),
        tag="Accounts",
        status=204,
        session=SessionStep.CLOSES,
        step_up=True,
        problems=("last-owner", "account-not-found", "subject-erased"),
    ),
]
