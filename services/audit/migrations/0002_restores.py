"""What audit needs across restores: completeness by epoch, and which sealed values wait to be fetched again."""

from alembic import context, op

revision = "audit_0002"
down_revision = "audit_0001"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    op.execute("DROP TABLE audited")
    # All of it follows from the leaves: `follows` and `repeated` are what the publisher said of an epoch it began.
    op.execute("""
        CREATE TABLE audited (
            publisher text NOT NULL,
            epoch integer NOT NULL,
            follows bigint NOT NULL,
            last_position bigint NOT NULL,
            positions bigint NOT NULL,
            repeated bigint NOT NULL DEFAULT 0,
            PRIMARY KEY (publisher, epoch)
        )
    """)
    op.execute("""
        INSERT INTO audited (publisher, epoch, follows, last_position, positions)
        SELECT publisher, epoch, min(position) - 1, max(position), count(*) FROM leaves GROUP BY publisher, epoch
    """)
    # Sealed values of leaves that were replayed from the archive, which has only their hashes. `reason` says why a
    # value cannot be had; without one it is still to be asked for.
    op.execute("""
        CREATE TABLE missing_values (
            leaf_index bigint NOT NULL REFERENCES leaves,
            field text NOT NULL,
            subject uuid NOT NULL,
            category text NOT NULL,
            reason text,
            PRIMARY KEY (leaf_index, field)
        )
    """)
    op.execute("CREATE INDEX missing_values_subject ON missing_values (subject)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON audited TO {role}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON missing_values TO {role}")
