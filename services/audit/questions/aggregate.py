"""The question: what somebody asked of the log, which is itself on record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.audit import QuestionAsked
from shared.contracts.events import Event
from shared.eventstore.aggregates import Aggregate, evolve


@dataclass
class Question(Aggregate, stream="question"):
    """One question, which is asked once."""

    id: UUID

    def ask(
        self,
        question: str,
        *,
        subjects: Sequence[UUID],
        query: str | None = None,
        record_id: UUID | None = None,
        entries: range | None = None,
        size: int,
        now: datetime,
    ) -> Iterator[Event]:
        """Yields an event for each person whom the question is about, or one if it is about nobody in particular."""
        about: Sequence[UUID | None] = subjects or [None]
        for subject_id in about:
            yield QuestionAsked(
                question_id=self.id,
                question=question,
                subject_id=subject_id,
                record_id=record_id,
                query=query,
                first_entry=entries[0] if entries else None,
                last_entry=entries[-1] if entries else None,
                size=size,
                asked_at=now,
            )

    @evolve
    def _asked(self, event: QuestionAsked) -> None:
        """Nothing follows from a question."""
