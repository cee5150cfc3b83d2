"""What every operation of the audit service works with."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from services.audit.tree.notes import Verifier
from shared.eventstore.work import EventStore


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
