"""Inquiries with their threads, the links by which visitors open theirs, and internal notes apart from all of it."""

from alembic import context, op

revision = "identity_0008"
down_revision = "identity_0007"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    # Personal columns hold sealed values.
    op.execute("""
        CREATE TABLE inquiries (
            inquiry_id uuid PRIMARY KEY,
            person_id uuid NOT NULL,
            has_account boolean NOT NULL,
            kind text NOT NULL,
            state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'pending', 'closed')),
            child_reported boolean NOT NULL DEFAULT false,
            child uuid,
            assigned_to uuid,
            request_type text,
            email text,
            name text,
            troubleshooting text,
            messages integer NOT NULL DEFAULT 0,
            unanswered integer NOT NULL DEFAULT 0,
            opened_at timestamptz NOT NULL,
            last_message_at timestamptz NOT NULL,
            closed_at timestamptz,
            erased boolean NOT NULL DEFAULT false,
            urgent boolean NOT NULL GENERATED ALWAYS AS (child_reported AND state <> 'closed') STORED
        )
    """)
    op.execute("CREATE INDEX inquiries_person ON inquiries (person_id, inquiry_id)")
    op.execute("CREATE INDEX inquiries_urgent ON inquiries (urgent, inquiry_id)")
    op.execute("CREATE INDEX inquiries_state ON inquiries (state, urgent, inquiry_id)")
    op.execute("CREATE INDEX inquiries_assigned ON inquiries (assigned_to, urgent, inquiry_id)")
    op.execute("""
        CREATE TABLE inquiry_messages (
            message_id uuid PRIMARY KEY,
            inquiry_id uuid NOT NULL,
            answered_by uuid,
            text text NOT NULL,
            written_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX inquiry_messages_thread ON inquiry_messages (inquiry_id, message_id)")
    op.execute("""
        CREATE TABLE inquiry_links (
            inquiry_id uuid PRIMARY KEY,
            token_hash bytea NOT NULL UNIQUE,
            expires_at timestamptz NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE internal_notes (
            note_id uuid PRIMARY KEY,
            inquiry_id uuid NOT NULL,
            written_by uuid NOT NULL,
            text text NOT NULL,
            added_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX internal_notes_inquiry ON internal_notes (inquiry_id, note_id)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON inquiries TO {role}")
    op.execute(f"GRANT SELECT, INSERT ON inquiry_messages, internal_notes TO {role}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON inquiry_links TO {role}")
