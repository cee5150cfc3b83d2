"""What lets its holder in until it ends: what sessions and API tokens have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate


@dataclass
class Admission(Aggregate):
    """Lets one person act, or a program for them, under exactly one guard."""

    id: UUID
    account_id: UUID | None = None
    guard: str = ""
    ended: bool = False

    def end(self, ending: str, *, now: datetime) -> Iterator[Event]:
        """Ends it; ending it again, or what never began, is no event."""
        if self.account_id is not None and not self.ended:
            yield self._end_of(self.account_id, ending, now)

    def revoke(self, account_id: UUID, guard: str, *, now: datetime) -> Iterator[Event]:
        """Ends it for the same person under the same guard.

        Raises `Problem("not-found")` for anybody else, and for what has ended already.
        """
        if (account_id, guard) != (self.account_id, self.guard) or self.ended:
            raise Problem("not-found")
        yield from self.end("revoked", now=now)

    @abstractmethod
    def _end_of(self, account_id: UUID, ending: str, now: datetime) -> Event:
        """The event that says that it ended."""
