"""The request that a person may act for the house: it takes a verified address, and somebody else to approve it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.identity.accounts.aggregate import Account
from shared.contracts.events import Event
from shared.contracts.identity import GuardRequestApproved, GuardRequested, GuardRequestRefused
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate, evolve

LIFETIME = timedelta(days=7)


@dataclass
class GuardRequest(Aggregate, stream="guardrequest"):
    """One request. It waits until it is approved, refused or out of time, whichever comes first.

    Who asks or decides is an account of the house, or None for an operator.
    """

    id: UUID
    account_id: UUID | None = None
    guard: str = ""
    requested_by: UUID | None = None
    expires_at: datetime | None = None
    closed: bool = False

    def ask(self, account: Account, guard: str, by: UUID | None, *, now: datetime) -> Iterator[Event]:
        """Asks for a guard for the person with this account. Raises what `Account.must_lack_guard` does."""
        account.must_lack_guard(guard)
        yield GuardRequested(
            request_id=self.id, account_id=account.id, guard=guard, requested_by=by, expires_at=now + LIFETIME
        )

    def approve(self, account: Account, by: UUID | None, *, now: datetime) -> Iterator[Event]:
        """Approves as a second person.

        Raises `Problem("own-account")` or `own-request` for whoever gets the guard or asked for it, and
        `guard-request-closed`. How the account stands is asked again: it may have changed since.
        """
        account_id = self._must_wait(now)
        if by == account_id:
            raise Problem("own-account")
        if by == self.requested_by:
            raise Problem("own-request")
        account.must_lack_guard(self.guard)
        yield GuardRequestApproved(
            request_id=self.id, account_id=account_id, guard=self.guard, approved_by=by, approved_at=now
        )

    def refuse(self, by: UUID | None, *, now: datetime) -> Iterator[Event]:
        """Refuses, which anybody of the house can, or takes back. Raises `Problem("guard-request-closed")`."""
        account_id = self._must_wait(now)
        yield GuardRequestRefused(
            request_id=self.id, account_id=account_id, guard=self.guard, refused_by=by, refused_at=now
        )

    def _must_wait(self, now: datetime) -> UUID:
        """Returns whom the request is about, while it waits."""
        if self.account_id is None:
            raise Problem("not-found")
        if self.closed or self.expires_at is None or now >= self.expires_at:
            raise Problem("guard-request-closed")
        return self.account_id

    @evolve
    def _requested(self, event: GuardRequested) -> None:
        self.account_id = event.account_id
        self.guard = event.guard
        self.requested_by = event.requested_by
        self.expires_at = event.expires_at

    @evolve
    def _approved(self, event: GuardRequestApproved) -> None:
        self.closed = True

    @evolve
    def _refused(self, event: GuardRequestRefused) -> None:
        self.closed = True
