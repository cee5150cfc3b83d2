"""Signing in and out."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import OneOf

from gateway.routing import ANY_PERSON, PUBLIC, Route, SessionStep
from gateway.schemas import (
    EXAMPLE_HASH,
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Address,
    Answer,
    CommandAnswer,
    Id,
    Instant,
    OneTimeCode,
    Secret,
    guard_field,
    says,
)

COOKIE, BEARER = "cookie", "bearer"


class SignInSchema(Schema):
    """Credentials, and in which capacity to sign in."""

    email = Address(required=True, metadata=says("Address of the account.", "ada@example.org"))
    password = Secret(required=True, metadata=says("Password of the account.", "violet-harbour-lantern-42"))
    guard = guard_field(required=True)
    one_time_code = OneTimeCode(load_default=None)
    transport = fields.String(
        validate=OneOf((COOKIE, BEARER)),
        load_default=COOKIE,
        metadata=says("How the session will be presented: browsers use `cookie`, everything else `bearer`.", COOKIE),
    )


class SessionSchema(Answer):
    """A session of one guard."""

    session_id = Id(metadata=says("The session.", EXAMPLE_ID))
    account_id = Id(metadata=says("Whose session it is.", EXAMPLE_ID))
    guard = guard_field()
    expires_at = Instant(metadata=says("When it ends by itself.", EXAMPLE_INSTANT))
    csrf_token = fields.String(
        metadata=says("Send it as `X-CSRF-Token` with every change made in a cookie session.", EXAMPLE_HASH[:43])
    )


class OpenedSessionSchema(SessionSchema):
    """A new session. The token is in the body only for the transport `bearer`, which sets no cookie."""

    access_token = fields.String(
        metadata={
            **says("Send it as `Authorization: Bearer …`. Told only for `bearer`.", "3q2-7wEBAQ3q2-7wEBAQ3q2-7wEBAQ"),
            "optional": True,
        }
    )
    stream = fields.String(metadata=says("The stream that was written to.", f"session-{EXAMPLE_ID}"))
    version = fields.Integer(metadata=says("The stream's version after it.", 1))


class StepUpSchema(Schema):
    """A fresh proof of who uses the session: a one-time code, or the password where no second factor is enabled."""

    password = Secret(metadata=says("Password of the account.", "violet-harbour-lantern-42"))
    one_time_code = OneTimeCode(load_default=None)

    @validates_schema
    def give_one(self, data: dict[str, Any], **more: Any) -> None:
        if (data.get("password") is None) == (data.get("one_time_code") is None):
            raise ValidationError("Give either the password or a one-time code.")


class SteppedUpSchema(CommandAnswer):
    """The session after the proof."""

    session_id = Id(metadata=says("The session.", EXAMPLE_ID))
    stepped_up_until = Instant(metadata=says("How long the proof counts.", EXAMPLE_INSTANT))


routes = [
    Route(
        "POST",
        "/v1/sessions",
        guards=PUBLIC,
        calls="identity.open_session",
        summary="Sign in",
        description=(
            "Opens a session of one guard. With the transport `cookie` the token is in an `HttpOnly` cookie of that "
            "guard and in nothing else; with `bearer` it is in `access_token` and no cookie is set. Who has enabled a "
            "second factor sends `one_time_code` as well; each code counts once."
        ),
        tag="Sessions",
        body=SignInSchema,
        answers=OpenedSessionSchema,
        status=201,
        session=SessionStep.OPENS,
        problems=("sign-in-refused", "second-factor-required", "second-factor-refused", "guard-not-held"),
    ),
    Route(
        "POST",
        "/v1/session/step-up",
        guards=ANY_PERSON,
        calls="identity.step_up",
        summary="Show again who uses the session",
        description=(
            "Opens for ten minutes, in this session, what asks for it with `step-up-required`. Who has enabled a "
            "second factor gives a one-time code, everybody else the password."
        ),
        tag="Sessions",
        body=StepUpSchema,
        answers=SteppedUpSchema,
        session=SessionStep.STEPS_UP,
        problems=("password-refused", "second-factor-required", "second-factor-refused", "subject-erased"),
    ),
    Route(
        "GET",
        "/v1/session",
        guards=ANY_PERSON,
        calls="",
        summary="Show the session",
        description="The session this request is made in, with its CSRF token, for pages that were loaded again.",
        tag="Sessions",
        answers=SessionSchema,
        session=SessionStep.SHOWS,
    ),
    Route(
        "DELETE",
        "/v1/session",
        guards=ANY_PERSON,
        calls="identity.close_session",
        summary="Sign out",
        description="Ends the session this request is made in. It is refused everywhere within a second.",
        tag="Sessions",
        status=204,
        session=SessionStep.CLOSES,
    ),
]
