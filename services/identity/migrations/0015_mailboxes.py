"""One form of addresses: which blind indexes were made of the form before, and are to be made anew."""

from alembic import op

revision = "identity_0015"
down_revision = "identity_0014"


def upgrade() -> None:
    for table, key in (("email_index", "account_id"), ("invitees", "invitation_id")):
        # What is there was made of the first form, and what comes is made of the second.
        op.execute(f"ALTER TABLE {table} ADD COLUMN address_form smallint NOT NULL DEFAULT 1")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN address_form SET DEFAULT 2")
        op.execute(f"CREATE INDEX {table}_of_old_form ON {table} ({key}) WHERE address_form = 1")
