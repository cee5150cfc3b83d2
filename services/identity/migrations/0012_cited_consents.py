"""Which event a consent was last given or taken back by, for those who cite it."""

from alembic import op

revision = "identity_0012"
down_revision = "identity_0011"


def upgrade() -> None:
    op.execute("ALTER TABLE consents ADD COLUMN record_id uuid")
    op.execute("""
        UPDATE consents c SET record_id = (
            SELECT event_id FROM events
            WHERE stream = 'account-' || c.account_id
                AND type IN ('okacrm.identity.consent_granted', 'okacrm.identity.consent_withdrawn')
                AND convert_from(body, 'UTF8')::jsonb -> 'data' ->> 'purpose' = c.purpose
            ORDER BY version DESC LIMIT 1
        )
    """)
