"""The API token: a program that acts for a person under one guard, within scopes, until it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.identity import TokenIssued, TokenRevoked
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate, evolve

LONGEST_LIFE = timedelta(days=365)


@dataclass
class Token(Aggregate):
    """What it is told by is kept nowhere; this is what it may do."""

    id: UUID
    account_id: UUID | None = None
    guard: str = ""
    revoked: bool = False

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

    def end(self, ending: str, *, now: datetime) -> Iterator[Event]:
        """Ends the token; ending it again is no event."""
        if self.account_id is not None and not self.revoked:
            yield TokenRevoked(token_id=self.id, account_id=self.account_id, ending=ending, revoked_at=now)

    def revoke(self, account_id: UUID, guard: str, *, now: datetime) -> Iterator[Event]:
        """Ends the token for the same person under the same guard.

        Raises `Problem("not-found")` for anybody else, and for a token that was revoked already.
        """
        if (account_id, guard) != (self.account_id, self.guard) or self.revoked:
            raise Problem("not-found")
        yield from self.end("revoked", now=now)

    @evolve
    def _issued(self, event: TokenIssued) -> None:
        self.account_id = event.account_id
        self.guard = event.guard

    @evolve
    def _revoked(self, event: TokenRevoked) -> None:
        self.revoked = True
