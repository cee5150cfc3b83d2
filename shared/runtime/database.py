"""Engines: how every process connects to PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, make_url


def connect(
    url: str, *, pool_size: int = 10, statement_timeout_ms: int = 10_000, application_name: str = "okacrm"
) -> Engine:
    """An engine over psycopg 3.

    Time limits live in the server, because a client-side timeout leaves the query running there. Errors carry neither
    parameters nor row contents further than the caller, which logs them tersely.
    """
    options = (
        f"-c statement_timeout={statement_timeout_ms} -c lock_timeout=5000 "
        "-c idle_in_transaction_session_timeout=15000 -c timezone=UTC"
    )
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "options": options,
            "application_name": application_name,
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )
