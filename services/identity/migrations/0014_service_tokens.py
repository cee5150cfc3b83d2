"""Tokens by which programs of internal teams follow feeds."""

from alembic import context, op

revision = "identity_0014"
down_revision = "identity_0013"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    op.execute("""
        CREATE TABLE service_tokens (
            token_id uuid PRIMARY KEY,
            team text NOT NULL,
            feeds text[] NOT NULL,
            issued_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE service_token_hashes (
            token_hash bytea PRIMARY KEY,
            token_id uuid NOT NULL UNIQUE,
            last_used_at timestamptz
        )
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON service_tokens, service_token_hashes TO {role}")
