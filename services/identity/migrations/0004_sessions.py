"""Sessions with their devices and last use, API tokens, throttles of sign-in, and security signals."""

from alembic import context, op

revision = "identity_0004"
down_revision = "identity_0003"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    # Personal columns hold sealed values.
    op.execute("""
        CREATE TABLE sessions (
            session_id uuid PRIMARY KEY,
            account_id uuid NOT NULL,
            guard text NOT NULL,
            opened_at timestamptz NOT NULL,
            ip_address text,
            device text,
            place text
        )
    """)
    op.execute("CREATE INDEX sessions_account ON sessions (account_id)")
    op.execute("""
        INSERT INTO sessions (session_id, account_id, guard, opened_at)
        SELECT session_id, account_id, guard, expires_at - interval '12 hours' FROM session_tokens
    """)
    op.execute("ALTER TABLE session_tokens ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT now()")
    op.execute("""
        CREATE TABLE known_devices (
            device_index bytea PRIMARY KEY,
            account_id uuid NOT NULL,
            last_seen_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX known_devices_account ON known_devices (account_id)")
    op.execute("""
        CREATE TABLE api_tokens (
            token_id uuid PRIMARY KEY,
            account_id uuid NOT NULL,
            guard text NOT NULL,
            scopes text[] NOT NULL,
            label text NOT NULL,
            issued_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX api_tokens_account ON api_tokens (account_id)")
    op.execute("""
        CREATE TABLE api_token_hashes (
            token_hash bytea PRIMARY KEY,
            token_id uuid NOT NULL UNIQUE,
            account_id uuid NOT NULL
        )
    """)
    op.execute("CREATE INDEX api_token_hashes_account ON api_token_hashes (account_id)")
    # What was worth something once: whoever still presents it is not the person, or does not know that it ended.
    op.execute("""
        CREATE TABLE ended_tokens (
            token_hash bytea PRIMARY KEY,
            account_id uuid NOT NULL,
            ended_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX ended_tokens_account ON ended_tokens (account_id)")
    op.execute("CREATE INDEX ended_tokens_age ON ended_tokens (ended_at)")
    # Keys are hashes under the service's secret. The index of the address is there to forget a person by.
    op.execute("""
        CREATE TABLE throttles (
            throttle_key bytea PRIMARY KEY,
            email_index bytea,
            failures integer NOT NULL,
            last_failed_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX throttles_address ON throttles (email_index)")
    op.execute("CREATE INDEX throttles_age ON throttles (last_failed_at)")
    op.execute("""
        CREATE TABLE failed_addresses (
            network_index bytea NOT NULL,
            email_index bytea NOT NULL,
            failed_at timestamptz NOT NULL,
            PRIMARY KEY (network_index, email_index)
        )
    """)
    op.execute("CREATE INDEX failed_addresses_address ON failed_addresses (email_index)")
    op.execute("CREATE INDEX failed_addresses_age ON failed_addresses (failed_at)")
    op.execute("""
        CREATE TABLE security_signals (
            signal_id uuid PRIMARY KEY,
            kind text NOT NULL,
            detail text,
            account_id uuid,
            network text,
            operation text,
            occurred_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX security_signals_kind ON security_signals (kind, signal_id)")
    op.execute("CREATE INDEX security_signals_account ON security_signals (account_id)")
    op.execute("CREATE INDEX security_signals_age ON security_signals (occurred_at)")
    op.execute(f"""
        GRANT SELECT, INSERT, UPDATE, DELETE
        ON sessions, known_devices, api_tokens, api_token_hashes, ended_tokens, throttles, failed_addresses,
            security_signals
        TO {role}
    """)
