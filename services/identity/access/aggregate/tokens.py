"""The API token: a program that acts for a person under one guard, within scopes, until it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.identity.access.aggregate.admissions import Admission
from shared.contracts.events import Event
from shared.contracts.identity import TokenExpiryNoticed, TokenIssued, TokenRevoked
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import evolve

LONGEST_LIFE = timedelta(days=365)
REMINDED_BEFORE = timedelta(days=14)
"""So long before its end the person of a token is reminded of it."""


@dataclass
class Token(Admission, stream="token"):
    """What it is told by is kept nowhere; this is what it may do."""

    expires_at: datetime | None = None
    reminded: bool = False

    def issue(
        self,
        account_id: UUID,
        guard: str,
        scopes: Sequence[str],
        *,
        label: str,
        expires_at: datetime,
        now: datetime,
    ) -> Iterator[Event]:
        """Raises `Problem("token-expiry-refused")` unless the token ends within a year, and not before it begins."""
        if not now < expires_at <= now + LONGEST_LIFE:
            raise Problem("token-expiry-refused")
        yield TokenIssued(
            token_id=self.id,
            account_id=account_id,
            guard=guard,
            scopes=sorted(set(scopes)),
            label=label,
            expires_at=expires_at,
        )

    def remind(self, *, now: datetime) -> Iterator[Event]:
        """Reminds its person, once, that it is about to expire; of one that has ended, nobody is reminded."""
        if self.account_id is None or self.expires_at is None or self.ended or self.reminded:
            return
        if now < self.expires_at <= now + REMINDED_BEFORE:
            yield TokenExpiryNoticed(
                token_id=self.id, account_id=self.account_id, expires_at=self.expires_at, noticed_at=now
            )

    def _end_of(self, account_id: UUID, ending: str, now: datetime) -> Event:
        return TokenRevoked(token_id=self.id, account_id=account_id, ending=ending, revoked_at=now)

    @evolve
    def _issued(self, event: TokenIssued) -> None:
        self.account_id = event.account_id
        self.guard = event.guard
        self.expires_at = event.expires_at

    @evolve
    def _reminded(self, event: TokenExpiryNoticed) -> None:
        self.reminded = True

    @evolve
    def _revoked(self, event: TokenRevoked) -> None:
        self.ended = True
