"""How choices about cookies stand, of visitors and of people with accounts."""

from alembic import context, op

revision = "identity_0006"
down_revision = "identity_0005"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    # Of a visitor everything expires, and is cleared away then; only an objection of a person with an account does not.
    op.execute("""
        CREATE TABLE cookie_choices (
            subject_id uuid NOT NULL,
            purpose text NOT NULL,
            state text NOT NULL,
            wording_version text,
            effective_at timestamptz NOT NULL,
            expires_at timestamptz,
            PRIMARY KEY (subject_id, purpose)
        )
    """)
    op.execute("CREATE INDEX cookie_choices_expiry ON cookie_choices (expires_at)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON cookie_choices TO {role}")
