"""Events of choices about cookies: by visitors, each under a subject id of their own, and by people with accounts.

Each is about one purpose, and is an entry of the consent history.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import OneOf

from shared.contracts.events import event
from shared.contracts.fields import public, subject
from shared.contracts.times import Moment
from shared.contracts.vocabulary import (
    BROWSER_SIGNALS,
    COOKIE_PURPOSES,
    COOKIE_WORDINGS,
    SHARING,
    SIGNAL_PURPOSES,
)

CHOSEN = tuple(COOKIE_PURPOSES.values())


@event(version=1)
class CookieConsentGranted:
    """Somebody allowed the cookies of one category, having read this wording, until `expires_at`."""

    subject_id: UUID = subject()
    purpose: str = public(fields.String(required=True, validate=OneOf(CHOSEN)))
    wording_version: str = public(fields.String(required=True, validate=OneOf(COOKIE_WORDINGS)))
    effective_at: datetime = public(Moment(required=True))
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class CookieConsentRefused:
    """Somebody refused the cookies of one category, and is not asked again before `expires_at`."""

    subject_id: UUID = subject()
    purpose: str = public(fields.String(required=True, validate=OneOf(CHOSEN)))
    wording_version: str = public(fields.String(required=True, validate=OneOf(COOKIE_WORDINGS)))
    effective_at: datetime = public(Moment(required=True))
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class CookieConsentWithdrawn:
    """Somebody took back what they had allowed, and is not asked again before `expires_at`."""

    subject_id: UUID = subject()
    purpose: str = public(fields.String(required=True, validate=OneOf(CHOSEN)))
    wording_version: str = public(fields.String(required=True, validate=OneOf(COOKIE_WORDINGS)))
    effective_at: datetime = public(Moment(required=True))
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class BrowserSignalHeard:
    """Somebody's browser objected in their name; of a visitor, who is forgotten then, it counts until `expires_at`."""

    subject_id: UUID = subject()
    purpose: str = public(fields.String(required=True, validate=OneOf(SIGNAL_PURPOSES)))
    signal: str = public(fields.String(required=True, validate=OneOf(BROWSER_SIGNALS)))
    effective_at: datetime = public(Moment(required=True))
    expires_at: datetime | None = public(Moment())


@event(version=1)
class CookieConsentCarriedOver:
    """A visitor signed up: how one purpose stood counts for the account from now on, and for the visitor no more."""

    visitor_id: UUID = subject()
    account_id: UUID = subject()
    purpose: str = public(fields.String(required=True, validate=OneOf((*CHOSEN, SHARING))))
    effective_at: datetime = public(Moment(required=True))
