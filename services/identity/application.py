"""What every operation of the identity service works with."""

from __future__ import annotations

from dataclasses import dataclass

from services.identity.accounts.credentials import Passwords
from services.identity.projections import projections
from shared.bus.operations import off_the_hub
from shared.eventstore.work import EventStore
from shared.privacy.secrets import ServiceSecret
from shared.runtime.config import Settings
from shared.service.wiring import event_store, keyring


@dataclass(frozen=True)
class Identity:
    """What the service works with."""

    store: EventStore
    secret: ServiceSecret
    passwords: Passwords


def build(settings: Settings) -> Identity:
    secret = ServiceSecret(settings.service_secret)
    return Identity(
        store=event_store("identity", settings, projections, keyring("identity", settings)),
        secret=secret,
        passwords=Passwords(run=off_the_hub, secret=secret),
    )
