"""Read models of organisations: what stands, of those that were not closed."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from shared.contracts.identity import (
    InvitationAccepted,
    InvitationEnded,
    InvitationInviteeErased,
    InvitationMade,
    OrganisationClientGained,
    OrganisationClientLost,
    OrganisationClosed,
    OrganisationFounded,
    OrganisationMemberJoined,
    OrganisationMemberLeft,
    OrganisationMemberRoleChanged,
    OrganisationOwnershipTransferred,
    OrganisationRenamed,
)
from shared.contracts.roles import MANAGER, OWNER
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded

organisations = OwnProjection("organisations", "organisations", "memberships", "clients")
invitations = OwnProjection("invitations", "invitations")

_ADD_MEMBER = text("""
    INSERT INTO memberships (organisation_id, account_id, role, joined_at)
    VALUES (:organisation_id, :account_id, :role, :joined_at)
""")


@organisations.on(OrganisationFounded)
def add_organisation(connection: Connection, event: OrganisationFounded, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO organisations (organisation_id, kind, name, founded_at)
            VALUES (:organisation_id, :kind, :name, :founded_at)
        """),
        {
            "organisation_id": event.organisation_id,
            "kind": event.kind,
            "name": recorded.sealed("name"),
            "founded_at": event.founded_at,
        },
    )
    _add_member(connection, event.organisation_id, event.account_id, OWNER, recorded)


@organisations.on(OrganisationRenamed)
def rename_organisation(connection: Connection, event: OrganisationRenamed, recorded: Recorded) -> None:
    connection.execute(
        text("UPDATE organisations SET name = :name WHERE organisation_id = :organisation_id"),
        {"organisation_id": event.organisation_id, "name": recorded.sealed("name")},
    )


@organisations.on(OrganisationMemberJoined)
def add_member(connection: Connection, event: OrganisationMemberJoined, recorded: Recorded) -> None:
    _add_member(connection, event.organisation_id, event.account_id, event.role, recorded)


def _add_member(connection: Connection, organisation_id: UUID, account_id: UUID, role: str, recorded: Recorded) -> None:
    connection.execute(
        _ADD_MEMBER,
        {"organisation_id": organisation_id, "account_id": account_id, "role": role, "joined_at": recorded.time},
    )


@organisations.on(OrganisationMemberRoleChanged)
def change_role(connection: Connection, event: OrganisationMemberRoleChanged, recorded: Recorded) -> None:
    _set_role(connection, event.organisation_id, event.account_id, event.role)


@organisations.on(OrganisationOwnershipTransferred)
def transfer_ownership(connection: Connection, event: OrganisationOwnershipTransferred, recorded: Recorded) -> None:
    _set_role(connection, event.organisation_id, event.account_id, MANAGER)
    _set_role(connection, event.organisation_id, event.new_owner_id, OWNER)


def _set_role(connection: Connection, organisation_id: UUID, account_id: UUID, role: str) -> None:
    connection.execute(
        text("""
            UPDATE memberships SET role = :role
            WHERE organisation_id = :organisation_id AND account_id = :account_id
        """),
        {"organisation_id": organisation_id, "account_id": account_id, "role": role},
    )


@organisations.on(OrganisationMemberLeft)
def remove_member(connection: Connection, event: OrganisationMemberLeft, recorded: Recorded) -> None:
    connection.execute(
        text("DELETE FROM memberships WHERE organisation_id = :organisation_id AND account_id = :account_id"),
        {"organisation_id": event.organisation_id, "account_id": event.account_id},
    )


@organisations.on(OrganisationClientGained)
def add_client(connection: Connection, event: OrganisationClientGained, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO clients (workspace_id, client_organisation_id, since)
            VALUES (:workspace_id, :client_organisation_id, :since)
        """),
        {
            "workspace_id": event.organisation_id,
            "client_organisation_id": event.client_organisation_id,
            "since": event.gained_at,
        },
    )


@organisations.on(OrganisationClientLost)
def remove_client(connection: Connection, event: OrganisationClientLost, recorded: Recorded) -> None:
    connection.execute(
        text("""
            DELETE FROM clients
            WHERE workspace_id = :workspace_id AND client_organisation_id = :client_organisation_id
        """),
        {"workspace_id": event.organisation_id, "client_organisation_id": event.client_organisation_id},
    )


@organisations.on(OrganisationClosed)
def remove_organisation(connection: Connection, event: OrganisationClosed, recorded: Recorded) -> None:
    for statement in (
        "DELETE FROM organisations WHERE organisation_id = :organisation_id",
        "DELETE FROM memberships WHERE organisation_id = :organisation_id",
        "DELETE FROM clients WHERE workspace_id = :organisation_id",
    ):
        connection.execute(text(statement), {"organisation_id": event.organisation_id})


@invitations.on(InvitationMade)
def add_invitation(connection: Connection, event: InvitationMade, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO invitations
                (invitation_id, organisation_id, purpose, role, email, invited_by, made_at, expires_at)
            VALUES (:invitation_id, :organisation_id, :purpose, :role, :email, :invited_by, :made_at, :expires_at)
        """),
        {
            "invitation_id": event.invitation_id,
            "organisation_id": event.organisation_id,
            "purpose": event.purpose,
            "role": event.role,
            "email": recorded.sealed("email"),
            "invited_by": event.invited_by,
            "made_at": recorded.time,
            "expires_at": event.expires_at,
        },
    )


@invitations.on(InvitationAccepted)
@invitations.on(InvitationEnded)
@invitations.on(InvitationInviteeErased)
def remove_invitation(
    connection: Connection, event: InvitationAccepted | InvitationEnded | InvitationInviteeErased, recorded: Recorded
) -> None:
    connection.execute(
        text("DELETE FROM invitations WHERE invitation_id = :invitation_id"), {"invitation_id": event.invitation_id}
    )
