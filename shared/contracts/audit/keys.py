"""Events of the keys that the log is signed with."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length, Range

from shared.contracts.events import event
from shared.contracts.fields import public
from shared.contracts.times import Moment


@event(version=1)
class CheckpointKeyRotated:
    """A new key signs the checkpoints of the log. Both are verifier keys of C2SP signed-note, which are public.

    The old one signed no checkpoint larger than `signed_up_to`, and the first that the new one signs covers this event.
    """

    rotation_id: UUID = public(fields.UUID(required=True))
    old_key: str = public(fields.String(required=True, validate=Length(1, 500)))
    new_key: str = public(fields.String(required=True, validate=Length(1, 500)))
    signed_up_to: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    recorded_at: datetime = public(Moment(required=True))
