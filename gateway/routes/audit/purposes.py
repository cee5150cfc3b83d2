"""The register of purposes, for everybody: what personal data is used for, and in which words people are asked."""

from __future__ import annotations

from marshmallow import fields
from marshmallow.validate import OneOf

from gateway.routing import PUBLIC, Route
from gateway.schemas import Answer, says
from shared.contracts.purposes import CONSENT_WORDINGS, REGISTER
from shared.contracts.vocabulary import LEGAL_BASES


class PurposeWordingSchema(Answer):
    """The words in which people are asked, in one version."""

    version = fields.String(metadata=says("Its version, the day on which it was first shown.", CONSENT_WORDINGS[-1]))
    text = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata=says("The words, by language (BCP 47).", {"en": "Okacrm may send me news about the product."}),
    )


class PurposeSchema(Answer):
    """One purpose."""

    id = fields.String(validate=OneOf(tuple(REGISTER)), metadata=says("The purpose.", "product_news"))
    title = fields.String(metadata=says("What it is.", "News about the product"))
    legal_basis = fields.String(
        validate=OneOf(LEGAL_BASES), metadata=says("What it rests on (Art. 6(1) GDPR).", "consent")
    )
    required = fields.Boolean(metadata=says("Whether it comes with having an account.", False))
    categories = fields.List(
        fields.String(metadata=says("A category of data.", "identity")),
        metadata={"description": "The categories of personal data it needs."},
    )
    recipients = fields.List(
        fields.String(metadata=says("A kind of recipient.", "infrastructure_vendor")),
        metadata={"description": "The kinds of recipients who may be given some of it."},
    )
    wordings = fields.List(
        fields.Nested(PurposeWordingSchema),
        metadata={"description": "The words in which people are asked, oldest first; the last are shown."},
    )


class PurposesSchema(Answer):
    """All purposes."""

    items = fields.List(fields.Nested(PurposeSchema))


routes = [
    Route(
        "GET",
        "/v1/purposes",
        guards=PUBLIC,
        calls="audit.list_purposes",
        summary="See what personal data is used for",
        description="With the words in which people are asked to consent, and all that they were asked in before.",
        tag="Consents",
        answers=PurposesSchema,
    ),
]
