"""Reminders: who has let a program act for them hears in time that its token is about to expire."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Event
from uuid import UUID, uuid5

from sqlalchemy import text

from services.identity.access.aggregate.tokens import REMINDED_BEFORE, Token
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import EventStore, Outcome, UnitOfWork
from shared.runtime import clock
from shared.service.wiring import service_command
from shared.work.worker import Duty

EVERY = timedelta(hours=1)
BATCH = 500

_EXPIRING = text("""
    SELECT token_id FROM api_tokens
    WHERE expires_at BETWEEN :now AND :now + :span AND expires_at - issued_at > :span AND NOT reminded
    ORDER BY expires_at LIMIT :batch
""")


class Reminder:
    """Reminds of every API token once, until `stopping` is set."""

    def __init__(self, store: EventStore, stopping: Event) -> None:
        self._store = store
        self._stopping = stopping

    @property
    def duty(self) -> Duty:
        """The scheduled work that reminds of all, again and again."""
        return Duty("reminders", lambda held: self.remind(clock.now()), leased=timedelta(minutes=10), every=EVERY)

    def remind(self, now: datetime) -> None:
        """Reminds of all tokens that are about to expire, but for those that were issued for so short a time.

        Several at the same time remind once.
        """
        while not self._stopping.is_set():
            with reading(self._store.engine) as connection:
                expiring = connection.scalars(_EXPIRING, {"now": now, "span": REMINDED_BEFORE, "batch": BATCH}).all()
            for token_id in expiring:
                self._remind_of(token_id, now)
            if len(expiring) < BATCH:
                return

    def _remind_of(self, token_id: UUID, now: datetime) -> None:
        def remind(work: UnitOfWork) -> Outcome:
            token = work.load(Token, token_id)
            work.record(token, token.remind(now=now))
            return position(token)

        id = uuid5(token_id, "reminder")
        self._store.perform(service_command("identity", "identity reminds of a token", id, str(id)), remind)
