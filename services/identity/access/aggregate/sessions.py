"""The session: one person signed in under one guard, until it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.identity.access.aggregate.admissions import Admission
from shared.contracts.events import Event
from shared.contracts.identity import SessionClosed, SessionOpened, SessionSteppedUp
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import STAFF_GUARDS
from shared.eventstore.aggregates import evolve

LIFETIME = timedelta(hours=12)
STEP_UP_LIFETIME = timedelta(minutes=10)
IDLE_LIMIT = timedelta(hours=2)
IDLE_LIMIT_OF_THE_HOUSE = timedelta(minutes=30)
"""For sessions in which the data of others can be seen; a person who works on their own may be away for longer."""


def idle_limit(guard: str) -> timedelta:
    """How long a session of a guard may go unused before it ends."""
    return IDLE_LIMIT_OF_THE_HOUSE if guard in STAFF_GUARDS else IDLE_LIMIT


@dataclass(frozen=True)
class Origin:
    """Where somebody signs in from, as far as it can be told."""

    ip_address: str | None = None
    device: str | None = None
    place: str | None = None


@dataclass
class Session(Admission, stream="session"):
    """A session belongs to exactly one guard; a person with two guards has two sessions."""

    expires_at: datetime | None = None
    stepped_up_until: datetime | None = None

    def open(
        self,
        account_id: UUID,
        guard: str,
        origin: Origin,
        *,
        second_factor: bool,
        new_device: bool,
        now: datetime,
    ) -> Iterator[Event]:
        yield SessionOpened(
            session_id=self.id,
            account_id=account_id,
            guard=guard,
            expires_at=now + LIFETIME,
            second_factor=second_factor,
            new_device=new_device,
            ip_address=origin.ip_address,
            device=origin.device,
            place=origin.place,
        )

    def step_up(self, *, now: datetime) -> Iterator[Event]:
        """Opens what is sensitive for a while. Raises `Problem("not-signed-in")` for a session that has ended."""
        if self.account_id is None or self.ended:
            raise Problem("not-signed-in")
        yield SessionSteppedUp(session_id=self.id, account_id=self.account_id, expires_at=now + STEP_UP_LIFETIME)

    def _end_of(self, account_id: UUID, ending: str, now: datetime) -> Event:
        return SessionClosed(session_id=self.id, account_id=account_id, ending=ending, closed_at=now)

    @evolve
    def _opened(self, event: SessionOpened) -> None:
        self.account_id = event.account_id
        self.guard = event.guard
        self.expires_at = event.expires_at

    @evolve
    def _stepped_up(self, event: SessionSteppedUp) -> None:
        self.stepped_up_until = event.expires_at

    @evolve
    def _closed(self, event: SessionClosed) -> None:
        self.ended = True
