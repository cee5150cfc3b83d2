"""Second factors: authenticators (TOTP, RFC 6238) and recovery codes, in rows of their own.

The secret of an authenticator must be read again to check a code, so it is sealed like a personal value of its person,
and unreadable once their keys are destroyed. Recovery codes are kept as keyed hashes.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from pyotp import HOTP, TOTP, random_base32
from sqlalchemy import Connection, text

from shared.contracts.categories import Category
from shared.contracts.codes import code_as_meant
from shared.contracts.problems import Problem
from shared.eventstore.canonical import canonical_json
from shared.eventstore.recorded import open_value, seal_value
from shared.privacy.keyring import Keyring
from shared.privacy.secrets import ServiceSecret

ISSUER = "Okacrm"
STEP_SECONDS = 30
STEPS_ASIDE = 1
"""How far the clock of an authenticator may be off, in steps (RFC 6238, section 5.2)."""
RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10

new_secret = random_base32
"""A fresh secret of 160 bits (RFC 4226, section 4), in base32."""


class CodeUse(Enum):
    """What came of presenting a code."""

    COUNTED = "counted"
    WRONG = "wrong"
    REPLAYED = "replayed"
    """It would have counted, had not it or a later one counted before."""


@dataclass(frozen=True)
class Authenticator:
    """What an account's authenticator shares with us; there is no secret any more if it was erased."""

    enrolment_id: UUID
    secret: str | None
    confirmed: bool


def provisioning_uri(secret: str, email: str) -> str:
    """The `otpauth` URI that authenticators take in, mostly from a QR code."""
    return TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=email, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step of time whose code this is, among those that count now."""
    current = int(now.timestamp()) // STEP_SECONDS
    for step in range(current - STEPS_ASIDE, current + STEPS_ASIDE + 1):
        if hmac.compare_digest(HOTP(secret).at(step).encode(), code.encode()):
            return step
    return None


def enrol(connection: Connection, keyring: Keyring, account_id: UUID, enrolment_id: UUID, secret: str) -> None:
    """Keeps an authenticator to be confirmed, in the place of one that never was.

    Raises `Problem("second-factor-enabled")` if one was confirmed, perhaps a moment ago.
    """
    sealed = seal_value(
        secret, keyring, Category.IDENTITY, "", subject=account_id, field="authenticator", event_id=enrolment_id
    )
    enrolled = connection.execute(
        text("""
            INSERT INTO authenticators AS a (account_id, enrolment_id, secret)
            VALUES (:account_id, :enrolment_id, :secret)
            ON CONFLICT (account_id) DO UPDATE SET enrolment_id = :enrolment_id, secret = :secret, last_step = 0
            WHERE NOT a.confirmed
        """),
        {
            "account_id": account_id,
            "enrolment_id": enrolment_id,
            "secret": canonical_json(sealed.to_json()).decode(),
        },
    )
    if enrolled.rowcount == 0:
        raise Problem("second-factor-enabled")


def authenticator_of(connection: Connection, keyring: Keyring, account_id: UUID) -> Authenticator | None:
    row = connection.execute(
        text("SELECT enrolment_id, secret, confirmed FROM authenticators WHERE account_id = :account_id"),
        {"account_id": account_id},
    ).first()
    if row is None:
        return None
    secret = open_value(row.secret, keyring)
    return Authenticator(row.enrolment_id, secret if isinstance(secret, str) else None, row.confirmed)


def use_code(connection: Connection, keyring: Keyring, account_id: UUID, code: str, now: datetime) -> CodeUse:
    """Uses up a code of the account's authenticator, if it is one that was not used yet.

    Of two who present one code at once, the second waits for the first and is refused. So is a code of an earlier step
    than the last one used.
    """
    authenticator = authenticator_of(connection, keyring, account_id)
    if authenticator is None or authenticator.secret is None:
        return CodeUse.WRONG
    step = step_of(authenticator.secret, code, now)
    if step is None:
        return CodeUse.WRONG
    used = connection.execute(
        text("""
            UPDATE authenticators SET last_step = :step
            WHERE account_id = :account_id AND enrolment_id = :enrolment_id AND last_step < :step
        """),
        {"account_id": account_id, "enrolment_id": authenticator.enrolment_id, "step": step},
    )
    return CodeUse.COUNTED if used.rowcount == 1 else CodeUse.REPLAYED


def confirm(connection: Connection, account_id: UUID) -> None:
    connection.execute(
        text("UPDATE authenticators SET confirmed = true WHERE account_id = :account_id"), {"account_id": account_id}
    )


def remove(connection: Connection, account_id: UUID) -> None:
    """Forgets the authenticator of an account, and its recovery codes."""
    for table in ("authenticators", "recovery_codes"):
        connection.execute(
            text(f"DELETE FROM {table} WHERE account_id = :account_id"),  # noqa: S608 - names from the line above
            {"account_id": account_id},
        )


def recovery_codes(secret: ServiceSecret, command_id: UUID, account_id: UUID) -> list[str]:
    """The codes that a command made for an account: made again, not kept, when the command is repeated."""
    codes = []
    for number in range(RECOVERY_CODES):
        digest = secret.keyed_hash("recovery-code", f"{command_id}\n{account_id}\n{number}".encode())
        letters = b32encode(digest[:RECOVERY_CODE_BYTES]).decode()
        codes.append("-".join(letters[start : start + 4] for start in range(0, len(letters), 4)))
    return codes


def keep_recovery_codes(connection: Connection, secret: ServiceSecret, account_id: UUID, codes: list[str]) -> None:
    """Makes these the recovery codes of an account, and no others."""
    connection.execute(text("DELETE FROM recovery_codes WHERE account_id = :account_id"), {"account_id": account_id})
    connection.execute(
        text("INSERT INTO recovery_codes (account_id, code_hash) VALUES (:account_id, :code_hash)"),
        [{"account_id": account_id, "code_hash": _code_hash(secret, account_id, code)} for code in codes],
    )


def use_recovery_code(connection: Connection, secret: ServiceSecret, account_id: UUID, code: str) -> int | None:
    """How many codes are left after this one, which is used now; None if it is no code of the account."""
    used = connection.execute(
        text("DELETE FROM recovery_codes WHERE account_id = :account_id AND code_hash = :code_hash"),
        {"account_id": account_id, "code_hash": _code_hash(secret, account_id, code)},
    )
    if used.rowcount == 0:
        return None
    remaining: int = connection.execute(
        text("SELECT count(*) FROM recovery_codes WHERE account_id = :account_id"), {"account_id": account_id}
    ).scalar_one()
    return remaining


def _code_hash(secret: ServiceSecret, account_id: UUID, code: str) -> bytes:
    """Keyed, since 80 bits alone could be searched by whoever has a copy of the table. Case and dashes do not count."""
    return secret.keyed_hash("recovery-code-hash", f"{account_id}\n{code_as_meant(code)}".encode())
