"""Consents that end by themselves: the record of each says when."""

from alembic import op

revision = "audit_0003"
down_revision = "audit_0002"


def upgrade() -> None:
    op.execute("ALTER TABLE consents ADD COLUMN expires_at timestamptz")
