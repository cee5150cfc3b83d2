"""Events of what people acknowledged."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import OneOf

from shared.contracts.events import event
from shared.contracts.fields import public, subject
from shared.contracts.times import Moment
from shared.contracts.versions import PolicyVersion
from shared.contracts.vocabulary import ACKNOWLEDGEMENTS, POLICIES


@event(version=1)
class PolicyAcknowledged:
    """A person acknowledged a version of a policy, for the first time. It is never a consent.

    What they acknowledged by registering is in `AccountRegistered`.
    """

    account_id: UUID = subject()
    policy: str = public(fields.String(required=True, validate=OneOf(POLICIES)))
    policy_version: str = public(PolicyVersion(required=True))
    how: str = public(fields.String(required=True, validate=OneOf(ACKNOWLEDGEMENTS)))
    acknowledged_at: datetime = public(Moment(required=True))
