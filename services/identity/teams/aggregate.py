"""The service token: programs of an internal team follow the feeds of some services with it, until it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.identity import ServiceTokenIssued, ServiceTokenRevoked
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate, evolve

LONGEST_LIFE = timedelta(days=365)


@dataclass
class ServiceToken(Aggregate, stream="servicetoken"):
    """A team may hold several, so that it can change over to the next one without a pause."""

    id: UUID
    issued: bool = False
    revoked: bool = False

    def issue(self, team: str, feeds: Sequence[str], *, expires_at: datetime, now: datetime) -> Iterator[Event]:
        """Raises `Problem("token-expiry-refused")` unless the token ends within a year, and not before it begins."""
        if not now < expires_at <= now + LONGEST_LIFE:
            raise Problem("token-expiry-refused")
        yield ServiceTokenIssued(
            token_id=self.id, team=team, feeds=sorted(set(feeds)), expires_at=expires_at, issued_at=now
        )

    def revoke(self, *, now: datetime) -> Iterator[Event]:
        """Raises `Problem("not-found")` for what was never issued, and for what was revoked already."""
        if not self.issued or self.revoked:
            raise Problem("not-found")
        yield ServiceTokenRevoked(token_id=self.id, revoked_at=now)

    @evolve
    def _issued(self, event: ServiceTokenIssued) -> None:
        self.issued = True

    @evolve
    def _revoked(self, event: ServiceTokenRevoked) -> None:
        self.revoked = True
