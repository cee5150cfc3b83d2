"""Which sessions were opened with a second factor, and what clearing away what is old takes."""

from alembic import context, op

from shared.eventstore.ddl import let_commands_go

revision = "identity_0007"
down_revision = "identity_0006"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    # Sessions from before show their second factor by stepping up.
    op.execute("ALTER TABLE session_tokens ADD COLUMN second_factor boolean NOT NULL DEFAULT false")
    let_commands_go(role)
    op.execute("CREATE INDEX session_tokens_expiry ON session_tokens (expires_at)")
    op.execute("CREATE INDEX sessions_age ON sessions (opened_at)")
    op.execute("CREATE INDEX mails_settled ON mails (settled_at) WHERE settled_at IS NOT NULL")
