"""Events of what the house itself does: look-ups by compliance, and the beginning of an epoch of the feed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Range

from shared.contracts.events import event
from shared.contracts.fields import public, subject
from shared.contracts.times import Moment


@event(version=1)
class SubjectLookedUp:
    """Compliance looked for a person by exact e-mail address or username; who looked is the event's actor."""

    lookup_id: UUID = public(fields.UUID(required=True))
    found: bool = public(fields.Boolean(required=True))
    account_id: UUID | None = subject(optional=True)
    looked_up_at: datetime = public(Moment(required=True))


@event(version=1)
class FeedEpochBegun:
    """The service was restored from an older copy: from here its feed goes on under a new epoch.

    What subscribers hold beyond `last_common_position` under an older epoch is no part of the feed any more.
    `lost_events` of it are gone from the service; `repeated_events` are not, and come again at other positions.
    """

    feed_id: UUID = public(fields.UUID(required=True))
    epoch: int = public(fields.Integer(required=True, strict=True, validate=Range(min=2)))
    last_common_position: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    last_common_event: UUID | None = public(fields.UUID())
    lost_events: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    repeated_events: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    begun_at: datetime = public(Moment(required=True))
