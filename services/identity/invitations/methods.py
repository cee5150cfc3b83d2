"""Operations on invitations, and on what comes of those between workspaces and client organisations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.identity.access.linking import may_be_mailed
from services.identity.accounts import credentials
from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from services.identity.lifecycle.ending import decide
from services.identity.organisations import invitees
from services.identity.organisations import queries as organisation_queries
from services.identity.organisations.aggregate.invitations import Invitation, Wanted
from services.identity.organisations.aggregate.organisations import Organisation
from services.identity.organisations.methods.organisations import (
    answer_member,
    end_invitations,
    held,
    kind_of,
    members_who_can_act,
    organisation_of,
)
from services.identity.organisations.queries import Page, Standing
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import BY_INVITATION
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.clock import now
from shared.service.wiring import command_of


class Invitations:
    """Who is asked to come, and who came."""

    app: Identity

    @operation
    def invite_member(self, call: Call, organisation_id: str, email: str, role: str) -> Outcome:
        return self._invite(call, organisation_id, email, Wanted("join", role))

    @operation
    def invite_client(self, call: Call, organisation_id: str, email: str) -> Outcome:
        """Asks somebody, for a client organisation that they own or will found, to deal with a workspace."""
        return self._invite(call, organisation_id, email, Wanted("become_client"))

    def _invite(self, call: Call, organisation_id: str, email: str, wanted: Wanted) -> Outcome:
        recipient = self.app.secret.mailbox_index(email)

        def invite(work: UnitOfWork) -> Outcome:
            by = work.load(Account, UUID(call.actor.id))
            organisation = organisation_of(work, call, organisation_id)
            organisation.must_permit(by.id, wanted.act)
            invitees.must_not_flood(work.connection, organisation.id, by.id, recipient, work.now)
            if not may_be_mailed(self.app, work, email, call.client):
                raise Problem("asked-too-soon")
            make_room(work, organisation, recipient)
            invitation = Invitation(work.new_id())
            making = invitation.make(
                organisation.id,
                organisation.kind,
                wanted,
                invitee_id=work.new_id(),
                email=email,
                by=by,
                now=work.now,
            )
            work.record(invitation, making)
            invitees.keep(work.connection, self.app.secret, invitation, recipient)
            assert invitation.expires_at is not None
            return {
                "invitation_id": str(invitation.id),
                "expires_at": rfc3339(invitation.expires_at),
                **position(invitation),
            }

        return self.app.store.perform(command_of(call), invite)

    @operation
    def list_invitations(self, call: Call, organisation_id: str, cursor: str | None, limit: int) -> dict[str, Any]:
        def read(connection: Connection, asker: Standing) -> dict[str, Any]:
            return organisation_queries.invitations(connection, self.app.store.keyring, asker, Page.of(cursor, limit))

        return answer_member(self.app, call, organisation_id, "see_invitations", read)

    @operation
    def revoke_invitation(self, call: Call, organisation_id: str, invitation_id: str) -> Outcome:
        def revoke(work: UnitOfWork) -> Outcome:
            organisation = organisation_of(work, call, organisation_id)
            organisation.must_permit(UUID(call.actor.id), "revoke_invitation")
            invitation = work.load(Invitation, UUID(invitation_id))
            if invitation.organisation_id != organisation.id:
                raise Problem("not-found")
            end_invitations(work, [invitation.id], "revoked")
            return position(invitation)

        return self.app.store.perform(command_of(call), revoke)

    @operation
    def read_invitation(self, call: Call, token: str) -> dict[str, Any]:
        """What a link by mail offers. It can be looked at as often as somebody, or their mail program, likes."""
        with reading(self.app.store.engine) as connection:
            invited = invitees.find(connection, token, now())
            return organisation_queries.offer(connection, self.app.store.keyring, invited.invitation_id)

    @operation
    def accept_invitation(self, call: Call, token: str, client_organisation_id: str | None = None) -> Outcome:
        """Accepts in an ordinary session of the invited person, for themselves or for their client organisation.

        The link was sent to their address, so that following it verifies that as well.
        """
        account_id = UUID(call.actor.id)

        def accept(work: UnitOfWork) -> Outcome:
            # As accepting may verify the address, which ends sessions.
            credentials.keep_others_out(work.connection, account_id)
            credentials.hold_person(work.connection, account_id)
            invited = invitees.find(work.connection, token, work.now)
            client = organisation_of(work, call, client_organisation_id) if client_organisation_id else None
            organisation = held(work, invited.organisation_id)
            invitation = work.load(Invitation, invited.invitation_id)
            if invitation.accepting_kind != kind_of(call):
                raise Problem("wrong-guard")
            account = work.load(Account, account_id)
            work.record(invitation, invitation.accept(account, now=work.now))
            decide(work, account, account.verify(BY_INVITATION, now=work.now), keeping=call.actor.session_id)
            invitees.redeem(work.connection, token, account_id)
            enter(work, organisation, invitation, client)
            entered = client or organisation
            return {"organisation_id": str(entered.id), "kind": entered.kind, **position(invitation)}

        return self.app.store.perform(command_of(call), accept)

    @operation
    def list_counterparts(self, call: Call, organisation_id: str, cursor: str | None, limit: int) -> dict[str, Any]:
        """The clients of a workspace, or the workspaces of a client organisation."""

        def read(connection: Connection, asker: Standing) -> dict[str, Any]:
            return organisation_queries.counterparts(connection, self.app.store.keyring, asker, Page.of(cursor, limit))

        return answer_member(self.app, call, organisation_id, "see", read)

    @operation
    def part_from_client(self, call: Call, organisation_id: str, client_organisation_id: str) -> Outcome:
        def part(work: UnitOfWork) -> Outcome:
            workspace = organisation_of(work, call, organisation_id)
            parting = workspace.part_from_client(UUID(call.actor.id), UUID(client_organisation_id), now=work.now)
            work.record(workspace, parting)
            return position(workspace)

        return self.app.store.perform(command_of(call), part)

    @operation
    def part_from_workspace(self, call: Call, organisation_id: str, workspace_id: str) -> Outcome:
        def part(work: UnitOfWork) -> Outcome:
            client = organisation_of(work, call, organisation_id)
            workspace = held(work, UUID(workspace_id))
            work.record(workspace, workspace.be_left_by(client, UUID(call.actor.id), now=work.now))
            return position(workspace)

        return self.app.store.perform(command_of(call), part)


def make_room(work: UnitOfWork, organisation: Organisation, recipient: bytes) -> None:
    """Ends the invitation that another one to the same address replaces."""
    replaced = invitees.open_to(work.connection, organisation.id, recipient)
    if replaced is not None:
        end_invitations(work, [replaced], "replaced")


def enter(work: UnitOfWork, organisation: Organisation, invitation: Invitation, client: Organisation | None) -> None:
    """What accepting an invitation brings about in the organisation that made it."""
    if invitation.purpose == "join":
        work.record(
            organisation, organisation.admit(invitation, able=members_who_can_act(work, organisation), now=work.now)
        )
    elif client is None:
        missing = {"pointer": "/client_organisation_id", "message": "Name the client organisation that accepts."}
        raise Problem("validation-failed", errors=[missing])
    else:
        work.record(organisation, organisation.gain_client(client, invitation, now=work.now))
