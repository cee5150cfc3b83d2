"""Read models of what lets somebody in, and of what looked like an attack."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.accounts.erased_rows import drop_rows_of_erased
from shared.contracts.events import contract_of
from shared.contracts.identity import (
    AccessRefused,
    AccountGuardAdded,
    AccountGuardRevoked,
    AccountRegistered,
    GuardRequested,
    GuardRequestRefused,
    InquirySpamSuspected,
    SessionClosed,
    SessionOpened,
    SigninCodeReplayed,
    SigninFailed,
    SigninThrottled,
    TokenExpiryNoticed,
    TokenIssued,
    TokenMisused,
    TokenRevoked,
)
from shared.contracts.vocabulary import STAFF_GUARDS
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded

sessions = OwnProjection("sessions", "sessions")

api_tokens = OwnProjection("api_tokens", "api_tokens")

security_signals = OwnProjection("security_signals", "security_signals")


@sessions.on(SessionOpened)
def add_session(connection: Connection, event: SessionOpened, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO sessions (session_id, account_id, guard, opened_at, ip_address, device, place)
            VALUES (:session_id, :account_id, :guard, :opened_at, :ip_address, :device, :place)
        """),
        {
            "session_id": event.session_id,
            "account_id": event.account_id,
            "guard": event.guard,
            "opened_at": recorded.time,
            **{field: recorded.sealed(field) for field in ("ip_address", "device", "place")},
        },
    )


@sessions.on(SessionClosed)
def remove_session(connection: Connection, event: SessionClosed, recorded: Recorded) -> None:
    connection.execute(text("DELETE FROM sessions WHERE session_id = :session_id"), {"session_id": event.session_id})


drop_rows_of_erased(sessions)


@api_tokens.on(TokenIssued)
def add_api_token(connection: Connection, event: TokenIssued, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO api_tokens (token_id, account_id, guard, scopes, label, issued_at, expires_at)
            VALUES (:token_id, :account_id, :guard, :scopes, :label, :issued_at, :expires_at)
        """),
        {
            "token_id": event.token_id,
            "account_id": event.account_id,
            "guard": event.guard,
            "scopes": event.scopes,
            "label": recorded.sealed("label"),
            "issued_at": recorded.time,
            "expires_at": event.expires_at,
        },
    )


@api_tokens.on(TokenExpiryNoticed)
def _token_expiry_noticed(connection: Connection, event: TokenExpiryNoticed, recorded: Recorded) -> None:
    connection.execute(
        text("UPDATE api_tokens SET reminded = true WHERE token_id = :token_id"), {"token_id": event.token_id}
    )


@api_tokens.on(TokenRevoked)
def remove_api_token(connection: Connection, event: TokenRevoked, recorded: Recorded) -> None:
    connection.execute(text("DELETE FROM api_tokens WHERE token_id = :token_id"), {"token_id": event.token_id})


drop_rows_of_erased(api_tokens)

_DETAILS: dict[type[Any], str] = {
    SigninFailed: "reason",
    SigninThrottled: "scope",
    AccessRefused: "kind",
    TokenMisused: "kind",
    InquirySpamSuspected: "sign",
}
"""The field of a signal that says most about it, where there is one."""


@security_signals.on(SessionOpened)
def add_signal_of_new_device(connection: Connection, event: SessionOpened, recorded: Recorded) -> None:
    if event.new_device:
        _keep_signal(connection, recorded, event.session_id, "new_device", account_id=event.account_id)


@security_signals.on(SigninFailed)
@security_signals.on(SigninThrottled)
@security_signals.on(SigninCodeReplayed)
@security_signals.on(AccessRefused)
@security_signals.on(TokenMisused)
@security_signals.on(InquirySpamSuspected)
def add_signal(
    connection: Connection,
    event: SigninFailed | SigninThrottled | SigninCodeReplayed | AccessRefused | TokenMisused | InquirySpamSuspected,
    recorded: Recorded,
) -> None:
    _keep_signal(
        connection,
        recorded,
        event.signal_id,
        contract_of(type(event)).name,
        detail=getattr(event, _DETAILS.get(type(event), ""), None),
        account_id=getattr(event, "account_id", None),
        network=getattr(event, "network", None),
        operation=getattr(event, "operation", None),
    )


@security_signals.on(AccountRegistered)
@security_signals.on(AccountGuardAdded)
def signal_guard(connection: Connection, event: AccountRegistered | AccountGuardAdded, recorded: Recorded) -> None:
    if event.guard in STAFF_GUARDS:
        _signal_guard(connection, "guard_added", event, recorded)


@security_signals.on(AccountGuardRevoked)
def signal_end_of_guard(connection: Connection, event: AccountGuardRevoked, recorded: Recorded) -> None:
    _signal_guard(connection, "guard_revoked", event, recorded)


@security_signals.on(GuardRequested)
def signal_request(connection: Connection, event: GuardRequested, recorded: Recorded) -> None:
    _signal_guard(connection, "guard_requested", event, recorded)


@security_signals.on(GuardRequestRefused)
def signal_refusal(connection: Connection, event: GuardRequestRefused, recorded: Recorded) -> None:
    _signal_guard(connection, "guard_refused", event, recorded)


def _signal_guard(
    connection: Connection,
    kind: str,
    event: AccountRegistered | AccountGuardAdded | AccountGuardRevoked | GuardRequested | GuardRequestRefused,
    recorded: Recorded,
) -> None:
    """Lets everybody of the house see that somebody may act for it, or may not any more."""
    _keep_signal(connection, recorded, recorded.event_id, kind, detail=event.guard, account_id=event.account_id)


def _keep_signal(
    connection: Connection,
    recorded: Recorded,
    signal_id: UUID,
    kind: str,
    *,
    detail: str | None = None,
    account_id: UUID | None = None,
    network: str | None = None,
    operation: str | None = None,
) -> None:
    connection.execute(
        text("""
            INSERT INTO security_signals (signal_id, kind, detail, account_id, network, operation, occurred_at)
            VALUES (:signal_id, :kind, :detail, :account_id, :network, :operation, :occurred_at)
        """),
        {
            "signal_id": signal_id,
            "kind": kind,
            "detail": detail,
            "account_id": account_id,
            "network": network,
            "operation": operation,
            "occurred_at": recorded.time,
        },
    )


drop_rows_of_erased(security_signals)
