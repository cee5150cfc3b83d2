"""Tokens by which sessions and programs are known: what is kept of them, and their end."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from shared.contracts.problems import Problem
from shared.privacy.secrets import ServiceSecret, token_hash

API_TOKEN_PREFIX = "okat_"  # noqa: S105 - no secret: the mark by which scanners for leaked secrets find one


def session_token(secret: ServiceSecret, command_id: UUID, session_id: UUID) -> str:
    """The token of a session that this command opened: made again, not kept, when the command is repeated."""
    return secret.derived_token("session-token", f"{command_id}\n{session_id}")


def api_token(secret: ServiceSecret, command_id: UUID, token_id: UUID) -> str:
    """The API token that this command issued: made again, not kept, when the command is repeated."""
    return API_TOKEN_PREFIX + secret.derived_token("api-token", f"{command_id}\n{token_id}")


def keep_session(
    connection: Connection,
    *,
    session_id: UUID,
    account_id: UUID,
    guard: str,
    token: str,
    second_factor: bool,
    expires_at: datetime,
    now: datetime,
) -> None:
    connection.execute(
        text("""
            INSERT INTO session_tokens (
                token_hash, session_id, account_id, guard, second_factor, expires_at, last_used_at
            )
            VALUES (:token_hash, :session_id, :account_id, :guard, :second_factor, :expires_at, :now)
        """),
        {
            "token_hash": token_hash(token),
            "session_id": session_id,
            "account_id": account_id,
            "guard": guard,
            "second_factor": second_factor,
            "expires_at": expires_at,
            "now": now,
        },
    )


def session_held(connection: Connection, hashed_token: bytes, guard: str) -> UUID | None:
    """The session of a guard that a token stands for."""
    session_id: UUID | None = connection.scalar(
        text("SELECT session_id FROM session_tokens WHERE token_hash = :token_hash AND guard = :guard"),
        {"token_hash": hashed_token, "guard": guard},
    )
    return session_id


def step_up_session(connection: Connection, session_id: UUID, until: datetime) -> None:
    connection.execute(
        text("UPDATE session_tokens SET stepped_up_until = :until WHERE session_id = :session_id"),
        {"session_id": session_id, "until": until},
    )


def is_stepped_up(connection: Connection, session_id: UUID, now: datetime) -> bool:
    """Whether whoever uses a session showed a moment ago that they are the person."""
    return bool(
        connection.scalar(
            text("SELECT stepped_up_until > :now FROM session_tokens WHERE session_id = :session_id"),
            {"session_id": session_id, "now": now},
        )
    )


def note_second_factor(connection: Connection, session_id: UUID, *, shown: bool) -> None:
    """Notes whether whoever uses a session showed a second factor that still counts."""
    connection.execute(
        text("UPDATE session_tokens SET second_factor = :shown WHERE session_id = :session_id"),
        {"session_id": session_id, "shown": shown},
    )


def has_second_factor(connection: Connection, session_id: UUID) -> bool:
    """Whether whoever uses a session showed a second factor."""
    return bool(
        connection.scalar(
            text("SELECT second_factor FROM session_tokens WHERE session_id = :session_id"), {"session_id": session_id}
        )
    )


def note_use(connection: Connection, session_id: UUID, *, since: datetime, now: datetime) -> None:
    """Notes that a session is in use, unless that was noted since a moment ago."""
    connection.execute(
        text("UPDATE session_tokens SET last_used_at = :now WHERE session_id = :session_id AND last_used_at <= :since"),
        {"session_id": session_id, "since": since, "now": now},
    )


def change_token(connection: Connection, session_id: UUID, token: str, now: datetime) -> None:
    """Exchanges the token of a session. Raises `Problem("not-signed-in")` if the session has ended."""
    changed = connection.execute(
        text("""
            WITH held AS (
                SELECT token_hash, account_id FROM session_tokens WHERE session_id = :session_id FOR UPDATE
            ), ended AS (
                INSERT INTO ended_tokens (token_hash, account_id, ended_at)
                SELECT token_hash, account_id, :now FROM held
            )
            UPDATE session_tokens SET token_hash = :token_hash FROM held
            WHERE session_tokens.token_hash = held.token_hash
        """),
        {"session_id": session_id, "token_hash": token_hash(token), "now": now},
    )
    if changed.rowcount == 0:
        raise Problem("not-signed-in")


def drop_session(connection: Connection, session_id: UUID, now: datetime) -> None:
    _drop(connection, "session_tokens", "session_id", session_id, now)


def keep_api_token(connection: Connection, token_id: UUID, account_id: UUID, token: str) -> None:
    connection.execute(
        text("""
            INSERT INTO api_token_hashes (token_hash, token_id, account_id)
            VALUES (:token_hash, :token_id, :account_id)
        """),
        {"token_hash": token_hash(token), "token_id": token_id, "account_id": account_id},
    )


def drop_api_token(connection: Connection, token_id: UUID, now: datetime) -> None:
    _drop(connection, "api_token_hashes", "token_id", token_id, now)


def api_tokens_of(connection: Connection, account_id: UUID) -> list[UUID]:
    """The API tokens of a person that have not been revoked."""
    rows = connection.execute(
        text("SELECT token_id FROM api_token_hashes WHERE account_id = :account_id ORDER BY token_id"),
        {"account_id": account_id},
    )
    return [row.token_id for row in rows]


def owner_of_ended_token(connection: Connection, hashed_token: bytes, *, before: datetime) -> UUID | None:
    """Whose a token was that ended before this moment; None for any other token."""
    account_id: UUID | None = connection.scalar(
        text("SELECT account_id FROM ended_tokens WHERE token_hash = :token_hash AND ended_at <= :before"),
        {"token_hash": hashed_token, "before": before},
    )
    return account_id


def _drop(connection: Connection, table: str, column: str, id: UUID, now: datetime) -> None:
    """Makes a token worthless. It stays known for a while as one that was worth something: see `pruning`."""
    connection.execute(
        text(f"""
            WITH dropped AS (
                DELETE FROM {table} WHERE {column} = :id RETURNING token_hash, account_id
            )
            INSERT INTO ended_tokens (token_hash, account_id, ended_at) SELECT token_hash, account_id, :now FROM dropped
        """),  # noqa: S608 - names from this module
        {"id": id, "now": now},
    )


def sessions_of(connection: Connection, account_id: UUID, *, guard: str | None = None) -> list[UUID]:
    """The sessions of a person that have not been ended: all of them, or those of one guard."""
    rows = connection.execute(
        text("""
            SELECT session_id FROM session_tokens
            WHERE account_id = :account_id AND (CAST(:guard AS text) IS NULL OR guard = :guard)
            ORDER BY session_id
        """),
        {"account_id": account_id, "guard": guard},
    )
    return [row.session_id for row in rows]
