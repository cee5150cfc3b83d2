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


class RenewedSessionSchema(SessionSchema):
    """A session with a new token, which is in the body only for the transport `bearer`, which sets no cookie."""

    access_token = fields.String(
        metadata={
            **says("Send it as `Authorization: Bearer …`. Told only for `bearer`.", "3q2-7wEBAQ3q2-7wEBAQ3q2-7wEBAQ"),
            "optional": True,
        }
    )


class OpenedSessionSchema(RenewedSessionSchema, CommandAnswer):
    """A new session."""

    stream = fields.String(metadata=says("The stream that was written to.", f"session-{EXAMPLE_ID}"))


class ListedSessionSchema(Answer):
    """A session of one's own. What cannot be told, or was erased, is null."""

    session_id = Id(metadata=says("The session.", EXAMPLE_ID))
    guard = guard_field()
    current = fields.Boolean(metadata=says("Whether this request was made in it.", True))
    device = fields.String(allow_none=True, metadata=says("Browser and system.", "Firefox on Linux"))
    place = fields.String(
        allow_none=True, metadata=says("Country, roughly: to whom the IP address is assigned (ISO 3166-1).", "FR")
    )
    ip_address = fields.String(allow_none=True, metadata=says("Where it was opened from.", "192.0.2.7"))
    opened_at = Instant(metadata=says("When it was opened.", EXAMPLE_INSTANT))
    last_used_at = Instant(metadata=says("When it was last used, to the minute.", EXAMPLE_INSTANT))
    expires_at = Instant(metadata=says("When it ends at the latest.", EXAMPLE_INSTANT))


class ListedSessionsSchema(Answer):
    """Where one is signed in, newest first."""

    items = fields.List(fields.Nested(ListedSessionSchema))


class RevokedSessionSchema(CommandAnswer):
    """A session that ended."""

    session_id = Id(metadata=says("The session.", EXAMPLE_ID))


class RevokedSessionsSchema(Answer):
    """How many sessions ended."""

    ended = fields.Integer(metadata=says("How many there were besides this one.", 2))


class StepUpSchema(Schema):
    """A fresh proof of who uses the session: a one-time code, or the password where no second factor is enabled."""

    password = Secret(metadata=says("Password of the account.", "violet-harbour-lantern-42"))
    one_time_code = OneTimeCode(load_default=None)

    @validates_schema
    def give_one(self, data: dict[str, Any], **more: Any) -> None:
        if (data.get("password") is None) == (data.get("one_time_code") is None):
            raise ValidationError("Give either the password or a one-time code.")


class SteppedUpSchema(RenewedSessionSchema, CommandAnswer):
    """The session after the proof, with a new token."""

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
            "second factor sends `one_time_code` as well; each code counts once. A session whose cookie is overwritten "
            "ends. After too many failures, attempts are refused until a delay is over, which grows with each; devices "
            "that got in before are not held up by what fails elsewhere."
        ),
        tag="Sessions",
        body=SignInSchema,
        answers=OpenedSessionSchema,
        status=201,
        session=SessionStep.OPENS,
        problems=(
            "sign-in-refused",
            "second-factor-required",
            "second-factor-refused",
            "guard-not-held",
            "too-many-attempts",
        ),
        tells_client=True,
    ),
    Route(
        "POST",
        "/v1/session/step-up",
        guards=ANY_PERSON,
        calls="identity.step_up",
        summary="Show again who uses the session",
        description=(
            "Opens for ten minutes, in this session, what asks for it with `step-up-required`. Who has enabled a "
            "second factor gives a one-time code, everybody else the password. The session gets another token, as with "
            "`POST /v1/session/token`."
        ),
        tag="Sessions",
        body=StepUpSchema,
        answers=SteppedUpSchema,
        session=SessionStep.RENEWS,
        before_second_factor=True,
        problems=(
            "password-refused",
            "second-factor-required",
            "second-factor-refused",
            "too-many-attempts",
            "subject-erased",
        ),
        tells_client=True,
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
        before_second_factor=True,
    ),
    Route(
        "POST",
        "/v1/session/token",
        guards=ANY_PERSON,
        calls="identity.renew_session",
        summary="Renew the session's token",
        description=(
            "Gives the session another token, handed over as at sign-in. The one that was presented is refused "
            "everywhere within a second, so an answer that is lost cannot be asked for again: sign in instead."
        ),
        tag="Sessions",
        answers=RenewedSessionSchema,
        session=SessionStep.RENEWS,
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
        before_second_factor=True,
    ),
    Route(
        "GET",
        "/v1/me/sessions",
        guards=ANY_PERSON,
        calls="identity.list_sessions",
        summary="List one's own sessions",
        description="Where one is signed in under the guard of this session: the newest hundred.",
        tag="Sessions",
        answers=ListedSessionsSchema,
    ),
    Route(
        "DELETE",
        "/v1/me/sessions",
        guards=ANY_PERSON,
        calls="identity.revoke_other_sessions",
        summary="Sign out everywhere else",
        description="Ends all of one's own sessions of this guard but the one this request is made in.",
        tag="Sessions",
        answers=RevokedSessionsSchema,
    ),
    Route(
        "DELETE",
        "/v1/me/sessions/{session_id}",
        guards=ANY_PERSON,
        calls="identity.revoke_session",
        summary="Revoke a session",
        description="Ends a session of one's own. It is refused everywhere within a second.",
        tag="Sessions",
        parameters={"session_id": Id(required=True, metadata=says("The session.", EXAMPLE_ID))},
        answers=RevokedSessionSchema,
    ),
]
