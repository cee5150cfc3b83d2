"""API tokens: programs that act for a person."""

from __future__ import annotations

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf

from gateway.routing import ANY_PERSON, Route
from gateway.schemas import (
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Answer,
    CommandAnswer,
    Id,
    Instant,
    Text,
    guard_field,
    says,
)
from shared.contracts.vocabulary import TOKEN_SCOPES


def scope_field() -> fields.String:
    return fields.String(validate=OneOf(TOKEN_SCOPES), metadata=says("Something it may do.", "consents:read"))


class TokenRequestSchema(Schema):
    """What a program is to be allowed."""

    label = Text(100, required=True, metadata=says("What the token is for, in one's own words.", "Newsletter export"))
    scopes = fields.List(
        scope_field(),
        required=True,
        validate=Length(1, len(TOKEN_SCOPES)),
        metadata={"description": "All that it may do."},
    )
    expires_at = Instant(required=True, metadata=says("When it ends, within a year.", EXAMPLE_INSTANT))


class TokenSchema(Answer):
    """An API token, without what it is presented by."""

    token_id = Id(metadata=says("The token.", EXAMPLE_ID))
    label = fields.String(
        allow_none=True, metadata=says("What it is for; null after it was erased.", "Newsletter export")
    )
    guard = guard_field()
    scopes = fields.List(scope_field(), metadata={"description": "All that it may do."})
    issued_at = Instant(metadata=says("When it was issued.", EXAMPLE_INSTANT))
    expires_at = Instant(metadata=says("When it ends.", EXAMPLE_INSTANT))


class IssuedTokenSchema(TokenSchema, CommandAnswer):
    """A new token. It is told here and in answers to the same request with the same Idempotency-Key, nowhere else."""

    token = fields.String(
        metadata=says("Send it as `Authorization: Bearer …`.", "okat_3q2-7wEBAQ3q2-7wEBAQ3q2-7wEBAQ3q2-7wEBAQ3q2-7w")
    )


class TokensSchema(Answer):
    """One's own API tokens, newest first."""

    items = fields.List(fields.Nested(TokenSchema))


class RevokedTokenSchema(CommandAnswer):
    """A token that ended."""

    token_id = Id(metadata=says("The token.", EXAMPLE_ID))


routes = [
    Route(
        "POST",
        "/v1/me/tokens",
        guards=ANY_PERSON,
        calls="identity.issue_token",
        summary="Issue an API token",
        description=(
            "Lets a program act in one's place, under the guard of this session, within scopes and for a time. Keep it "
            "like a password: it is told once. An API token cannot issue another."
        ),
        tag="API tokens",
        body=TokenRequestSchema,
        answers=IssuedTokenSchema,
        status=201,
        step_up=True,
        problems=("token-expiry-refused", "too-many-tokens", "email-not-verified", "subject-erased"),
    ),
    Route(
        "GET",
        "/v1/me/tokens",
        guards=ANY_PERSON,
        calls="identity.list_tokens",
        summary="List one's own API tokens",
        tag="API tokens",
        answers=TokensSchema,
    ),
    Route(
        "DELETE",
        "/v1/me/tokens/{token_id}",
        guards=ANY_PERSON,
        calls="identity.revoke_token",
        summary="Revoke an API token",
        description="It is refused everywhere within a second.",
        tag="API tokens",
        parameters={"token_id": Id(required=True, metadata=says("The token.", EXAMPLE_ID))},
        answers=RevokedTokenSchema,
    ),
]
