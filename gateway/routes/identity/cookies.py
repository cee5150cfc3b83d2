"""Choices about cookies, for everybody."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from gateway.routing import PUBLIC, Route, SessionStep
from gateway.schemas import EXAMPLE_INSTANT, Answer, Instant, Statement, says
from shared.contracts.vocabulary import COOKIE_CATEGORIES, COOKIE_WORDINGS

STATES = ("necessary", "not_chosen", "granted", "refused", "withdrawn", "objected")


def category_field() -> fields.String:
    return fields.String(
        validate=OneOf(COOKIE_CATEGORIES), metadata=says("The category of cookies.", COOKIE_CATEGORIES[-1])
    )


def wording_field(**options: Any) -> fields.String:
    return fields.String(
        validate=OneOf(COOKIE_WORDINGS),
        metadata=says("Version of the words that are asked or were answered.", COOKIE_WORDINGS[-1]),
        **options,
    )


class CookieChoiceSchema(Schema):
    """What is allowed and what is refused: one call for either. There is no choice that was not made."""

    preferences = Statement(required=True, metadata=says("Whether cookies may remember settings.", False))
    analytics = Statement(required=True, metadata=says("Whether cookies may measure use.", False))
    wording_version = wording_field(required=True)


class CookieCategorySchema(Answer):
    """How one category stands."""

    category = category_field()
    state = fields.String(
        validate=OneOf(STATES),
        metadata=says("How it stands; `objected` is what the browser says by its signal.", "refused"),
    )
    allowed = fields.Boolean(metadata=says("Whether cookies of this category are set.", False))
    wording_version = wording_field(allow_none=True)
    effective_at = Instant(allow_none=True, metadata=says("Since when.", EXAMPLE_INSTANT))
    expires_at = Instant(
        allow_none=True, metadata=says("When the choice ends, and may be asked for again.", EXAMPLE_INSTANT)
    )


class CookieSchema(Answer):
    """A cookie that there is."""

    name = fields.String(metadata=says("Its name.", "__Host-okacrm_visitor"))
    category = category_field()
    purpose = fields.String(metadata=says("What it is for.", "Remembers what was chosen about cookies."))
    life = fields.String(metadata=says("How long a browser keeps it.", "Until the choice expires after 12 months."))


class CookieChoicesSchema(Answer):
    """How cookies stand with whoever asks, and which there are."""

    holder = fields.String(
        validate=OneOf(("visitor", "account")),
        metadata=says("Whose choices these are: of the session's account, or else of this browser.", "visitor"),
    )
    wording_version = wording_field()
    signal_heard = fields.Boolean(metadata=says("Whether the browser sends `Sec-GPC: 1`.", True))
    sharing_objected = fields.Boolean(metadata=says("Whether the browser objected to sharing, now or before.", True))
    categories = fields.List(fields.Nested(CookieCategorySchema))
    cookies = fields.List(fields.Nested(CookieSchema))


routes = [
    Route(
        "GET",
        "/v1/cookie-choices",
        guards=PUBLIC,
        calls="identity.read_cookie_choices",
        summary="See which cookies there are, and what was chosen",
        description=(
            "In a session, what the person of the account chose, wherever that was; without one, what was chosen in "
            "this browser. Asking sets no cookie."
        ),
        tag="Cookies",
        answers=CookieChoicesSchema,
        session=SessionStep.OPTIONAL,
        before_second_factor=True,
        tells_client=True,
    ),
    Route(
        "PUT",
        "/v1/cookie-choices",
        guards=PUBLIC,
        calls="identity.choose_cookies",
        summary="Choose about cookies",
        description=(
            "Allows or refuses, which is one call each and counts for 12 months. In a session the choice is the "
            "account's. Without one it is this browser's, which is then known again by a cookie that is set with the "
            "answer. The same choice again changes nothing. A browser that sends `Sec-GPC: 1` objects to analytics and "
            "to sharing; what is chosen here is the stronger word on analytics."
        ),
        tag="Cookies",
        body=CookieChoiceSchema,
        answers=CookieChoicesSchema,
        session=SessionStep.OPTIONAL,
        before_second_factor=True,
        tells_client=True,
        problems=("subject-erased",),
    ),
]
