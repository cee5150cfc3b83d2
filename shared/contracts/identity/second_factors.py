"""Events of second factors, beside those of the account that holds one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length

from shared.contracts.events import event
from shared.contracts.fields import public, subject
from shared.contracts.times import Moment


@event(version=1)
class SigninCodeReplayed:
    """A code of an authenticator was shown again after it had counted, by the person or by who saw it; it was refused.

    The network is a keyed hash, as in other security signals.
    """

    signal_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    network: str = public(fields.String(required=True, validate=Length(equal=32)))
    replayed_at: datetime = public(Moment(required=True))
