"""Reading accounts."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from services.identity.accounts.aggregate import Account
from shared.contracts.fields import ERASED
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.eventstore.recorded import open_fields, open_value
from shared.privacy.keyring import Keyring

_PERSONAL = ("email", "name", "time_zone", "country", "username", "locale")

_PROFILE = text("""
    SELECT account_id, guards, email, name, time_zone, country, username, locale, registered_at,
        verified_at IS NOT NULL AS email_verified, second_factor
    FROM accounts WHERE account_id = :account_id
""")


def profile(connection: Connection, keyring: Keyring, account_id: UUID) -> dict[str, Any]:
    """A person's own profile; a value that was erased is null. Raises `Problem("account-not-found")`."""
    row = connection.execute(_PROFILE, {"account_id": account_id}).first()
    if row is None:
        raise Problem("account-not-found")
    return {
        "account_id": str(row.account_id),
        "guards": row.guards,
        "registered_at": rfc3339(row.registered_at),
        "email_verified": row.email_verified,
        "second_factor": row.second_factor,
        **opened(row, _PERSONAL, keyring),
    }


def image(connection: Connection, keyring: Keyring, account_id: UUID) -> str:
    """A person's picture of themselves, as base64. Raises `Problem("not-found")` if there is none."""
    sealed = connection.scalar(
        text("SELECT image FROM accounts WHERE account_id = :account_id"), {"account_id": account_id}
    )
    opened = sealed and open_value(sealed, keyring)
    if not isinstance(opened, str):
        raise Problem("not-found")
    return opened


def personal_words(connection: Connection, keyring: Keyring, account_id: UUID) -> tuple[str, ...]:
    """What somebody who knows a person would guess their password from."""
    known = profile(connection, keyring, account_id)
    return tuple(word for word in (known["email"], known["name"], known["username"]) if word)


def account_view(account: Account) -> dict[str, Any]:
    """The same profile, as an account's own events tell it."""
    assert account.registered_at is not None
    return {
        "account_id": str(account.id),
        "guards": account.guards,
        "registered_at": rfc3339(account.registered_at),
        "email_verified": account.verified_at is not None,
        "second_factor": account.second_factor,
        **{name: None if getattr(account, name) is ERASED else getattr(account, name) for name in _PERSONAL},
    }


def opened(row: Row[Any], names: tuple[str, ...], keyring: Keyring) -> dict[str, Any]:
    """Sealed columns of a row, opened; null for what is absent, and for what was erased."""
    sealed = {name: json.loads(row._mapping[name]) for name in names if row._mapping[name] is not None}
    opened = open_fields(sealed, keyring)
    return {name: None if opened.get(name) is ERASED else opened.get(name) for name in names}


def account_by_email(connection: Connection, email_index: bytes) -> UUID | None:
    """Who has this blind index of an e-mail address."""
    account_id: UUID | None = connection.scalar(
        text("SELECT account_id FROM email_index WHERE email_index = :email_index"), {"email_index": email_index}
    )
    return account_id


def account_by_username(connection: Connection, username_index: bytes) -> UUID | None:
    """Who has this blind index of a username."""
    account_id: UUID | None = connection.scalar(
        text("SELECT account_id FROM username_index WHERE username_index = :username_index"),
        {"username_index": username_index},
    )
    return account_id
