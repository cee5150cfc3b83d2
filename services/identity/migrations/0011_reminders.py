"""Of which API tokens their people were reminded."""

from alembic import op

revision = "identity_0011"
down_revision = "identity_0010"


def upgrade() -> None:
    op.execute("ALTER TABLE api_tokens ADD COLUMN reminded boolean NOT NULL DEFAULT false")
    op.execute("CREATE INDEX api_tokens_expiring ON api_tokens (expires_at) WHERE NOT reminded")
