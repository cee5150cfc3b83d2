"""Credentials: the one state that is not events. Hashes of passwords and tokens, in rows of their own.

Nothing of this module is ever in an event, a log or an answer; a token leaves once, to whoever it was made for.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Connection, text

from services.identity.accounts.strength import judge
from shared.contracts.problems import Problem
from shared.privacy.secrets import ServiceSecret

PEPPERED = "hmac-sha-256"
"""The scheme that stood before the Argon2id hash of an HMAC of the password, letter for letter as it was typed."""

IN_ONE_FORM = "hmac-sha-256-nfkc"
"""The scheme that stands before the Argon2id hash of an HMAC of the password in its one form (decision 40)."""

USE_NOTED_EVERY = timedelta(minutes=1)
"""How exactly the last use of a session or token is known; noting each would cost a write per request."""


@dataclass(frozen=True)
class Credential:
    """What is needed to check a password: whose it is, and its scheme with its Argon2id hash in PHC string form.

    The revision grows with every other password, but not when the same one is hashed anew.
    """

    account_id: UUID
    password_hash: str
    revision: int = 1


class Passwords:
    """Hashes and checks passwords with Argon2id (RFC 9106), on whatever `run` runs computations on.

    What is hashed is not the password but its HMAC under a key of the service (a *pepper*), so that a copy of the
    database alone lets nobody try a single guess. Before that it is brought into one form of Unicode, so that it is the
    same from every keyboard. Hashes of earlier schemes, or of none, count until they are hashed anew.

    A check takes as long for an address without an account as for one with, so that time tells nothing.
    """

    def __init__(self, run: Callable[..., Any], secret: ServiceSecret, hasher: PasswordHasher | None = None) -> None:
        self._run = run
        self._secret = secret
        self._hasher = hasher or PasswordHasher()
        self._nobody = IN_ONE_FORM + self._hasher.hash(secrets.token_hex())

    def hash(self, password: str, *, personal: tuple[str, ...]) -> str:
        """The hash to keep. Raises `Problem("password-too-weak")` for a short password, or one that can be guessed.

        What is `personal` to somebody, such as name and address, is what is guessed first.
        """
        judgement = self._run(judge, in_one_form(password), personal)
        if not judgement.is_strong:
            raise Problem("password-too-weak", score=judgement.score, weaknesses=list(judgement.weaknesses))
        return self._hashed(password)

    def fits(self, credential: Credential | None, password: str) -> bool:
        """Whether this is the password of the credential; of none, no password is."""
        scheme, argon2 = _parted(credential.password_hash if credential else self._nobody)
        try:
            self._run(self._hasher.verify, argon2, self._hashed_text(scheme, password))
        except VerificationError:
            return False
        return credential is not None

    def check(self, credential: Credential | None, password: str) -> Credential:
        """The credential, if the password fits it. Raises `Problem("sign-in-refused")` in every other case."""
        if not self.fits(credential, password) or credential is None:
            raise Problem("sign-in-refused")
        return credential

    def hashed_anew(self, credential: Credential, password: str) -> str | None:
        """Another hash of the same password, if the kept one was made in a way that is given up."""
        scheme, argon2 = _parted(credential.password_hash)
        if scheme == IN_ONE_FORM and not self._hasher.check_needs_rehash(argon2):
            return None
        return self._hashed(password)

    def _hashed(self, password: str) -> str:
        return IN_ONE_FORM + str(self._run(self._hasher.hash, self._hashed_text(IN_ONE_FORM, password)))

    def _hashed_text(self, scheme: str, password: str) -> bytes:
        """What Argon2id is given under a scheme."""
        if scheme not in (PEPPERED, IN_ONE_FORM):
            return password.encode()
        text = in_one_form(password) if scheme == IN_ONE_FORM else password
        return self._secret.keyed_hash("password", text.encode())


def in_one_form(password: str) -> str:
    """The same for one password however a keyboard puts its letters together (NIST SP 800-63B, section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _parted(password_hash: str) -> tuple[str, str]:
    """The scheme of a kept hash, and the part of it that is of Argon2."""
    scheme, mark, rest = password_hash.partition("$")
    return scheme, mark + rest


def find(connection: Connection, email_index: bytes) -> Credential | None:
    """The credential of the account with this blind index of an e-mail address."""
    row = connection.execute(
        text("""
            SELECT account_id, password_hash, revision FROM email_index JOIN passwords USING (account_id)
            WHERE email_index = :email_index
        """),
        {"email_index": email_index},
    ).first()
    return Credential(row.account_id, row.password_hash, row.revision) if row else None


def credential_of(connection: Connection, account_id: UUID) -> Credential | None:
    """The credential of an account."""
    row = connection.execute(
        text("SELECT account_id, password_hash, revision FROM passwords WHERE account_id = :account_id"),
        {"account_id": account_id},
    ).first()
    return Credential(row.account_id, row.password_hash, row.revision) if row else None


def hold(connection: Connection, credential: Credential) -> None:
    """Keeps a credential that was just checked from being taken away before this transaction ends.

    Raises `Problem("sign-in-refused")` if it was taken away meanwhile: the check takes its time.
    """
    if not is_current(connection, credential):
        raise Problem("sign-in-refused")


def is_current(connection: Connection, credential: Credential) -> bool:
    """Whether the password is still this one, which it then stays before this transaction ends."""
    held = connection.execute(
        text("SELECT FROM passwords WHERE account_id = :account_id AND revision = :revision FOR SHARE"),
        {"account_id": credential.account_id, "revision": credential.revision},
    ).first()
    return held is not None


def hold_person(connection: Connection, account_id: UUID, *, or_else: str = "not-signed-in") -> None:
    """Keeps a person from being shut out or erased before this transaction ends.

    Raises the `Problem` of the code `or_else` if they were erased meanwhile.
    """
    held = connection.execute(
        text("SELECT FROM passwords WHERE account_id = :account_id FOR SHARE"), {"account_id": account_id}
    ).first()
    if held is None:
        raise Problem(or_else)


def keep_others_out(connection: Connection, account_id: UUID) -> None:
    """Lets no sign-in to an account happen before this transaction ends, and waits for those that hold its credential.

    Without it, a session could be opened beside the one who ends all sessions.
    """
    connection.execute(
        text("SELECT FROM passwords WHERE account_id = :account_id FOR UPDATE"), {"account_id": account_id}
    )


def email_index_of(connection: Connection, account_id: UUID) -> bytes:
    """The blind index of an account's address; empty once the person was erased."""
    index = connection.scalar(
        text("SELECT email_index FROM email_index WHERE account_id = :account_id"), {"account_id": account_id}
    )
    return bytes(index or b"")


def claim_email(connection: Connection, email_index: bytes, account_id: UUID) -> None:
    """Makes an e-mail address this account's only one. Raises `Problem("email-taken")` if it is another's."""
    if not _claim(connection, "email_index", email_index, account_id):
        raise Problem("email-taken")


def claim_username(connection: Connection, username_index: bytes, account_id: UUID) -> None:
    """Makes a username this account's only one. Raises `Problem("username-taken")` if it is another's."""
    if not _claim(connection, "username_index", username_index, account_id):
        raise Problem("username-taken")


def _claim(connection: Connection, kind: str, index: bytes, account_id: UUID) -> bool:
    """Whether the account holds this blind index, in the place of the one it held. Waits for whoever claims it too."""
    connection.execute(text(f"DELETE FROM {kind} WHERE account_id = :account_id"), {"account_id": account_id})  # noqa: S608 - a name from the two lines above
    claimed = connection.execute(
        text(f"INSERT INTO {kind} ({kind}, account_id) VALUES (:index, :account_id) ON CONFLICT DO NOTHING"),  # noqa: S608
        {"index": index, "account_id": account_id},
    )
    return claimed.rowcount == 1


def keep_password(connection: Connection, account_id: UUID, password_hash: str) -> None:
    """The password of an account; if it is in the place of another, no sign-in under way can use that any more."""
    connection.execute(
        text("""
            INSERT INTO passwords AS p (account_id, password_hash) VALUES (:account_id, :password_hash)
            ON CONFLICT (account_id) DO UPDATE SET password_hash = :password_hash, revision = p.revision + 1
        """),
        {"account_id": account_id, "password_hash": password_hash},
    )


def replace_hash(connection: Connection, credential: Credential, password_hash: str) -> None:
    """Another hash of the same password, unless there is another password by now."""
    connection.execute(
        text("""
            UPDATE passwords SET password_hash = :password_hash
            WHERE account_id = :account_id AND revision = :revision
        """),
        {
            "account_id": credential.account_id,
            "revision": credential.revision,
            "password_hash": password_hash,
        },
    )
