"""The audit log, what is read beside it, and the consent register."""

from alembic import context, op

from shared.bus.ddl import create_cursors
from shared.eventstore.ddl import refuse_change

revision = "audit_0001"
down_revision = None


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    # The leaf is the truth; every other column repeats a part of it for the sake of an index.
    op.execute("""
        CREATE TABLE leaves (
            leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0),
            leaf bytea NOT NULL,
            leaf_hash bytea NOT NULL,
            event_id uuid NOT NULL UNIQUE,
            publisher text NOT NULL,
            epoch integer NOT NULL,
            position bigint NOT NULL,
            type text NOT NULL,
            actor text NOT NULL,
            occurred_at timestamptz NOT NULL,
            UNIQUE (publisher, position, epoch)
        )
    """)
    op.execute("CREATE INDEX leaves_type ON leaves (type, leaf_index)")
    op.execute("CREATE INDEX leaves_actor ON leaves (actor, leaf_index)")
    op.execute("CREATE INDEX leaves_occurred_at ON leaves (occurred_at)")
    op.execute("""
        CREATE TABLE leaf_subjects (
            subject uuid NOT NULL,
            leaf_index bigint NOT NULL REFERENCES leaves,
            PRIMARY KEY (subject, leaf_index)
        )
    """)
    op.execute("""
        CREATE TABLE tiles (
            level integer NOT NULL,
            index bigint NOT NULL,
            hashes bytea NOT NULL CHECK (length(hashes) = 8192),
            root bytea NOT NULL,
            PRIMARY KEY (level, index)
        )
    """)
    op.execute("CREATE TABLE checkpoints (size bigint PRIMARY KEY, note text NOT NULL, signed_at timestamptz NOT NULL)")
    op.execute("""
        CREATE TABLE consents (
            subject uuid NOT NULL,
            purpose text NOT NULL,
            state text NOT NULL,
            effective_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            leaf_index bigint PRIMARY KEY REFERENCES leaves
        )
    """)
    op.execute("CREATE INDEX consents_subject ON consents (subject, purpose, effective_at, leaf_index)")
    refuse_change("leaves", "leaf_subjects", "tiles", "checkpoints", "consents")
    # Sealed values can be deleted, the size of the tree and the counters move: they are not of the log.
    op.execute("""
        CREATE TABLE sealed_values (
            leaf_index bigint NOT NULL REFERENCES leaves,
            field text NOT NULL,
            subject uuid NOT NULL,
            category text NOT NULL,
            key_id uuid NOT NULL,
            ciphertext bytea NOT NULL,
            PRIMARY KEY (leaf_index, field)
        )
    """)
    op.execute("CREATE INDEX sealed_values_subject ON sealed_values (subject)")
    op.execute("CREATE TABLE log_head (one boolean PRIMARY KEY DEFAULT true CHECK (one), size bigint NOT NULL)")
    op.execute("INSERT INTO log_head (size) VALUES (0)")
    op.execute("CREATE TABLE workspace_counters (workspace uuid PRIMARY KEY, events bigint NOT NULL)")
    op.execute("""
        CREATE TABLE audited (
            publisher text PRIMARY KEY,
            first_position bigint NOT NULL,
            last_position bigint NOT NULL,
            positions bigint NOT NULL
        )
    """)
    create_cursors(role)
    op.execute(f"GRANT SELECT, INSERT ON leaves, leaf_subjects, tiles, checkpoints, consents TO {role}")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON sealed_values TO {role}")
    op.execute(f"GRANT SELECT, UPDATE ON log_head TO {role}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON workspace_counters, audited TO {role}")
