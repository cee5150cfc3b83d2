"""What accounts have beyond their registration: usernames, pictures, links that were sent, second factors, step-ups."""

from alembic import context, op

revision = "identity_0003"
down_revision = "identity_0002"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    # Username, locale and image hold sealed values.
    op.execute("""
        ALTER TABLE accounts
            ADD COLUMN username text,
            ADD COLUMN locale text,
            ADD COLUMN image text,
            ADD COLUMN verified_at timestamptz,
            ADD COLUMN second_factor boolean NOT NULL DEFAULT false,
            ADD COLUMN deactivated_at timestamptz
    """)
    op.execute("CREATE TABLE username_index (username_index bytea PRIMARY KEY, account_id uuid NOT NULL UNIQUE)")
    # Tells another password from the same one hashed anew.
    op.execute("ALTER TABLE passwords ADD COLUMN revision integer NOT NULL DEFAULT 1")
    op.execute("ALTER TABLE session_tokens ADD COLUMN stepped_up_until timestamptz")
    op.execute("""
        CREATE TABLE link_tokens (
            token_hash bytea PRIMARY KEY,
            purpose text NOT NULL,
            account_id uuid NOT NULL,
            request_id uuid NOT NULL,
            expires_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX link_tokens_account ON link_tokens (account_id)")
    op.execute("CREATE INDEX link_tokens_expiry ON link_tokens (expires_at)")
    # The secret is a sealed value. A code counts only for a later step of time than the last one that was used.
    op.execute("""
        CREATE TABLE authenticators (
            account_id uuid PRIMARY KEY,
            enrolment_id uuid NOT NULL,
            secret text NOT NULL,
            confirmed boolean NOT NULL DEFAULT false,
            last_step bigint NOT NULL DEFAULT 0
        )
    """)
    op.execute("""
        CREATE TABLE recovery_codes (
            account_id uuid NOT NULL,
            code_hash bytea NOT NULL,
            PRIMARY KEY (account_id, code_hash)
        )
    """)
    op.execute(f"""
        GRANT SELECT, INSERT, UPDATE, DELETE ON username_index, link_tokens, authenticators, recovery_codes TO {role}
    """)
