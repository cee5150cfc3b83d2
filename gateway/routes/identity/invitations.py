"""Invitations, for whoever has the link that was sent by mail."""

from __future__ import annotations

from marshmallow import Schema

from gateway.routes.identity.organisations import (
    actions_field,
    kind_field,
    organisation_name,
    purpose_of_invitation,
    role_of_invitation,
)
from gateway.routing import PUBLIC, Route
from gateway.schemas import EXAMPLE_ID, EXAMPLE_INSTANT, Answer, CommandAnswer, Id, Instant, LinkToken, says
from shared.contracts.roles import KIND_OF_GUARD


class AcceptanceSchema(Schema):
    """For whom an invitation is accepted."""

    client_organisation_id = Id(
        metadata=says("The client organisation that becomes a client; only for such an invitation.", EXAMPLE_ID)
    )


class OfferSchema(Answer):
    """What somebody is invited to."""

    kind = kind_field()
    name = organisation_name(allow_none=True)
    purpose = purpose_of_invitation()
    role = role_of_invitation(allow_none=True)
    expires_at = Instant(metadata=says("Until when it counts.", EXAMPLE_INSTANT))
    actions = actions_field("accept")


class EnteredSchema(CommandAnswer):
    """Where the person is a member, or which of their client organisations became a client."""

    organisation_id = Id(metadata=says("The workspace, or the client organisation.", EXAMPLE_ID))
    kind = kind_field()


routes = [
    Route(
        "GET",
        "/v1/invitations/{token}",
        guards=PUBLIC,
        calls="identity.read_invitation",
        summary="Look at an invitation",
        description="Changes nothing, however often a mail program or a person follows the link.",
        tag="Invitations",
        parameters={"token": LinkToken()},
        answers=OfferSchema,
        problems=("link-invalid",),
    ),
    Route(
        "POST",
        "/v1/invitations/{token}/acceptance",
        guards=frozenset(KIND_OF_GUARD),
        calls="identity.accept_invitation",
        summary="Accept an invitation",
        description=(
            "In a session of the person who was invited, whose address is the one that the invitation was sent to; "
            "following it verifies that. To join a workspace takes the guard `influencer`, to join a client "
            "organisation or to become a client takes `client`."
        ),
        tag="Invitations",
        parameters={"token": LinkToken()},
        body=AcceptanceSchema,
        answers=EnteredSchema,
        problems=(
            "link-invalid",
            "invitation-for-another",
            "already-member",
            "already-client",
            "role-insufficient",
        ),
    ),
]
