"""What every operation of the identity service works with."""

from __future__ import annotations

from dataclasses import dataclass

from services.identity.accounts.credentials import Passwords
from shared.eventstore.work import EventStore
from shared.privacy.secrets import ServiceSecret


@dataclass(frozen=True)
class Identity:
    """What the service works with."""

    store: EventStore
    secret: ServiceSecret
    passwords: Passwords
