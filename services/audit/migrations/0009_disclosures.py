"""Recipients in their versions, and who was disclosed to whom: read from leaves, as the consent register is."""

from alembic import context, op

from shared.eventstore.ddl import refuse_change

revision = "audit_0009"
down_revision = "audit_0008"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    op.execute("""
        CREATE TABLE recipient_versions (
            recipient_id uuid NOT NULL,
            recipient_version integer NOT NULL CHECK (recipient_version > 0),
            kind text NOT NULL,
            legal_name text NOT NULL,
            role text NOT NULL,
            country text NOT NULL,
            transfer_mechanism text NOT NULL,
            document_reference text NOT NULL,
            carries text[] NOT NULL,
            valid_from timestamptz NOT NULL,
            valid_until timestamptz,
            recorded_at timestamptz NOT NULL,
            leaf_index bigint NOT NULL UNIQUE REFERENCES leaves,
            PRIMARY KEY (recipient_id, recipient_version)
        )
    """)
    op.execute("""
        CREATE TABLE recipient_endings (
            recipient_id uuid PRIMARY KEY,
            ended_at timestamptz NOT NULL,
            leaf_index bigint NOT NULL UNIQUE REFERENCES leaves
        )
    """)
    # What users of a client organisation see has no version, no country and no mechanism: that organisation is not in
    # the register of recipients.
    op.execute("""
        CREATE TABLE disclosures (
            leaf_index bigint PRIMARY KEY REFERENCES leaves,
            subject uuid NOT NULL,
            recipient_id uuid NOT NULL,
            recipient_version integer,
            recipient_kind text NOT NULL,
            country text,
            transfer_mechanism text,
            categories text[] NOT NULL,
            purpose text NOT NULL,
            legal_basis text NOT NULL,
            consent_record_id uuid,
            document_reference text,
            designated_by uuid,
            disclosed_at timestamptz NOT NULL,
            withheld_until timestamptz,
            withholding_reference text,
            recorded_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX disclosures_subject ON disclosures (subject, disclosed_at, leaf_index)")
    op.execute("CREATE INDEX disclosures_both ON disclosures (subject, recipient_id, disclosed_at, leaf_index)")
    op.execute("CREATE INDEX disclosures_recipient ON disclosures (recipient_id, disclosed_at, leaf_index)")
    op.execute("CREATE INDEX disclosures_time ON disclosures (disclosed_at, leaf_index)")
    op.execute("""
        CREATE TABLE disclosure_days (
            day date NOT NULL,
            recipient_kind text NOT NULL,
            country text,
            transfer_mechanism text,
            disclosures bigint NOT NULL,
            UNIQUE NULLS NOT DISTINCT (day, recipient_kind, country, transfer_mechanism)
        )
    """)
    refuse_change("recipient_versions", "recipient_endings", "disclosures")
    op.execute(f"GRANT SELECT, INSERT ON recipient_versions, recipient_endings, disclosures TO {role}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON disclosure_days TO {role}")
