"""What every operation of the audit service works with."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from services.audit.exports.projections import projections
from services.audit.tree.notes import Verifier
from shared.eventstore.work import EventStore
from shared.privacy.keyring import NoKeyring
from shared.runtime.config import Settings
from shared.service.wiring import event_store


@dataclass(frozen=True)
class Audit:
    """What the service works with. It holds what others sealed, and cannot open any of it.

    `log_key` is the key of a log whose key was never rotated; the log itself tells of later ones.
    """

    store: EventStore
    log_key: Verifier

    @property
    def engine(self) -> Engine:
        return self.store.engine


def build(settings: Settings) -> Audit:
    return Audit(
        store=event_store("audit", settings, projections, NoKeyring()),
        log_key=Verifier.from_pem(settings.log_origin, settings.log_public_key),
    )
