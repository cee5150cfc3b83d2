"""The internal note: what staff note about an inquiry for each other, apart from everything that outsiders can read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.identity import InternalNoteAdded
from shared.eventstore.aggregates import Aggregate, evolve


@dataclass
class InternalNote(Aggregate, stream="internalnote"):
    """One note. It never changes."""

    id: UUID

    def add(self, inquiry_id: UUID, person_id: UUID, text: str, *, by: UUID, now: datetime) -> Iterator[Event]:
        """Notes something about an inquiry. It falls under the key of the inquiry's person, whom it is about."""
        yield InternalNoteAdded(
            note_id=self.id, inquiry_id=inquiry_id, person_id=person_id, written_by=by, text=text, added_at=now
        )

    @evolve
    def _added(self, event: InternalNoteAdded) -> None: ...
