"""What was kept of people whose keys were destroyed goes: invited ones, and those who had written in.

Loops of the courier say how they stand, and an export how often making it failed.
"""

from alembic import context, op

from shared.bus.ddl import create_loops

revision = "audit_0013"
down_revision = "audit_0012"


def forget(table: str) -> str:
    """Delete what the newer kinds of erasure did not take while only those of accounts were known."""
    return f"""
        DELETE FROM {table} AS kept USING (
            SELECT leaf_index, leaf -> 'data' ->> 'category' AS category,
                   coalesce(leaf -> 'data' ->> 'invitee_id', leaf -> 'data' ->> 'person_id')::uuid AS subject
            FROM (
                SELECT leaf_index, convert_from(leaf, 'UTF8')::jsonb AS leaf FROM leaves
                WHERE type IN ('okacrm.identity.invitation_invitee_erased', 'okacrm.identity.inquiry_person_erased')
            ) AS told
        ) AS erased
        WHERE kept.subject = erased.subject AND kept.leaf_index < erased.leaf_index
            AND CASE WHEN erased.category IS NULL THEN kept.category <> 'financial'
                     ELSE kept.category = erased.category END
    """  # noqa: S608 - named below


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    for table in ("sealed_values", "missing_values"):
        op.execute(forget(table))
    op.execute("""
        ALTER TABLE exports
            ADD COLUMN failures integer NOT NULL DEFAULT 0,
            ADD COLUMN last_error text,
            ADD COLUMN try_at timestamptz NOT NULL DEFAULT '-infinity',
            ADD COLUMN parked_at timestamptz
    """)
    create_loops(role)
