"""The security signal: something that may be an attack, written down once for those who watch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.identity import (
    AccessRefused,
    InquirySpamSuspected,
    SigninCodeReplayed,
    SigninFailed,
    SigninThrottled,
    TokenMisused,
)
from shared.eventstore.aggregates import Aggregate, evolve


@dataclass
class Signal(Aggregate, stream="signal"):
    """One signal. It never changes, and decides nothing."""

    id: UUID

    def fail_sign_in(self, reason: str, account_id: UUID | None, network: str, *, now: datetime) -> Iterator[Event]:
        yield SigninFailed(signal_id=self.id, account_id=account_id, reason=reason, network=network, failed_at=now)

    def throttle_sign_in(
        self, scope: str, account_id: UUID | None, network: str, *, until: datetime
    ) -> Iterator[Event]:
        yield SigninThrottled(signal_id=self.id, account_id=account_id, scope=scope, network=network, until=until)

    def replay_code(self, account_id: UUID, network: str, *, now: datetime) -> Iterator[Event]:
        yield SigninCodeReplayed(signal_id=self.id, account_id=account_id, network=network, replayed_at=now)

    def refuse_access(
        self, kind: str, operation: str, *, account_id: UUID, session_id: UUID, now: datetime
    ) -> Iterator[Event]:
        yield AccessRefused(
            signal_id=self.id,
            account_id=account_id,
            session_id=session_id,
            kind=kind,
            operation=operation,
            refused_at=now,
        )

    def misuse_token(self, kind: str, account_id: UUID | None, network: str, *, now: datetime) -> Iterator[Event]:
        yield TokenMisused(signal_id=self.id, account_id=account_id, kind=kind, network=network, misused_at=now)

    def suspect_spam(self, sign: str, network: str, *, now: datetime) -> Iterator[Event]:
        yield InquirySpamSuspected(signal_id=self.id, sign=sign, network=network, suspected_at=now)

    @evolve
    def _sign_in_failed(self, event: SigninFailed) -> None: ...

    @evolve
    def _sign_in_throttled(self, event: SigninThrottled) -> None: ...

    @evolve
    def _code_replayed(self, event: SigninCodeReplayed) -> None: ...

    @evolve
    def _access_refused(self, event: AccessRefused) -> None: ...

    @evolve
    def _token_misused(self, event: TokenMisused) -> None: ...

    @evolve
    def _spam_suspected(self, event: InquirySpamSuspected) -> None: ...
