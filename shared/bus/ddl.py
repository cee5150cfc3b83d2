"""The tables of a subscriber, created by migrations of each service that has subscriptions."""

from __future__ import annotations

from alembic import op


def create_cursors(role: str) -> None:
    """Creates the cursors, and grants `role` to move them."""
    op.execute("""
        CREATE TABLE cursors (
            subscription text NOT NULL,
            publisher text NOT NULL,
            epoch integer NOT NULL DEFAULT 0,
            position bigint NOT NULL DEFAULT 0,
            event_id uuid,
            head bigint NOT NULL DEFAULT 0,
            head_stated_at timestamptz,
            halted text,
            PRIMARY KEY (subscription, publisher)
        )
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON cursors TO {role}")


def create_parking(role: str) -> None:
    """Creates the streams that a reaction parked, with their events in order, and grants `role` to keep them."""
    op.execute("""
        CREATE TABLE parked_streams (
            subscription text NOT NULL,
            publisher text NOT NULL,
            stream text NOT NULL,
            reason text NOT NULL,
            parked_at timestamptz NOT NULL DEFAULT now(),
            wanted boolean NOT NULL DEFAULT false,
            PRIMARY KEY (subscription, publisher, stream)
        )
    """)
    op.execute("""
        CREATE TABLE parked_events (
            subscription text NOT NULL,
            publisher text NOT NULL,
            epoch integer NOT NULL,
            position bigint NOT NULL,
            stream text NOT NULL,
            message bytea NOT NULL,
            PRIMARY KEY (subscription, publisher, epoch, position),
            FOREIGN KEY (subscription, publisher, stream) REFERENCES parked_streams
        )
    """)
    op.execute("CREATE INDEX parked_events_stream ON parked_events (subscription, publisher, stream, epoch, position)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON parked_streams, parked_events TO {role}")


def create_loops(role: str) -> None:
    """Creates what is known of loops that failed when they ran last, and grants `role` to keep it."""
    op.execute("""
        CREATE TABLE loops (
            name text PRIMARY KEY,
            failures integer NOT NULL,
            reason text NOT NULL,
            failing_since timestamptz NOT NULL,
            failed_at timestamptz NOT NULL
        )
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON loops TO {role}")
