"""Reading sessions, API tokens and signals."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from services.identity.access.aggregate.sessions import idle_limit
from services.identity.accounts.queries import opened
from shared.bus.actors import Actor
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import SIGNAL_KINDS
from shared.privacy.keyring import Keyring

_ORIGIN = ("ip_address", "device", "place")

_SESSION = text("""
    SELECT session_id, account_id, guard, expires_at, last_used_at, stepped_up_until, second_factor
    FROM session_tokens
    WHERE token_hash = :token_hash AND expires_at > :now
""")

_SESSIONS = text("""
    SELECT session_id, guard, opened_at, last_used_at, expires_at, ip_address, device, place
    FROM sessions JOIN session_tokens USING (session_id, account_id, guard)
    WHERE account_id = :account_id AND guard = :guard AND expires_at > :now AND last_used_at > :in_use_since
    ORDER BY session_id DESC LIMIT :limit
""")

_API_TOKEN = text("""
    SELECT token_id, account_id, guard, scopes, expires_at, second_factor
    FROM api_token_hashes JOIN api_tokens USING (token_id, account_id) JOIN accounts USING (account_id)
    WHERE token_hash = :token_hash AND expires_at > :now
""")

_API_TOKENS = text("""
    SELECT token_id, guard, scopes, label, issued_at, expires_at FROM api_tokens
    WHERE account_id = :account_id AND guard = :guard ORDER BY token_id DESC
""")

MOST_SESSIONS_LISTED = 100


def session(connection: Connection, hashed_token: bytes, now: datetime) -> Row[Any] | None:
    """The session of a token that has not come to its end."""
    return connection.execute(_SESSION, {"token_hash": hashed_token, "now": now}).first()


def session_view(row: Row[Any]) -> dict[str, Any]:
    """Who acts in a session, and how long."""
    return {
        "session_id": str(row.session_id),
        "account_id": str(row.account_id),
        "guard": row.guard,
        "expires_at": rfc3339(row.expires_at),
        "stepped_up_until": row.stepped_up_until and rfc3339(row.stepped_up_until),
        "second_factor": row.second_factor,
    }


def api_token(connection: Connection, hashed_token: bytes, now: datetime) -> dict[str, Any] | None:
    """For whom a program acts with an API token, and within which scopes, while the token lasts.

    It has a second factor as long as its person has one.
    """
    row = connection.execute(_API_TOKEN, {"token_hash": hashed_token, "now": now}).first()
    if row is None:
        return None
    return {
        "session_id": str(row.token_id),
        "account_id": str(row.account_id),
        "guard": row.guard,
        "scopes": row.scopes,
        "expires_at": rfc3339(row.expires_at),
        "second_factor": row.second_factor,
    }


def sessions(connection: Connection, keyring: Keyring, actor: Actor, now: datetime) -> list[dict[str, Any]]:
    """Where the actor is signed in under the same guard, newest first; a technical value that was erased is null."""
    rows = connection.execute(
        _SESSIONS,
        {
            "account_id": UUID(actor.id),
            "guard": actor.kind,
            "now": now,
            "in_use_since": now - idle_limit(actor.kind),
            "limit": MOST_SESSIONS_LISTED,
        },
    ).all()
    return [
        {
            "session_id": str(row.session_id),
            "guard": row.guard,
            "current": str(row.session_id) == actor.session_id,
            "opened_at": rfc3339(row.opened_at),
            "last_used_at": rfc3339(row.last_used_at),
            "expires_at": rfc3339(row.expires_at),
            **opened(row, _ORIGIN, keyring),
        }
        for row in rows
    ]


def api_tokens(connection: Connection, keyring: Keyring, account_id: UUID, guard: str) -> list[dict[str, Any]]:
    """The API tokens of a person under a guard, newest first, also those that have expired."""
    return [
        {
            "token_id": str(row.token_id),
            "guard": row.guard,
            "scopes": row.scopes,
            "issued_at": rfc3339(row.issued_at),
            "expires_at": rfc3339(row.expires_at),
            **opened(row, ("label",), keyring),
        }
        for row in connection.execute(_API_TOKENS, {"account_id": account_id, "guard": guard})
    ]


def signals(connection: Connection, kind: str | None, before: UUID | None, limit: int) -> dict[str, Any]:
    """A page of security signals, newest first, and the cursor of the next one."""
    rows = connection.execute(
        text("""
            SELECT signal_id, kind, detail, account_id, network, operation, occurred_at FROM security_signals
            WHERE (CAST(:kind AS text) IS NULL OR kind = :kind)
                AND (CAST(:before AS uuid) IS NULL OR signal_id < :before)
            ORDER BY signal_id DESC LIMIT :limit
        """),
        {"kind": kind, "before": before, "limit": limit + 1},
    ).all()
    return {
        "items": [
            {
                "signal_id": str(row.signal_id),
                "kind": row.kind,
                "detail": row.detail,
                "account_id": row.account_id and str(row.account_id),
                "network": row.network,
                "operation": row.operation,
                "occurred_at": rfc3339(row.occurred_at),
            }
            for row in rows[:limit]
        ],
        "next_cursor": str(rows[limit - 1].signal_id) if len(rows) > limit else None,
    }


def was_signalled(connection: Connection, kind: str, network: str, since: datetime) -> bool:
    """Whether there was a signal of a kind from a network since a moment."""
    found = connection.scalar(
        text("""
            SELECT EXISTS (
                SELECT FROM security_signals WHERE kind = :kind AND network = :network AND occurred_at >= :since
            )
        """),
        {"kind": kind, "network": network, "since": since},
    )
    return bool(found)


def signal_counts(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """How many signals of each kind there were since a moment."""
    rows = connection.execute(
        text("SELECT kind, count(*) AS signals FROM security_signals WHERE occurred_at >= :since GROUP BY kind"),
        {"since": since},
    )
    counted = {row.kind: row.signals for row in rows}
    return [{"kind": kind, "signals": counted.get(kind, 0)} for kind in SIGNAL_KINDS]
