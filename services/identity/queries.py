"""Identity's reads: each one statement, over projections and credentials."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.accounts import Account
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import PURPOSES
from shared.eventstore.recorded import open_fields
from shared.privacy.fields import ERASED
from shared.privacy.keyring import Keyring

_PERSONAL = ("email", "name", "time_zone", "country", "username", "locale")

_PROFILE = text("""
    SELECT account_id, guards, email, name, time_zone, country, username, locale, registered_at,
        verified_at IS NOT NULL AS email_verified, second_factor
    FROM accounts WHERE account_id = :account_id
""")
_SESSION = text("""
    SELECT session_id, account_id, guard, expires_at, stepped_up_until FROM session_tokens
    WHERE token_hash = :token_hash AND expires_at > :now
""")


def profile(connection: Connection, keyring: Keyring, account_id: UUID) -> dict[str, Any]:
    """A person's own profile; a value that was erased is null. Raises `Problem("account-not-found")`."""
    row = connection.execute(_PROFILE, {"account_id": account_id}).first()
    if row is None:
        raise Problem("account-not-found")
    sealed = {name: value and json.loads(value) for name, value in row._mapping.items() if name in _PERSONAL}
    return {
        "account_id": str(row.account_id),
        "guards": row.guards,
        "registered_at": rfc3339(row.registered_at),
        "email_verified": row.email_verified,
        "second_factor": row.second_factor,
        **{name: None if value is ERASED else value for name, value in open_fields(sealed, keyring).items()},
    }


def image(connection: Connection, keyring: Keyring, account_id: UUID) -> str:
    """A person's picture of themselves, as base64. Raises `Problem("not-found")` if there is none."""
    sealed = connection.scalar(
        text("SELECT image FROM accounts WHERE account_id = :account_id"), {"account_id": account_id}
    )
    opened = sealed and open_fields({"image": json.loads(sealed)}, keyring)["image"]
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


def consents(connection: Connection, account_id: UUID) -> list[dict[str, Any]]:
    """Where a person stands on every purpose."""
    rows = connection.execute(
        text("SELECT purpose, state, effective_at FROM consents WHERE account_id = :account_id"),
        {"account_id": account_id},
    )
    known = {row.purpose: row for row in rows}
    return [
        consent_view(purpose, known[purpose].state, known[purpose].effective_at)
        if purpose in known
        else consent_view(purpose, "not_given", None)
        for purpose in PURPOSES
    ]


def consent_view(purpose: str, state: str, effective_at: datetime | None) -> dict[str, Any]:
    return {"purpose": purpose, "state": state, "effective_at": effective_at and rfc3339(effective_at)}


def session(connection: Connection, hashed_token: bytes, now: datetime) -> dict[str, Any]:
    """The session of a token that still counts. Raises `Problem("not-signed-in")` for any other token."""
    row = connection.execute(_SESSION, {"token_hash": hashed_token, "now": now}).first()
    if row is None:
        raise Problem("not-signed-in")
    return {
        "session_id": str(row.session_id),
        "account_id": str(row.account_id),
        "guard": row.guard,
        "expires_at": rfc3339(row.expires_at),
        "stepped_up_until": row.stepped_up_until and rfc3339(row.stepped_up_until),
    }


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
