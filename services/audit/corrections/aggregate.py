"""The correction: an officer states that a record of the log is wrong. The record stays, and so does the statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.audit import RecordCorrected
from shared.contracts.events import Event
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate, evolve


@dataclass
class Correction(Aggregate, stream="correction"):
    """One statement about one record. It is made once; a wrong one is corrected like any other record."""

    id: UUID

    def state(
        self, record_id: UUID, reason: str, *, replaced_by: UUID | None, subjects: Sequence[UUID], now: datetime
    ) -> Iterator[Event]:
        """States what is wrong with a record that is about these people.

        Raises `Problem("correction-refers-to-itself")` if the record is to be replaced by itself.
        """
        if replaced_by == record_id:
            raise Problem("correction-refers-to-itself")
        subject_id, other_subject_id = (*subjects, None, None)[:2]
        yield RecordCorrected(
            correction_id=self.id,
            record_id=record_id,
            reason=reason,
            replaced_by=replaced_by,
            subject_id=subject_id,
            other_subject_id=other_subject_id,
            corrected_at=now,
        )

    @evolve
    def _stated(self, event: RecordCorrected) -> None:
        """Nothing follows from a statement but that it was made."""
