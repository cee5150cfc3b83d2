"""Workspaces and client organisations: what can be done with both is declared once, for the guard of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from gateway.routing import Route
from gateway.schemas import (
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Address,
    Answer,
    CommandAnswer,
    Count,
    Cursor,
    Id,
    Instant,
    NextCursor,
    Text,
    says,
)
from shared.contracts.roles import ACTS, INVITABLE_ROLES, ORGANISATION_KINDS, ROLES
from shared.contracts.vocabulary import INVITATION_PURPOSES


def organisation_name(**options: Any) -> Text:
    return Text(200, metadata=says("What the organisation is called.", "Studio Lovelace"), **options)


def kind_field() -> fields.String:
    return fields.String(validate=OneOf(ORGANISATION_KINDS), metadata=says("What it is.", "workspace"))


def role_field(example: str = "manager", **options: Any) -> fields.String:
    return fields.String(validate=OneOf(ROLES), metadata=says("The role in the organisation.", example), **options)


def purpose_of_invitation() -> fields.String:
    return fields.String(
        validate=OneOf(INVITATION_PURPOSES),
        metadata=says("To join the organisation in a role, or to become a client of the workspace.", "join"),
    )


def role_of_invitation(**options: Any) -> fields.String:
    return fields.String(
        validate=OneOf(INVITABLE_ROLES), metadata=says("The role in which to join.", "manager"), **options
    )


def actions_field(example: str) -> fields.List[Any]:
    return fields.List(
        fields.String(validate=OneOf((*ACTS, "accept")), metadata=says("An action.", example)),
        metadata={"description": "What whoever asks can do about it now."},
    )


class PageOfListSchema(Schema):
    """Which part of a list."""

    cursor = Cursor()
    limit = Count(1, 200, load_default=50, metadata=says("How many at most.", 50))


class OrganisationNameSchema(Schema):
    """What the organisation is to be called."""

    name = organisation_name(required=True)


class RoleSchema(Schema):
    """The role that a member is to have."""

    role = role_field(required=True)


class NewOwnerSchema(Schema):
    """Who is to be an owner in one's own place."""

    member_id = Id(required=True, metadata=says("The account of the member.", EXAMPLE_ID))


class InvitedClientSchema(Schema):
    """Who is invited."""

    email = Address(required=True, metadata=says("Where the invitation is sent.", "grace@example.org"))


class InvitedMemberSchema(InvitedClientSchema):
    """Who is invited, and in which role."""

    role = role_of_invitation(required=True)


class OrganisationSchema(Answer):
    """An organisation, and where one stands in it."""

    organisation_id = Id(metadata=says("The workspace, or the client organisation.", EXAMPLE_ID))
    kind = kind_field()
    name = organisation_name(allow_none=True)
    founded_at = Instant(metadata=says("When it was founded.", EXAMPLE_INSTANT))
    role = role_field("owner")
    joined_at = Instant(metadata=says("Since when one is a member.", EXAMPLE_INSTANT))
    actions = actions_field("rename")


class OrganisationPageSchema(Answer):
    """A page of the organisations in which one is a member."""

    items = fields.List(fields.Nested(OrganisationSchema))
    next_cursor = NextCursor()


class FoundedSchema(CommandAnswer):
    """A new organisation."""

    organisation_id = Id(metadata=says("The workspace, or the client organisation.", EXAMPLE_ID))


class MemberSchema(Answer):
    """A member."""

    account_id = Id(metadata=says("The account of the member.", EXAMPLE_ID))
    name = Text(200, allow_none=True, metadata=says("The member's name; null after it was erased.", "Grace Hopper"))
    role = role_field()
    joined_at = Instant(metadata=says("Since when.", EXAMPLE_INSTANT))
    actions = actions_field("change_role")


class MemberPageSchema(Answer):
    """A page of members."""

    items = fields.List(fields.Nested(MemberSchema))
    next_cursor = NextCursor()


class InvitationSchema(Answer):
    """An invitation that waits to be accepted, or has expired."""

    invitation_id = Id(metadata=says("The invitation.", EXAMPLE_ID))
    purpose = purpose_of_invitation()
    role = role_of_invitation(allow_none=True)
    email = Address(allow_none=True, metadata=says("Who was invited; null after it was erased.", "grace@example.org"))
    made_at = Instant(metadata=says("When it was made.", EXAMPLE_INSTANT))
    expires_at = Instant(metadata=says("Until when it counts.", EXAMPLE_INSTANT))
    actions = actions_field("revoke_invitation")


class InvitationPageSchema(Answer):
    """A page of invitations."""

    items = fields.List(fields.Nested(InvitationSchema))
    next_cursor = NextCursor()


class InvitedSchema(CommandAnswer):
    """A new invitation; its token is in the mail and nowhere else."""

    invitation_id = Id(metadata=says("The invitation.", EXAMPLE_ID))
    expires_at = Instant(metadata=says("Until when it counts.", EXAMPLE_INSTANT))


class CounterpartSchema(Answer):
    """A client of a workspace, or a workspace that a client organisation deals with."""

    organisation_id = Id(metadata=says("The client organisation, or the workspace.", EXAMPLE_ID))
    name = organisation_name(allow_none=True)
    since = Instant(metadata=says("Since when both deal with each other.", EXAMPLE_INSTANT))
    actions = actions_field("part_from_client")


class CounterpartPageSchema(Answer):
    """A page of counterparts."""

    items = fields.List(fields.Nested(CounterpartSchema))
    next_cursor = NextCursor()


@dataclass(frozen=True)
class Family:
    """One kind of organisation, as paths, guards and the documentation speak of it."""

    path: str
    noun: str
    guard: str
    tag: str

    def route(self, method: str, path: str, calls: str, summary: str, **more: Any) -> Route:
        """A route below the path of the family, in which `{id}` stands for the organisation."""
        word = self.noun.replace(" ", "_")
        parameters = more.pop("parameters", {})
        if "{id}" in path:
            organisation = Id(
                required=True, attribute="organisation_id", metadata=says(f"The {self.noun}.", EXAMPLE_ID)
            )
            parameters = {f"{word}_id": organisation, **parameters}
        return Route(
            method,
            self.path + path.replace("{id}", f"{{{word}_id}}"),
            guards=frozenset({self.guard}),
            calls=f"identity.{calls}",
            operation=f"{word}_{calls}",
            summary=summary.replace("{noun}", self.noun),
            tag=self.tag,
            parameters=parameters,
            **more,
        )


WORKSPACES = Family("/v1/workspaces", "workspace", "influencer", "Workspaces")
CLIENT_ORGANISATIONS = Family("/v1/client-organisations", "client organisation", "client", "Client organisations")


def member_id() -> Id:
    return Id(required=True, metadata=says("The account of the member.", EXAMPLE_ID))


def invitation_id() -> Id:
    return Id(required=True, metadata=says("The invitation.", EXAMPLE_ID))


def routes_of(family: Family) -> list[Route]:
    """What can be done with organisations of either kind."""
    return [
        family.route(
            "POST",
            "",
            "found_organisation",
            "Found a {noun}",
            description="Whoever founds it is its owner.",
            body=OrganisationNameSchema,
            answers=FoundedSchema,
            status=201,
            problems=("too-many-organisations", "email-not-verified", "subject-erased"),
        ),
        family.route(
            "GET",
            "",
            "list_organisations",
            "List those in which one is a member",
            query=PageOfListSchema,
            answers=OrganisationPageSchema,
        ),
        family.route("GET", "/{id}", "read_organisation", "Read a {noun}", answers=OrganisationSchema),
        family.route(
            "PATCH",
            "/{id}",
            "rename_organisation",
            "Rename a {noun}",
            description="For owners.",
            body=OrganisationNameSchema,
            answers=CommandAnswer,
            problems=("role-insufficient", "subject-erased"),
        ),
        family.route(
            "DELETE",
            "/{id}",
            "close_organisation",
            "Close a {noun}",
            description="For owners. Nobody is a member any more, its invitations are worthless, and that is for ever.",
            answers=CommandAnswer,
            step_up=True,
            problems=("role-insufficient",),
        ),
        family.route(
            "GET",
            "/{id}/members",
            "list_members",
            "List the members",
            query=PageOfListSchema,
            answers=MemberPageSchema,
        ),
        family.route(
            "PUT",
            "/{id}/members/{member_id}/role",
            "change_member_role",
            "Give a member another role",
            description="For owners. There may be several owners, and there is always one.",
            parameters={"member_id": member_id()},
            body=RoleSchema,
            answers=CommandAnswer,
            step_up=True,
            problems=("role-insufficient", "last-owner"),
        ),
        family.route(
            "DELETE",
            "/{id}/members/{member_id}",
            "remove_member",
            "Remove a member",
            description="For owners. Invitations by the member that wait to be accepted are worthless from then on.",
            parameters={"member_id": member_id()},
            answers=CommandAnswer,
            problems=("role-insufficient", "last-owner"),
        ),
        family.route(
            "DELETE",
            "/{id}/membership",
            "leave_organisation",
            "Leave a {noun}",
            description="The last owner cannot leave, but can hand over or close.",
            answers=CommandAnswer,
            problems=("last-owner",),
        ),
        family.route(
            "POST",
            "/{id}/ownership-transfers",
            "transfer_ownership",
            "Hand over ownership",
            description="For owners: makes another member an owner, and oneself a manager.",
            body=NewOwnerSchema,
            answers=CommandAnswer,
            step_up=True,
            problems=("role-insufficient", "member-inactive"),
        ),
        family.route(
            "POST",
            "/{id}/invitations",
            "invite_member",
            "Invite somebody to join",
            description=(
                "For owners and managers whose own address is verified. Sends a link that counts once, for a week, and "
                "for an account with that address. It replaces an earlier invitation to the same address."
            ),
            body=InvitedMemberSchema,
            answers=InvitedSchema,
            status=201,
            problems=("role-insufficient", "email-not-verified", "asked-too-soon", "too-many-invitations"),
        ),
        family.route(
            "GET",
            "/{id}/invitations",
            "list_invitations",
            "List invitations that were neither accepted nor revoked",
            description="For owners and managers.",
            query=PageOfListSchema,
            answers=InvitationPageSchema,
            problems=("role-insufficient",),
        ),
        family.route(
            "DELETE",
            "/{id}/invitations/{invitation_id}",
            "revoke_invitation",
            "Revoke an invitation",
            description="For owners and managers. One that was accepted or revoked already stays as it is.",
            parameters={"invitation_id": invitation_id()},
            answers=CommandAnswer,
            problems=("role-insufficient",),
        ),
    ]


routes = [
    *routes_of(WORKSPACES),
    WORKSPACES.route(
        "POST",
        "/{id}/client-invitations",
        "invite_client",
        "Invite somebody to become a client",
        description=(
            "For owners and managers whose own address is verified. Whoever is invited accepts under the guard "
            "`client`, for a client organisation of theirs."
        ),
        body=InvitedClientSchema,
        answers=InvitedSchema,
        status=201,
        problems=("role-insufficient", "email-not-verified", "asked-too-soon", "too-many-invitations"),
    ),
    WORKSPACES.route(
        "GET",
        "/{id}/clients",
        "list_counterparts",
        "List the clients of a workspace",
        query=PageOfListSchema,
        answers=CounterpartPageSchema,
    ),
    WORKSPACES.route(
        "DELETE",
        "/{id}/clients/{client_organisation_id}",
        "part_from_client",
        "Stop dealing with a client",
        description="For owners and managers.",
        parameters={"client_organisation_id": Id(required=True, metadata=says("The client organisation.", EXAMPLE_ID))},
        answers=CommandAnswer,
        problems=("role-insufficient",),
    ),
    *routes_of(CLIENT_ORGANISATIONS),
    CLIENT_ORGANISATIONS.route(
        "GET",
        "/{id}/workspaces",
        "list_counterparts",
        "List the workspaces that a client organisation deals with",
        query=PageOfListSchema,
        answers=CounterpartPageSchema,
    ),
    CLIENT_ORGANISATIONS.route(
        "DELETE",
        "/{id}/workspaces/{workspace_id}",
        "part_from_workspace",
        "Stop dealing with a workspace",
        description="For owners and managers.",
        parameters={"workspace_id": Id(required=True, metadata=says("The workspace.", EXAMPLE_ID))},
        answers=CommandAnswer,
        problems=("role-insufficient",),
    ),
]
