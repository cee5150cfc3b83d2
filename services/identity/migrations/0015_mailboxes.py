"""One form of addresses, to which older blind indexes are to be brought; and links to unsubscribe with one click."""

from alembic import context, op

revision = "identity_0015"
down_revision = "identity_0014"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    for table, key in (("email_index", "account_id"), ("invitees", "invitation_id")):
        # What is there was made of the first form, and what comes is made of the second.
        op.execute(f"ALTER TABLE {table} ADD COLUMN address_form smallint NOT NULL DEFAULT 1")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN address_form SET DEFAULT 2")
        op.execute(f"CREATE INDEX {table}_of_old_form ON {table} ({key}) WHERE address_form = 1")
    op.execute("""
        CREATE TABLE unsubscription_links (
            token_hash bytea PRIMARY KEY,
            account_id uuid NOT NULL,
            kind text NOT NULL,
            UNIQUE (account_id, kind)
        )
    """)
    op.execute(f"GRANT SELECT, INSERT, DELETE ON unsubscription_links TO {role}")
