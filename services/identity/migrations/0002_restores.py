"""What identity needs to be restored: epochs of its feed, and a list of whose data was erased."""

from alembic import context, op

from shared.eventstore.ddl import create_feed_epochs

revision = "identity_0002"
down_revision = "identity_0001"


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    create_feed_epochs(roles["service"])
    op.execute("""
        CREATE TABLE erasures (
            subject uuid NOT NULL,
            category text,
            erased_at timestamptz NOT NULL,
            UNIQUE NULLS NOT DISTINCT (subject, category)
        )
    """)
    op.execute("""
        INSERT INTO erasures
        SELECT (data->>'account_id')::uuid, data->>'category', max((data->>'erased_at')::timestamptz)
        FROM (
            SELECT convert_from(body, 'UTF8')::jsonb->'data' AS data FROM events
            WHERE type IN ('okacrm.identity.account_erased', 'okacrm.identity.account_data_erased')
        ) AS erased
        GROUP BY 1, 2
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON erasures TO {roles['service']}")
    # Whoever destroys keys can read what has to be destroyed again, and nothing else of identity.
    op.execute(f"GRANT SELECT ON erasures TO {roles['custodian']}")
