"""How far what is stored was compared with the log in the background, and what was found."""

from alembic import context, op

revision = "audit_0012"
down_revision = "audit_0011"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    # `position` is how far the round has come that is under way; `entries` how many there were when last counted.
    op.execute("""
        CREATE TABLE comparisons (
            store text PRIMARY KEY,
            position bigint NOT NULL DEFAULT 0,
            entries bigint NOT NULL DEFAULT 0,
            ended_at timestamptz
        )
    """)
    # A finding stays until its place has been compared again and holds.
    op.execute("""
        CREATE TABLE comparison_findings (
            store text NOT NULL REFERENCES comparisons,
            position bigint NOT NULL,
            what text NOT NULL,
            place text NOT NULL,
            expected text NOT NULL,
            found text NOT NULL,
            found_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX comparison_findings_position ON comparison_findings (store, position)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON comparisons TO {role}")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON comparison_findings TO {role}")
