"""A person's own consents."""

from __future__ import annotations

from marshmallow import fields
from marshmallow.validate import OneOf

from gateway.routing import ANY_PERSON, Route
from gateway.schemas import EXAMPLE_INSTANT, Answer, CommandAnswer, Instant, purpose_field, says

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
        answers=ChangedConsentSchema,
        scope="consents:write",
        problems=("consent-already-given", "account-not-found", "subject-erased"),
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
