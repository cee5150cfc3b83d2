"""The look-up: compliance finding a person by exact e-mail address, which is itself a fact to be kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.identity import SubjectLookedUp
from shared.eventstore.aggregates import Aggregate, evolve


@dataclass
class Lookup(Aggregate, stream="lookup"):
    """One look-up and what it found."""

    id: UUID
    found: UUID | None = None

    def look_up(self, account_id: UUID | None, *, now: datetime) -> Iterator[Event]:
        yield SubjectLookedUp(lookup_id=self.id, found=account_id is not None, account_id=account_id, looked_up_at=now)

    @evolve
    def _looked_up(self, event: SubjectLookedUp) -> None:
        self.found = event.account_id
