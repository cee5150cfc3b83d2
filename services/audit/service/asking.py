"""What questions have in common: where lists go on, and that no answer about anybody comes before its record."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.audit.queries import Place
from services.audit.questions import Question
from shared.bus.actors import Call
from shared.contracts.problems import Problem
from shared.eventstore.work import EventStore, Outcome, UnitOfWork
from shared.runtime import clock
from shared.runtime.wiring import own_command


def place_of(cursor: str | None) -> Place | None:
    """Where a list goes on. Raises `Problem("validation-failed")` for a text that is no cursor of it."""
    try:
        return Place.from_text(cursor) if cursor is not None else None
    except ValueError:
        errors = [{"query": "cursor", "message": "Not a cursor of this list."}]
        raise Problem("validation-failed", errors=errors) from None


def keep_question(
    store: EventStore,
    call: Call,
    question: str,
    *,
    subjects: Sequence[UUID],
    size: int,
    query: str | None = None,
    record_id: UUID | None = None,
    entries: range | None = None,
) -> None:
    """Records who asked what, about whom, and how large the log was that answered."""

    def keep(work: UnitOfWork) -> Outcome:
        asked = Question(work.new_id())
        work.record(
            asked,
            asked.ask(
                question,
                subjects=subjects,
                query=query,
                record_id=record_id,
                entries=entries,
                size=size,
                now=work.now,
            ),
        )
        return {"question_id": str(asked.id)}

    store.perform(own_command(call, clock.new_id()), keep)
