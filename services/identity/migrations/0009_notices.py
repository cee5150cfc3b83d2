"""Notices: who does not want which, restrictions, what is on its way to everybody, and what was sent to whom."""

from alembic import context, op

revision = "identity_0009"
down_revision = "identity_0008"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    op.execute("ALTER TABLE accounts ADD COLUMN restricted_at timestamptz")
    op.execute("""
        CREATE TABLE notice_refusals (
            account_id uuid NOT NULL,
            kind text NOT NULL,
            channel text NOT NULL,
            PRIMARY KEY (account_id, kind, channel)
        )
    """)
    op.execute("""
        CREATE TABLE notice_objections (
            account_id uuid NOT NULL,
            kind text NOT NULL,
            raised_at timestamptz NOT NULL,
            PRIMARY KEY (account_id, kind)
        )
    """)
    # `subject_line` is a sealed value. Rows are in the order of their events' ids, by which the log is paged.
    op.execute("""
        CREATE TABLE notices (
            event_id uuid PRIMARY KEY,
            notice_id uuid NOT NULL,
            account_id uuid NOT NULL,
            kind text NOT NULL,
            channel text NOT NULL,
            subject_line text NOT NULL,
            state text NOT NULL,
            settled_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX notices_account ON notices (account_id, event_id)")
    op.execute("""
        CREATE TABLE announcement_wordings (
            announcement_id uuid NOT NULL,
            language text NOT NULL,
            subject_line text NOT NULL,
            text text NOT NULL,
            PRIMARY KEY (announcement_id, language)
        )
    """)
    op.execute("ALTER TABLE mails ADD COLUMN kind text NOT NULL DEFAULT 'service'")
    # Events of other publishers that mails are about, as they came: with their personal values sealed.
    op.execute("CREATE TABLE foreign_events (event_id uuid PRIMARY KEY, body bytea NOT NULL)")
    # What everybody is told, and up to which account mails about it are left to be sent.
    op.execute("""
        CREATE TABLE distributions (
            event_id uuid PRIMARY KEY,
            template text NOT NULL,
            kind text NOT NULL,
            occurred_at timestamptz NOT NULL,
            reached uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
            finished_at timestamptz
        )
    """)
    op.execute("CREATE INDEX distributions_open ON distributions (event_id) WHERE finished_at IS NULL")
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON notice_refusals, notice_objections, notices, announcement_wordings, "
        f"foreign_events, distributions TO {role}"
    )
