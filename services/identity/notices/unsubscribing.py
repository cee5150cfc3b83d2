"""Links that end notices of one kind with one click and without a session (RFC 8058).

The token says nothing of the person or the kind; of it, the database holds a hash. It counts as long as the account is
there, for a mail may be old when somebody has had enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from shared.contracts.problems import Problem
from shared.privacy.secrets import ServiceSecret, token_hash

PATH = "/v1/unsubscriptions"
"""Where the gateway takes the link: it is followed by machines, and leads to no page of the browser client."""


@dataclass(frozen=True)
class Unsubscription:
    """Who would no longer be told notices of which kind."""

    account_id: UUID
    kind: str


def keep(connection: Connection, secret: ServiceSecret, account_id: UUID, kind: str) -> str:
    """Return the token of a person and a kind of notice, which counts from now on; it is the same in every mail."""
    token = secret.derived_token("unsubscription", f"{account_id}\n{kind}")
    connection.execute(
        text("""
            INSERT INTO unsubscription_links (token_hash, account_id, kind) VALUES (:token_hash, :account_id, :kind)
            ON CONFLICT DO NOTHING
        """),
        {"token_hash": token_hash(token), "account_id": account_id, "kind": kind},
    )
    return token


def find(connection: Connection, token: str) -> Unsubscription:
    """Return what a token stands for, which stays as good as it is. Raise `Problem("link-invalid")` for any other."""
    row = connection.execute(
        text("SELECT account_id, kind FROM unsubscription_links WHERE token_hash = :token_hash"),
        {"token_hash": token_hash(token)},
    ).first()
    if row is None:
        raise Problem("link-invalid")
    return Unsubscription(row.account_id, row.kind)
