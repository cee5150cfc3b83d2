"""A person's own consents."""

from __future__ import annotations

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from gateway.routing import ANY_PERSON, Route
from gateway.schemas import EXAMPLE_INSTANT, Answer, CommandAnswer, Instant, purpose_field, says
from shared.contracts.purposes import CONSENT_WORDINGS

STATES = ("granted", "withdrawn", "not_given")


class ConsentSchema(Answer):
    """How one consent stands."""

    purpose = purpose_field()
    state = fields.String(validate=OneOf(STATES), metadata=says("How it stands.", "granted"))
    effective_at = Instant(allow_none=True, metadata=says("Since when; null if it was never given.", EXAMPLE_INSTANT))


class ConsentsSchema(Answer):
    """One entry per purpose, given or not."""

    items = fields.List(fields.Nested(ConsentSchema))


class ChangedConsentSchema(ConsentSchema, CommandAnswer):
    """The consent after the change."""


class GrantQuestionSchema(Schema):
    """In answer to which words."""

    wording_version = fields.String(
        validate=OneOf(CONSENT_WORDINGS),
        load_default=None,
        metadata=says(
            "Version of the words that were shown, from `GET /v1/purposes`; without it, those in force.",
            CONSENT_WORDINGS[-1],
        ),
    )


routes = [
    Route(
        "GET",
        "/v1/me/consents",
        guards=ANY_PERSON,
        calls="identity.list_consents",
        summary="List one's own consents",
        tag="Consents",
        answers=ConsentsSchema,
        scope="consents:read",
        problems=("account-not-found", "subject-erased"),
    ),
    Route(
        "PUT",
        "/v1/me/consents/{purpose}",
        guards=ANY_PERSON,
        calls="identity.grant_consent",
        summary="Grant a consent",
        tag="Consents",
        parameters={"purpose": purpose_field(required=True)},
        query=GrantQuestionSchema,
        answers=ChangedConsentSchema,
        scope="consents:write",
        problems=("consent-already-given", "wording-not-in-force", "account-not-found", "subject-erased"),
    ),
    Route(
        "DELETE",
        "/v1/me/consents/{purpose}",
        guards=ANY_PERSON,
        calls="identity.withdraw_consent",
        summary="Withdraw a consent",
        description="As easy as granting it. Processing before `effective_at` stays lawful.",
        tag="Consents",
        parameters={"purpose": purpose_field(required=True)},
        answers=ChangedConsentSchema,
        scope="consents:write",
        problems=("consent-not-given", "account-not-found", "subject-erased"),
    ),
]
