"""The tables of an event store, created by each service's first migration."""

from __future__ import annotations

from alembic import op


def create_event_store(role: str) -> None:
    """Creates events, outbox, feed and idempotency records, and grants `role` what it needs and no more."""
    op.execute("""
        CREATE TABLE events (
            event_id uuid PRIMARY KEY,
            stream text NOT NULL,
            version integer NOT NULL CHECK (version > 0),
            type text NOT NULL,
            schema_version integer NOT NULL,
            body bytea NOT NULL,
            UNIQUE (stream, version)
        )
    """)
    # CACHE 1: the relay takes rows in id order, and a cached range would let a later commit come before an earlier one.
    op.execute("""
        CREATE TABLE outbox (
            id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
            event_id uuid NOT NULL UNIQUE
        )
    """)
    op.execute("""
        CREATE TABLE feed (
            position bigint PRIMARY KEY CHECK (position > 0),
            epoch integer NOT NULL,
            event_id uuid NOT NULL UNIQUE REFERENCES events
        )
    """)
    op.execute("""
        CREATE TABLE feed_head (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            epoch integer NOT NULL DEFAULT 1,
            position bigint NOT NULL DEFAULT 0,
            published bigint NOT NULL DEFAULT 0 CHECK (published <= position)
        )
    """)
    op.execute("INSERT INTO feed_head DEFAULT VALUES")
    op.execute("""
        CREATE TABLE commands (
            command_id uuid PRIMARY KEY,
            fingerprint bytea NOT NULL,
            outcome bytea NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    refuse_change("events", "feed")
    op.execute(f"GRANT SELECT, INSERT ON events, feed, commands TO {role}")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON outbox TO {role}")
    op.execute(f"GRANT SELECT, UPDATE ON feed_head TO {role}")


def create_feed_epochs(role: str) -> None:
    """Creates the register of epochs. A place in the feed counts in the newest epoch that begins before it.

    So what a restored store numbered before its new epoch was begun belongs to that epoch, although its feed row, which
    is never changed, names the one before.
    """
    op.execute("""
        CREATE TABLE feed_epochs (
            epoch integer PRIMARY KEY CHECK (epoch > 0),
            after_position bigint NOT NULL CHECK (after_position >= 0),
            begun_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("INSERT INTO feed_epochs (epoch, after_position) SELECT epoch, 0 FROM feed_head")
    refuse_change("feed_epochs")
    op.execute(f"GRANT SELECT, INSERT ON feed_epochs TO {role}")


def let_commands_go(role: str) -> None:
    """Lets `role` delete idempotency records, and finds old ones by an index that costs next to nothing to write.

    Records are appended in the order of their time, which is what a BRIN index needs.
    """
    op.execute("CREATE INDEX commands_age ON commands USING brin (recorded_at) WITH (autosummarize = on)")
    op.execute(f"GRANT DELETE ON commands TO {role}")


def refuse_change(*tables: str) -> None:
    """Makes the database itself refuse UPDATE, DELETE and TRUNCATE on these tables, also under replication roles."""
    op.execute("""
        CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% only grows', TG_TABLE_NAME; END $$
    """)
    for table in tables:
        op.execute(f"""
            CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """)
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_only_grows")
