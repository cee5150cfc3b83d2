"""Events of restriction: a person's data is kept, and used for little else (Art. 18 GDPR)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.contracts.events import event
from shared.contracts.fields import public, subject
from shared.contracts.times import Moment


@event(version=1)
class AccountRestricted:
    """The data of a person is only kept from now on, and they are told nothing but what they must be."""

    account_id: UUID = subject()
    restricted_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountUnrestricted:
    """The data of a person is used again as that of others is."""

    account_id: UUID = subject()
    unrestricted_at: datetime = public(Moment(required=True))
