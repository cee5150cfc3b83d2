"""Versions of policies, as audit publishes them, and who acknowledged which."""

from alembic import context, op

revision = "identity_0013"
down_revision = "identity_0012"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    op.execute("""
        CREATE TABLE policy_versions (
            policy text NOT NULL,
            policy_version text NOT NULL,
            effective_at timestamptz NOT NULL,
            PRIMARY KEY (policy, policy_version)
        )
    """)
    # The version with which the product began: nobody published it.
    op.execute("INSERT INTO policy_versions VALUES ('privacy_policy', '2026-11-01', '2026-11-01T00:00:00Z')")
    op.execute("""
        CREATE TABLE policy_acknowledgements (
            account_id uuid NOT NULL,
            policy text NOT NULL,
            policy_version text NOT NULL,
            how text NOT NULL,
            acknowledged_at timestamptz NOT NULL,
            PRIMARY KEY (account_id, policy, policy_version)
        )
    """)
    op.execute("""
        INSERT INTO policy_acknowledgements
        SELECT (body -> 'data' ->> 'account_id')::uuid, 'privacy_policy', body -> 'data' ->> 'policy_version',
               'registration', (body -> 'data' ->> 'registered_at')::timestamptz
        FROM (
            SELECT convert_from(body, 'UTF8')::jsonb AS body FROM events
            WHERE type = 'okacrm.identity.account_registered'
        ) AS registrations
        WHERE EXISTS (SELECT FROM accounts WHERE account_id = (body -> 'data' ->> 'account_id')::uuid)
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON policy_versions, policy_acknowledgements TO {role}")
