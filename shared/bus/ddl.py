"""The table of a subscriber's cursors, created by the first migration of each service that follows others."""

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
