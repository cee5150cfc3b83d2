"""The session: one person signed in under one guard, until it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.identity import SessionClosed, SessionOpened, SessionSteppedUp
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate, evolve

LIFETIME = timedelta(hours=12)
STEP_UP_LIFETIME = timedelta(minutes=10)


@dataclass
class Session(Aggregate):
    """A session belongs to exactly one guard; a person with two guards has two sessions."""

    id: UUID
    account_id: UUID | None = None
    expires_at: datetime | None = None
    stepped_up_until: datetime | None = None
    closed: bool = False

    def open(self, account_id: UUID, guard: str, *, second_factor: bool, now: datetime) -> Iterator[Event]:
        yield SessionOpened(
            session_id=self.id,
            account_id=account_id,
            guard=guard,
            expires_at=now + LIFETIME,
            second_factor=second_factor,
            new_device=None,
            ip_address=None,
            device=None,
            place=None,
        )

    def step_up(self, *, now: datetime) -> Iterator[Event]:
        """Opens what is sensitive for a while. Raises `Problem("not-signed-in")` for a session that has ended."""
        if self.account_id is None or self.closed:
            raise Problem("not-signed-in")
        yield SessionSteppedUp(session_id=self.id, account_id=self.account_id, expires_at=now + STEP_UP_LIFETIME)

    def close(self, ending: str, *, now: datetime) -> Iterator[Event]:
        """Ends the session; ending it again is no event."""
        if self.account_id is not None and not self.closed:
            yield SessionClosed(session_id=self.id, account_id=self.account_id, ending=ending, closed_at=now)

    @evolve
    def _opened(self, event: SessionOpened) -> None:
        self.account_id = event.account_id
        self.expires_at = event.expires_at

    @evolve
    def _stepped_up(self, event: SessionSteppedUp) -> None:
        self.stepped_up_until = event.expires_at

    @evolve
    def _closed(self, event: SessionClosed) -> None:
        self.closed = True
