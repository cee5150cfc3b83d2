"""Organisations with their members, their invitations, and who deals with whom."""

from alembic import context, op

revision = "identity_0010"
down_revision = "identity_0009"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    # Of what stands, only; an organisation that was closed has no rows. Name and address are sealed values.
    op.execute("""
        CREATE TABLE organisations (
            organisation_id uuid PRIMARY KEY,
            kind text NOT NULL,
            name text NOT NULL,
            founded_at timestamptz NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE memberships (
            organisation_id uuid NOT NULL,
            account_id uuid NOT NULL,
            role text NOT NULL,
            joined_at timestamptz NOT NULL,
            PRIMARY KEY (organisation_id, account_id)
        )
    """)
    op.execute("CREATE INDEX memberships_account ON memberships (account_id)")
    op.execute("""
        CREATE TABLE clients (
            workspace_id uuid NOT NULL,
            client_organisation_id uuid NOT NULL,
            since timestamptz NOT NULL,
            PRIMARY KEY (workspace_id, client_organisation_id)
        )
    """)
    op.execute("CREATE INDEX clients_organisation ON clients (client_organisation_id, workspace_id)")
    op.execute("""
        CREATE TABLE invitations (
            invitation_id uuid PRIMARY KEY,
            organisation_id uuid NOT NULL,
            purpose text NOT NULL,
            role text,
            email text NOT NULL,
            invited_by uuid NOT NULL,
            made_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX invitations_organisation ON invitations (organisation_id, invitation_id)")
    # `recipient` is a blind index. Without a token hash the invitation was accepted or has ended.
    op.execute("""
        CREATE TABLE invitees (
            invitee_id uuid PRIMARY KEY,
            invitation_id uuid NOT NULL UNIQUE,
            organisation_id uuid NOT NULL,
            recipient bytea NOT NULL,
            token_hash bytea UNIQUE,
            expires_at timestamptz NOT NULL,
            invited_by uuid NOT NULL,
            account_id uuid
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX invitees_open ON invitees (organisation_id, recipient) WHERE token_hash IS NOT NULL
    """)
    op.execute("CREATE INDEX invitees_recipient ON invitees (recipient)")
    op.execute("CREATE INDEX invitees_inviter ON invitees (invited_by, expires_at)")
    op.execute("CREATE INDEX invitees_account ON invitees (account_id)")
    op.execute(f"""
        GRANT SELECT, INSERT, UPDATE, DELETE ON organisations, memberships, clients, invitations, invitees TO {role}
    """)
