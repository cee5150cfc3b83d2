"""The event that states what a bundle will hold, whose leaf the bundle holds as well."""

from alembic import op

revision = "audit_0011"
down_revision = "audit_0010"


def upgrade() -> None:
    op.execute("ALTER TABLE exports ADD COLUMN prepared_id uuid")
