"""Identity's own read models, kept in the transaction that appends the events: those of people, and all together."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.guard_request_projections import guard_requests
from services.identity.inquiry_projections import inquiries, internal_notes
from services.identity.notice_projections import announcement_wordings, notices
from services.identity.organisation_projections import invitations, organisations
from services.identity.policy_projections import policy_acknowledgements
from services.identity.service_token_projections import service_tokens
from shared.contracts.catalogue import published_contracts
from shared.contracts.events import contract_of
from shared.contracts.identity import (
    AccessRefused,
    AccountDeactivated,
    AccountEmailChanged,
    AccountErased,
    AccountGuardAdded,
    AccountGuardRevoked,
    AccountImageChanged,
    AccountProfileChanged,
    AccountReactivated,
    AccountRegistered,
    AccountRestricted,
    AccountSecondFactorDisabled,
    AccountSecondFactorEnabled,
    AccountUnrestricted,
    AccountVerified,
    BrowserSignalHeard,
    ConsentGranted,
    ConsentWithdrawn,
    CookieConsentCarriedOver,
    CookieConsentGranted,
    CookieConsentRefused,
    CookieConsentWithdrawn,
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
from shared.eventstore.projections import OwnProjection, OwnProjections
from shared.eventstore.recorded import Recorded
from shared.privacy.keyring import Erasure

accounts = OwnProjection("accounts", "accounts")
consents = OwnProjection("consents", "consents")
cookie_choices = OwnProjection("cookie_choices", "cookie_choices")
sessions = OwnProjection("sessions", "sessions")
api_tokens = OwnProjection("api_tokens", "api_tokens")
security_signals = OwnProjection("security_signals", "security_signals")
erasures = OwnProjection("erasures", "erasures")

projections = OwnProjections(
    accounts,
    consents,
    cookie_choices,
    sessions,
    api_tokens,
    security_signals,
    erasures,
    guard_requests,
    inquiries,
    internal_notes,
    notices,
    announcement_wordings,
    organisations,
    invitations,
    service_tokens,
    policy_acknowledgements,
)


def drop_rows_of_erased(projection: OwnProjection, column: str = "account_id") -> None:
    """Let a projection drop the rows of whoever is erased."""
    (table,) = projection.tables

    @projection.on(AccountErased)
    def remove(connection: Connection, event: AccountErased, recorded: Recorded) -> None:
        connection.execute(
            text(f"DELETE FROM {table} WHERE {column} = :account_id"),  # noqa: S608 - names from the code
            {"account_id": event.account_id},
        )


_SET_CONSENT = text("""
    INSERT INTO consents (account_id, purpose, state, effective_at, record_id)
    VALUES (:account_id, :purpose, :state, :effective_at, :record_id)
    ON CONFLICT (account_id, purpose) DO UPDATE SET
        state = :state, effective_at = :effective_at, record_id = :record_id
""")


@accounts.on(AccountRegistered)
def add_account(connection: Connection, event: AccountRegistered, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO accounts (account_id, guards, email, name, time_zone, country, locale, registered_at)
            VALUES (:account_id, ARRAY[:guard], :email, :name, :time_zone, :country, :locale, :registered_at)
        """),
        {
            "account_id": event.account_id,
            "guard": event.guard,
            "registered_at": event.registered_at,
            **{field: recorded.sealed(field) for field in ("email", "name", "time_zone", "country", "locale")},
        },
    )


@accounts.on(AccountProfileChanged)
def change_account(connection: Connection, event: AccountProfileChanged, recorded: Recorded) -> None:
    connection.execute(
        text("""
            UPDATE accounts SET name = coalesce(:name, name), time_zone = coalesce(:time_zone, time_zone),
                country = coalesce(:country, country), username = coalesce(:username, username),
                locale = coalesce(:locale, locale)
            WHERE account_id = :account_id
        """),
        {
            "account_id": event.account_id,
            **{field: recorded.sealed(field) for field in ("name", "time_zone", "country", "username", "locale")},
        },
    )


@accounts.on(AccountImageChanged)
def change_image(connection: Connection, event: AccountImageChanged, recorded: Recorded) -> None:
    _set(connection, event.account_id, "image", recorded.sealed("image"))


@accounts.on(AccountVerified)
def verify_account(connection: Connection, event: AccountVerified, recorded: Recorded) -> None:
    _set(connection, event.account_id, "verified_at", event.verified_at)


@accounts.on(AccountEmailChanged)
def change_email(connection: Connection, event: AccountEmailChanged, recorded: Recorded) -> None:
    _set(connection, event.account_id, "email", recorded.sealed("email"))
    _set(connection, event.account_id, "verified_at", event.changed_at)


@accounts.on(AccountGuardAdded)
def add_guard(connection: Connection, event: AccountGuardAdded, recorded: Recorded) -> None:
    connection.execute(
        text("UPDATE accounts SET guards = array_append(guards, :guard) WHERE account_id = :account_id"),
        {"account_id": event.account_id, "guard": event.guard},
    )


@accounts.on(AccountGuardRevoked)
def revoke_guard(connection: Connection, event: AccountGuardRevoked, recorded: Recorded) -> None:
    connection.execute(
        text("UPDATE accounts SET guards = array_remove(guards, :guard) WHERE account_id = :account_id"),
        {"account_id": event.account_id, "guard": event.guard},
    )


@accounts.on(AccountDeactivated)
def deactivate_account(connection: Connection, event: AccountDeactivated, recorded: Recorded) -> None:
    _set(connection, event.account_id, "deactivated_at", event.deactivated_at)


@accounts.on(AccountReactivated)
def reactivate_account(connection: Connection, event: AccountReactivated, recorded: Recorded) -> None:
    _set(connection, event.account_id, "deactivated_at", None)


@accounts.on(AccountRestricted)
def restrict_account(connection: Connection, event: AccountRestricted, recorded: Recorded) -> None:
    _set(connection, event.account_id, "restricted_at", event.restricted_at)


@accounts.on(AccountUnrestricted)
def unrestrict_account(connection: Connection, event: AccountUnrestricted, recorded: Recorded) -> None:
    _set(connection, event.account_id, "restricted_at", None)


@accounts.on(AccountSecondFactorEnabled)
def enable_second_factor(connection: Connection, event: AccountSecondFactorEnabled, recorded: Recorded) -> None:
    _set(connection, event.account_id, "second_factor", True)


@accounts.on(AccountSecondFactorDisabled)
def disable_second_factor(connection: Connection, event: AccountSecondFactorDisabled, recorded: Recorded) -> None:
    _set(connection, event.account_id, "second_factor", False)


def _set(connection: Connection, account_id: UUID, column: str, value: Any) -> None:
    connection.execute(
        text(f"UPDATE accounts SET {column} = :value WHERE account_id = :account_id"),  # noqa: S608 - names from above
        {"account_id": account_id, "value": value},
    )


drop_rows_of_erased(accounts)


def keep_erasure(connection: Connection, event: Any, recorded: Recorded) -> None:
    """Keeps whose keys were destroyed, for a keyring that is restored from an older copy."""
    erasure = contract_of(type(event)).erasure(recorded.data)
    assert erasure is not None, "registered for erasures only"
    subject, category = erasure
    connection.execute(
        text("""
            INSERT INTO erasures AS e (subject, category, erased_at) VALUES (:subject, :category, :erased_at)
            ON CONFLICT (subject, category) DO UPDATE SET erased_at = greatest(e.erased_at, :erased_at)
        """),
        vars(Erasure(subject, category, event.erased_at)),
    )


for _erasing in (each for each in published_contracts() if each.publisher == "identity" and each.erases):
    erasures.on(_erasing.event_class)(keep_erasure)


@consents.on(ConsentGranted)
def add_consent(connection: Connection, event: ConsentGranted, recorded: Recorded) -> None:
    _set_consent(connection, event, recorded, "granted")


@consents.on(ConsentWithdrawn)
def end_consent(connection: Connection, event: ConsentWithdrawn, recorded: Recorded) -> None:
    _set_consent(connection, event, recorded, "withdrawn")


def _set_consent(
    connection: Connection, event: ConsentGranted | ConsentWithdrawn, recorded: Recorded, state: str
) -> None:
    connection.execute(
        _SET_CONSENT,
        {
            "account_id": event.account_id,
            "purpose": event.purpose,
            "state": state,
            "effective_at": event.effective_at,
            "record_id": recorded.event_id,
        },
    )


drop_rows_of_erased(consents)


_COOKIE_STATES: dict[type[Any], str] = {
    CookieConsentGranted: "granted",
    CookieConsentRefused: "refused",
    CookieConsentWithdrawn: "withdrawn",
    BrowserSignalHeard: "objected",
}


@cookie_choices.on(CookieConsentGranted)
@cookie_choices.on(CookieConsentRefused)
@cookie_choices.on(CookieConsentWithdrawn)
@cookie_choices.on(BrowserSignalHeard)
def set_cookie_choice(
    connection: Connection,
    event: CookieConsentGranted | CookieConsentRefused | CookieConsentWithdrawn | BrowserSignalHeard,
    recorded: Recorded,
) -> None:
    connection.execute(
        text("""
            INSERT INTO cookie_choices (subject_id, purpose, state, wording_version, effective_at, expires_at)
            VALUES (:subject_id, :purpose, :state, :wording_version, :effective_at, :expires_at)
            ON CONFLICT (subject_id, purpose) DO UPDATE SET state = :state, wording_version = :wording_version,
                effective_at = :effective_at, expires_at = :expires_at
        """),
        {
            "subject_id": event.subject_id,
            "purpose": event.purpose,
            "state": _COOKIE_STATES[type(event)],
            "wording_version": getattr(event, "wording_version", None),
            "effective_at": event.effective_at,
            "expires_at": event.expires_at,
        },
    )


@cookie_choices.on(CookieConsentCarriedOver)
def remove_cookie_choice(connection: Connection, event: CookieConsentCarriedOver, recorded: Recorded) -> None:
    connection.execute(
        text("DELETE FROM cookie_choices WHERE subject_id = :visitor_id AND purpose = :purpose"),
        {"visitor_id": event.visitor_id, "purpose": event.purpose},
    )


drop_rows_of_erased(cookie_choices, "subject_id")


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
