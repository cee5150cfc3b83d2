"""Exports: how far each has come, and of which leaves its parts are made."""

from alembic import context, op

from shared.eventstore.ddl import let_commands_go

revision = "audit_0006"
down_revision = "audit_0005"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    # The first columns are those of the request, and the others how far the export has come. `record_id` is the event
    # of the request, whose leaf a bundle holds.
    op.execute("""
        CREATE TABLE exports (
            export_id uuid PRIMARY KEY,
            record_id uuid NOT NULL,
            requested_by text NOT NULL,
            requested_at timestamptz NOT NULL,
            form text NOT NULL,
            query text NOT NULL,
            size bigint NOT NULL,
            workspaces jsonb NOT NULL,
            publishers jsonb NOT NULL,
            next_index bigint NOT NULL DEFAULT 0,
            parts integer NOT NULL DEFAULT 0,
            records bigint NOT NULL DEFAULT 0,
            length bigint NOT NULL DEFAULT 0,
            sha256 text,
            failure text,
            ended_at timestamptz
        )
    """)
    op.execute("CREATE INDEX exports_requested_by ON exports (requested_by, export_id)")
    op.execute("CREATE INDEX exports_open ON exports (export_id) WHERE ended_at IS NULL")
    # A part is made of leaves, and made of them again whenever it is read; of a bundle it is kept as it is.
    op.execute("""
        CREATE TABLE export_parts (
            export_id uuid NOT NULL REFERENCES exports ON DELETE CASCADE,
            number integer NOT NULL CHECK (number >= 1),
            leaf_indexes bigint[],
            content bytea,
            sha256 text NOT NULL,
            PRIMARY KEY (export_id, number),
            CHECK (num_nulls(leaf_indexes, content) = 1)
        )
    """)
    # A bundle is compressed already.
    op.execute("ALTER TABLE export_parts ALTER COLUMN content SET STORAGE EXTERNAL")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON exports TO {role}")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON export_parts TO {role}")
    let_commands_go(role)
