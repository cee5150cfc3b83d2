"""The register of consents has every aspect and which words were answered; what rests on consents; corrections."""

from alembic import context, op

from shared.eventstore.ddl import refuse_change

revision = "audit_0008"
down_revision = "audit_0007"

_DATA = "convert_from(leaf, 'UTF8')::jsonb -> 'data'"


def upgrade() -> None:
    op.execute("ALTER TABLE consents DISABLE TRIGGER consents_only_grows")
    op.execute("""
        ALTER TABLE consents
            ADD COLUMN aspect text NOT NULL DEFAULT 'consent',
            ADD COLUMN channel text,
            ADD COLUMN wording_version text,
            ADD COLUMN legal_basis text
    """)
    op.execute("ALTER TABLE consents ALTER COLUMN aspect DROP DEFAULT")
    # Before consents were recorded with their wording there was one wording.
    op.execute(f"""
        UPDATE consents c SET legal_basis = 'consent', wording_version = coalesce(
            {_DATA} ->> 'wording_version',
            CASE WHEN type = 'okacrm.identity.consent_granted' THEN '2026-11-01' END
        )
        FROM leaves l WHERE l.leaf_index = c.leaf_index
    """)  # noqa: S608 - words from the lines above
    op.execute(f"""
        INSERT INTO consents (leaf_index, subject, purpose, aspect, channel, state, effective_at, recorded_at)
        SELECT leaf_index, CAST(data ->> 'account_id' AS uuid),
            CASE data ->> 'kind'
                WHEN 'service' THEN 'service_notices' WHEN 'product' THEN 'product_news'
                WHEN 'policy_update' THEN 'policy_updates' WHEN 'legal' THEN 'legal_notices' ELSE 'every_purpose'
            END,
            aspect, data ->> 'channel', CASE data ->> 'wanted' WHEN 'false' THEN 'not_wanted' ELSE state END,
            CAST(data ->> moment AS timestamptz), received_at
        FROM (
            SELECT leaf_index, type, {_DATA} AS data,
                CAST(convert_from(leaf, 'UTF8')::jsonb ->> 'received_at' AS timestamptz) AS received_at
            FROM leaves
        ) AS told
        JOIN (VALUES
            ('okacrm.identity.notice_objection_raised', 'objection', 'objected', 'raised_at'),
            ('okacrm.identity.notice_objection_withdrawn', 'objection', 'objection_withdrawn', 'withdrawn_at'),
            ('okacrm.identity.notice_preference_changed', 'preference', 'wanted', 'changed_at'),
            ('okacrm.identity.account_restricted', 'restriction', 'restricted', 'restricted_at'),
            ('okacrm.identity.account_unrestricted', 'restriction', 'unrestricted', 'unrestricted_at')
        ) AS source (type, aspect, state, moment) USING (type)
    """)  # noqa: S608 - words from the lines above
    op.execute("ALTER TABLE consents ENABLE ALWAYS TRIGGER consents_only_grows")
    op.execute("DROP INDEX consents_subject")
    op.execute("CREATE INDEX consents_standing ON consents (subject, purpose, aspect, effective_at, leaf_index)")
    op.execute("CREATE INDEX consents_timeline ON consents (subject, effective_at, leaf_index)")
    op.execute("""
        CREATE TABLE reliances (
            leaf_index bigint PRIMARY KEY REFERENCES leaves,
            subject uuid NOT NULL,
            purpose text NOT NULL,
            channel text NOT NULL,
            occurred_at timestamptz NOT NULL,
            relied_on uuid
        )
    """)
    op.execute(f"""
        INSERT INTO reliances (leaf_index, subject, purpose, channel, occurred_at)
        SELECT leaf_index, CAST(data ->> 'account_id' AS uuid), 'product_news', data ->> 'channel',
            CAST(data ->> 'sent_at' AS timestamptz)
        FROM (
            SELECT leaf_index, {_DATA} AS data FROM leaves WHERE type = 'okacrm.identity.notice_sent'
        ) AS sent
        WHERE data ->> 'kind' = 'product'
    """)  # noqa: S608 - words from the lines above
    op.execute("CREATE INDEX reliances_occurred_at ON reliances (occurred_at, leaf_index)")
    op.execute("""
        CREATE TABLE corrections (
            leaf_index bigint PRIMARY KEY REFERENCES leaves,
            record_id uuid NOT NULL,
            correction_id uuid NOT NULL,
            reason text NOT NULL,
            replaced_by uuid,
            recorded_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX corrections_record ON corrections (record_id, leaf_index)")
    refuse_change("reliances", "corrections")
    op.execute(f"GRANT SELECT, INSERT ON reliances, corrections TO {context.config.attributes['roles']['service']}")
