"""The rotation of the key that signs checkpoints: which key took over from which, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from shared.contracts.audit import CheckpointKeyRotated
from shared.contracts.events import Event
from shared.eventstore.aggregates import Aggregate, evolve


@dataclass
class KeyRotation(Aggregate, stream="keyrotation"):
    """One rotation, which happens once: a key takes over once, so the id is derived from it."""

    id: UUID
    is_recorded: bool = False

    @staticmethod
    def id_of(new_key: str) -> UUID:
        """The rotation by which a verifier key took over."""
        return uuid5(NAMESPACE_URL, new_key)

    def record(self, old_key: str, new_key: str, *, signed_up_to: int, now: datetime) -> Iterator[Event]:
        """Yields nothing when it is on record already."""
        if not self.is_recorded:
            yield CheckpointKeyRotated(
                rotation_id=self.id, old_key=old_key, new_key=new_key, signed_up_to=signed_up_to, recorded_at=now
            )

    @evolve
    def _rotated(self, event: CheckpointKeyRotated) -> None:
        self.is_recorded = True
