"""The read model of accounts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.accounts.erased_rows import drop_rows_of_erased
from shared.contracts.identity import (
    AccountDeactivated,
    AccountEmailChanged,
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
)
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded

accounts = OwnProjection("accounts", "accounts")


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
