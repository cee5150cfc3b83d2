"""What every service can have to say about its own feed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Range

from shared.contracts.events import fields_of_events
from shared.contracts.times import Moment
from shared.privacy.fields import public


@fields_of_events
class EpochOfFeed:
    """The fields of the event by which a restored service says that its feed goes on under a new epoch."""

    feed_id: UUID = public(fields.UUID(required=True))
    epoch: int = public(fields.Integer(required=True, strict=True, validate=Range(min=2)))
    last_common_position: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    last_common_event: UUID | None = public(fields.UUID())
    lost_events: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    repeated_events: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    begun_at: datetime = public(Moment(required=True))
