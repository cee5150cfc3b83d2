"""Engines: how every process connects to PostgreSQL."""

from __future__ import annotations

from typing import Any, cast

import psycopg
from sqlalchemy import Connection, Engine, create_engine, make_url, text


def connect(
    url: str,
    *,
    pool_size: int = 10,
    statement_timeout_ms: int = 10_000,
    application_name: str = "okacrm",
    autocommit: bool = False,
) -> Engine:
    """An engine over psycopg 3.

    With `autocommit`, a statement stands alone unless a transaction is begun explicitly, as `shared.eventstore` does.
    Time limits live in the server, because a client-side timeout leaves the query running there. Errors carry no
    parameters. A connection that the server dropped is noticed at its next use, which fails; the whole pool is then
    renewed. A `pool_size` of 0 sets no limit.
    """
    limits = {
        "statement_timeout": statement_timeout_ms,
        "lock_timeout": 5_000,
        "idle_in_transaction_session_timeout": 15_000,
    }
    return _engine(url, limits, pool_size=pool_size, application_name=application_name, autocommit=autocommit)


def connect_for_loops(url: str, *, application_name: str, autocommit: bool = False) -> Engine:
    """An engine for the loops of a courier, with as many connections as there are loops that use it at a time.

    None of them waits for a connection that another one holds, however many loops there come to be.
    """
    return connect(url, pool_size=0, application_name=application_name, autocommit=autocommit)


def connect_for_leading(url: str, *, application_name: str, idle_seconds: int = 3) -> Engine:
    """An engine, in autocommit, for a process that leads by holding an advisory lock on its only connection.

    The server ends the connection, and with it the lock, so many seconds after the process stopped moving.
    """
    limits = {
        "statement_timeout": 10_000,
        "lock_timeout": 5_000,
        "idle_session_timeout": 1_000 * idle_seconds,
        "idle_in_transaction_session_timeout": 3_000,
    }
    return _engine(url, limits, pool_size=1, application_name=application_name, autocommit=True)


def take_lead(connection: Connection, name: str) -> bool:
    """Whether this connection leads from now on: under a name one does at a time, and only its end ends it."""
    return bool(connection.scalar(text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"), {"name": name}))


def call_listeners(connection: Connection, channel: str) -> None:
    """Wakes whoever listens on `channel`, in any process, as soon as this transaction is committed.

    Transactions that call commit one after the other (PostgreSQL takes a lock for it), so this is for seldom things.
    """
    connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": channel})


def listen(connection: Connection, channel: str) -> None:
    """Lets this connection, which must be in autocommit, hear the calls on `channel` from now on."""
    connection.exec_driver_sql(f"LISTEN {channel}")


def wait_for_call(connection: Connection, seconds: float) -> bool:
    """Waits until something is called that this connection listens to; False if nothing was in so many seconds.

    It costs the database nothing. Raises `psycopg.OperationalError` if the connection is lost.
    """
    driver = cast(psycopg.Connection[Any], connection.connection.driver_connection)
    return any(True for _ in driver.notifies(timeout=seconds, stop_after=1))


def _engine(
    url: str, limits: dict[str, int], *, pool_size: int, application_name: str, autocommit: bool = False
) -> Engine:
    isolation: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        **isolation,
        hide_parameters=True,
        connect_args={
            "options": " ".join(f"-c {name}={milliseconds}" for name, milliseconds in limits.items())
            + " -c timezone=UTC",
            "application_name": application_name,
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )
