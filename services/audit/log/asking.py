"""What questions have in common: where lists go on, and that no answer about anybody comes before its record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from services.audit.log import queries
from services.audit.questions.aggregate import Question
from shared.bus.actors import Call
from shared.contracts.problems import Problem
from shared.eventstore.work import EventStore, Outcome, UnitOfWork
from shared.runtime import clock
from shared.service.wiring import own_command


class ListPlace(Protocol):
    """Where a list goes on, as it stood when a checkpoint of `size` leaves was the newest."""

    @property
    def size(self) -> int: ...

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the place that a cursor of ours names. Raise `ValueError` for any other text."""


PlaceOfList = TypeVar("PlaceOfList", bound=ListPlace)


def place_of(connection: Connection, cursor: str | None, kind: type[PlaceOfList]) -> PlaceOfList | None:
    """Where a list goes on. Raises `Problem("cursor-invalid")` if this log never showed a list that goes on there.

    The gateway lets through what it gave out; but the log may have been put back since then, from an older copy.
    """
    if cursor is None:
        return None
    try:
        place = kind.from_text(cursor)
    except ValueError:
        raise Problem("cursor-invalid") from None
    if not queries.is_checkpoint(connection, place.size):
        raise Problem("cursor-invalid")
    return place


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
