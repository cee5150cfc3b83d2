"""How far an export has come, and how often making it failed, are kept apart from what its events tell, which alone can
be told again.
"""

from alembic import context, op

revision = "audit_0014"
down_revision = "audit_0013"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    op.execute("""
        CREATE TABLE export_progress (
            export_id uuid PRIMARY KEY,
            next_index bigint NOT NULL DEFAULT 0,
            parts integer NOT NULL DEFAULT 0,
            records bigint NOT NULL DEFAULT 0,
            length bigint NOT NULL DEFAULT 0,
            failures integer NOT NULL DEFAULT 0,
            last_error text,
            try_at timestamptz NOT NULL DEFAULT '-infinity',
            parked_at timestamptz,
            ended_at timestamptz
        )
    """)
    op.execute("""
        INSERT INTO export_progress
        SELECT export_id, next_index, parts, records, length, failures, last_error, try_at, parked_at, ended_at
        FROM exports
    """)
    op.execute("""
        ALTER TABLE export_parts
            DROP CONSTRAINT export_parts_export_id_fkey,
            ADD FOREIGN KEY (export_id) REFERENCES export_progress ON DELETE CASCADE
    """)
    # Of an export that is not complete nothing is known to `exports` of what it comes to.
    op.execute("""
        ALTER TABLE exports
            DROP COLUMN next_index, DROP COLUMN parts,
            DROP COLUMN failures, DROP COLUMN last_error, DROP COLUMN try_at, DROP COLUMN parked_at,
            ALTER COLUMN records DROP NOT NULL, ALTER COLUMN records DROP DEFAULT,
            ALTER COLUMN length DROP NOT NULL, ALTER COLUMN length DROP DEFAULT
    """)
    op.execute("UPDATE exports SET records = NULL, length = NULL WHERE sha256 IS NULL")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON export_progress TO {role}")
