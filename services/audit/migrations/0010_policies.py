"""Who acknowledged which version of a policy, and who was told of one."""

from alembic import context, op

from shared.eventstore.ddl import refuse_change

revision = "audit_0010"
down_revision = "audit_0009"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    op.execute("""
        CREATE TABLE policy_acknowledgements (
            subject uuid NOT NULL,
            policy text NOT NULL,
            policy_version text NOT NULL,
            how text NOT NULL,
            acknowledged_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            leaf_index bigint PRIMARY KEY REFERENCES leaves
        )
    """)
    op.execute("CREATE INDEX policy_acknowledgements_subject ON policy_acknowledgements (subject, policy)")
    op.execute("""
        CREATE TABLE policy_notices (
            subject uuid NOT NULL,
            about uuid NOT NULL,
            told_at timestamptz NOT NULL,
            leaf_index bigint PRIMARY KEY REFERENCES leaves
        )
    """)
    op.execute("CREATE INDEX policy_notices_subject ON policy_notices (subject, about)")
    # Whoever had registered by now acknowledged the privacy policy by that.
    op.execute("""
        INSERT INTO policy_acknowledgements
            (subject, policy, policy_version, how, acknowledged_at, recorded_at, leaf_index)
        SELECT (leaf -> 'subjects' ->> 0)::uuid, 'privacy_policy', leaf -> 'data' ->> 'policy_version', 'registration',
               (leaf -> 'data' ->> 'registered_at')::timestamptz, (leaf ->> 'received_at')::timestamptz, leaf_index
        FROM (
            SELECT leaf_index, convert_from(leaf, 'UTF8')::jsonb AS leaf FROM leaves
            WHERE type = 'okacrm.identity.account_registered'
        ) AS registrations
    """)
    refuse_change("policy_acknowledgements", "policy_notices")
    op.execute(f"GRANT SELECT, INSERT ON policy_acknowledgements, policy_notices TO {role}")
