"""Identity's event store, read models and credentials."""

from alembic import context, op

from shared.eventstore.ddl import create_event_store

revision = "identity_0001"
down_revision = None


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    create_event_store(role)
    # Personal columns hold sealed values; there is no constraint on them and nothing to search.
    op.execute("""
        CREATE TABLE accounts (
            account_id uuid PRIMARY KEY,
            guards text[] NOT NULL,
            email text NOT NULL,
            name text NOT NULL,
            time_zone text NOT NULL,
            country text NOT NULL,
            registered_at timestamptz NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE consents (
            account_id uuid NOT NULL,
            purpose text NOT NULL,
            state text NOT NULL,
            effective_at timestamptz NOT NULL,
            PRIMARY KEY (account_id, purpose)
        )
    """)
    op.execute("CREATE TABLE email_index (email_index bytea PRIMARY KEY, account_id uuid NOT NULL UNIQUE)")
    op.execute("CREATE TABLE passwords (account_id uuid PRIMARY KEY, password_hash text NOT NULL)")
    op.execute("""
        CREATE TABLE session_tokens (
            token_hash bytea PRIMARY KEY,
            session_id uuid NOT NULL UNIQUE,
            account_id uuid NOT NULL,
            guard text NOT NULL,
            expires_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX session_tokens_account ON session_tokens (account_id)")
    op.execute(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON accounts, consents, email_index, passwords, session_tokens TO {role}"
    )
