"""Requests for guards of the house that wait for a second person."""

from alembic import context, op

revision = "identity_0017"
down_revision = "identity_0016"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    op.execute("""
        CREATE TABLE guard_requests (
            request_id uuid PRIMARY KEY,
            account_id uuid NOT NULL,
            guard text NOT NULL,
            requested_by uuid,
            requested_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        )
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON guard_requests TO {role}")
