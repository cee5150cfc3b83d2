"""What identity needs to send mail: the cursor of the reaction, what it parked, and the mails themselves."""

from alembic import context, op

from shared.bus.ddl import create_cursors, create_parking

revision = "identity_0005"
down_revision = "identity_0004"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    create_cursors(role)
    create_parking(role)
    # The reaction begins here, and not whenever its courier first asks: who registers before that gets mail, too.
    op.execute("""
        INSERT INTO cursors (subscription, publisher, epoch, position, event_id, head)
        SELECT 'mail', 'identity', h.epoch, position, event_id, position
        FROM feed_head h LEFT JOIN feed USING (position)
    """)
    # `recipient` is a blind index and `address` a sealed value, which goes when nothing is to be sent any more.
    op.execute("""
        CREATE TABLE mails (
            event_id uuid NOT NULL,
            template text NOT NULL,
            recipient bytea NOT NULL,
            account_id uuid NOT NULL,
            address text,
            state text NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'sent', 'refused', 'withheld', 'given_up')),
            reason text,
            attempts integer NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL DEFAULT now(),
            due_at timestamptz NOT NULL DEFAULT now(),
            settled_at timestamptz,
            PRIMARY KEY (event_id, template, recipient),
            CHECK ((state = 'waiting') = (address IS NOT NULL))
        )
    """)
    op.execute("CREATE INDEX mails_waiting ON mails (due_at) WHERE state = 'waiting'")
    op.execute("CREATE INDEX mails_account ON mails (account_id)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON mails TO {role}")
