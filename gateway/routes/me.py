"""A person's own profile."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from gateway.routing import ANY_PERSON, Route
from gateway.schemas import (
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Address,
    Answer,
    CommandAnswer,
    Country,
    Id,
    Instant,
    Text,
    TimeZone,
    guard_field,
    says,
)


class ProfileSchema(Answer):
    """What the platform knows about the person who asks."""

    account_id = Id(metadata=says("The account, which is also the person's subject id.", EXAMPLE_ID))
    email = Address(metadata=says("Address to sign in with.", "ada@example.org"))
    name = Text(200, metadata=says("Name to be addressed by.", "Ada Lovelace"))
    time_zone = TimeZone()
    country = Country()
    guards = fields.List(guard_field(), metadata={"description": "The guards this account can sign in with."})
    registered_at = Instant(metadata=says("When the account was registered.", EXAMPLE_INSTANT))


class ChangedProfileSchema(ProfileSchema, CommandAnswer):
    """The profile after the change."""


class ProfileChangeSchema(Schema):
    """What is to be different; what is absent stays."""

    name = Text(200, metadata=says("Name to be addressed by.", "Ada King"))
    time_zone = TimeZone()
    country = Country()

    @validates_schema
    def say_something(self, data: dict[str, Any], **more: Any) -> None:
        if not data:
            raise ValidationError("Name at least one thing to change.")


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
        problems=("account-not-found", "subject-erased"),
    ),
]
