"""Operations on organisations: founding and closing them, and who is in them with which role.

Every decision about an organisation holds its row, so that one is made after the other: also whether an account is
deactivated that belongs to one of its members. The guard of the session says in which kind of organisation somebody
acts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.identity.access.recognising import must_be_stepped_up
from services.identity.accounts import credentials
from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from services.identity.notices.mail.forgetting import forget_mails
from services.identity.organisations import invitees
from services.identity.organisations import queries as organisation_queries
from services.identity.organisations.aggregate.invitations import Invitation
from services.identity.organisations.aggregate.organisations import Organisation
from services.identity.organisations.queries import Page, Standing
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.events import Event
from shared.contracts.problems import Problem
from shared.contracts.roles import CLIENT_ORGANISATION, KIND_OF_GUARD
from shared.eventstore.aggregates import position
from shared.eventstore.limits import Limit
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of

OWNED = Limit("too-many-organisations", most=20)
"""Organisations of a kind that a person founds."""


class Organisations:
    """Who acts together."""

    app: Identity

    @operation
    def found_organisation(self, call: Call, name: str) -> Outcome:
        founder, kind = UUID(call.actor.id), kind_of(call)

        def found(work: UnitOfWork) -> Outcome:
            credentials.hold_person(work.connection, founder)
            work.load(Account, founder).must_be_verified()
            OWNED.reserve(work.connection, founder, lambda: organisation_queries.owned(work.connection, founder, kind))
            organisation = Organisation(work.new_id())
            work.record(organisation, organisation.found(kind, founder, name, now=work.now))
            return {"organisation_id": str(organisation.id), **position(organisation)}

        return self.app.store.perform(command_of(call), found)

    @operation
    def list_organisations(self, call: Call, cursor: str | None, limit: int) -> dict[str, Any]:
        """The organisations in which the person is a member and acts under this guard."""
        with reading(self.app.store.engine) as connection:
            return organisation_queries.organisations(
                connection, self.app.store.keyring, UUID(call.actor.id), kind_of(call), Page.of(cursor, limit)
            )

    @operation
    def read_organisation(self, call: Call, organisation_id: str) -> dict[str, Any]:
        def read(connection: Connection, asker: Standing) -> dict[str, Any]:
            return organisation_queries.organisation(connection, self.app.store.keyring, asker)

        return answer_member(self.app, call, organisation_id, "see", read)

    @operation
    def rename_organisation(self, call: Call, organisation_id: str, name: str) -> Outcome:
        return self._let_decide(call, organisation_id, lambda each, by, work: each.rename(by, name, now=work.now))

    @operation
    def close_organisation(self, call: Call, organisation_id: str) -> Outcome:
        return self._let_decide(
            call, organisation_id, lambda each, by, work: each.close(by, now=work.now), sensitive=True
        )

    @operation
    def list_members(self, call: Call, organisation_id: str, cursor: str | None, limit: int) -> dict[str, Any]:
        def read(connection: Connection, asker: Standing) -> dict[str, Any]:
            return organisation_queries.members(connection, self.app.store.keyring, asker, Page.of(cursor, limit))

        return answer_member(self.app, call, organisation_id, "see", read)

    @operation
    def change_member_role(self, call: Call, organisation_id: str, member_id: str, role: str) -> Outcome:
        return self._let_decide(
            call,
            organisation_id,
            lambda each, by, work: each.change_role(
                by, UUID(member_id), role, able=members_who_can_act(work, each), now=work.now
            ),
            sensitive=True,
        )

    @operation
    def transfer_ownership(self, call: Call, organisation_id: str, member_id: str) -> Outcome:
        return self._let_decide(
            call,
            organisation_id,
            lambda each, by, work: each.transfer_ownership(
                by, UUID(member_id), able=members_who_can_act(work, each), now=work.now
            ),
            sensitive=True,
        )

    @operation
    def remove_member(self, call: Call, organisation_id: str, member_id: str) -> Outcome:
        return self._let_decide(
            call,
            organisation_id,
            lambda each, by, work: each.remove_member(
                by, UUID(member_id), able=members_who_can_act(work, each), now=work.now
            ),
        )

    @operation
    def leave_organisation(self, call: Call, organisation_id: str) -> Outcome:
        return self._let_decide(
            call,
            organisation_id,
            lambda each, by, work: each.leave(by, able=members_who_can_act(work, each), now=work.now),
        )

    def _let_decide(
        self,
        call: Call,
        organisation_id: str,
        decide: Callable[[Organisation, UUID, UnitOfWork], Iterator[Event]],
        *,
        sensitive: bool = False,
    ) -> Outcome:
        """Lets a member decide about their organisation; what is `sensitive` takes a stepped-up session."""

        def perform(work: UnitOfWork) -> Outcome:
            if sensitive:
                must_be_stepped_up(work, call)
            organisation = organisation_of(work, call, organisation_id)
            change(work, organisation, decide(organisation, UUID(call.actor.id), work))
            return position(organisation)

        return self.app.store.perform(command_of(call), perform)


def kind_of(call: Call) -> str:
    """The kind of organisation that the asker acts in. Raises `Problem("wrong-guard")` under a guard without one."""
    try:
        return KIND_OF_GUARD[call.actor.kind]
    except KeyError:
        raise Problem("wrong-guard") from None


def organisation_of(work: UnitOfWork, call: Call, organisation_id: str) -> Organisation:
    """The organisation that is decided about, of the kind that the asker acts in, and nobody else's meanwhile.

    Raises `Problem("foreign-organisation")` for one of the other kind, whoever is a member of it.
    """
    organisation = held(work, UUID(organisation_id))
    if organisation.exists and organisation.kind != kind_of(call):
        raise Problem("foreign-organisation")
    return organisation


def held(work: UnitOfWork, organisation_id: UUID) -> Organisation:
    """An organisation about which nobody else decides before this transaction ends."""
    organisation_queries.lock(work.connection, organisation_id)
    return work.load(Organisation, organisation_id)


def answer_member(
    app: Identity,
    call: Call,
    organisation_id: str,
    act: str,
    read: Callable[[Connection, Standing], dict[str, Any]],
) -> dict[str, Any]:
    """What `read` finds, for a member whose role in the organisation permits the act."""
    with reading(app.store.engine) as connection:
        asker = organisation_queries.standing(
            connection, UUID(organisation_id), kind_of(call), UUID(call.actor.id), act
        )
        return read(connection, asker)


def change(work: UnitOfWork, organisation: Organisation, events: Iterator[Event]) -> None:
    """Records what happens to an organisation, and ends what was only good because of how it stood before.

    These are the invitations by members who may invite nobody any more, and, once it is closed, all invitations and
    all that others have to do with it.
    """
    inviters = organisation.inviters
    work.record(organisation, events)
    if organisation.closed:
        waiting = organisation_queries.open_invitations(work.connection, organisation.id)
        end_invitations(work, waiting, "organisation_closed")
        if organisation.kind == CLIENT_ORGANISATION:
            for workspace_id in organisation_queries.workspaces_of(work.connection, organisation.id):
                workspace = held(work, workspace_id)
                work.record(workspace, workspace.lose_client(organisation.id, now=work.now))
        return
    for gone in inviters - organisation.inviters:
        theirs = organisation_queries.open_invitations(work.connection, organisation.id, invited_by=gone)
        end_invitations(work, theirs, "inviter_gone")


def end_invitations(work: UnitOfWork, invitation_ids: Iterable[UUID], how: str) -> None:
    for invitation_id in invitation_ids:
        invitation = work.load(Invitation, invitation_id)
        work.record(invitation, invitation.end(how, now=work.now))
        invitees.withdraw(work.connection, invitation_id)


def lose_person(work: UnitOfWork, account_id: UUID, invitee_ids: Collection[str]) -> None:
    """Takes a person who was erased out of every organisation, and forgets where they were invited.

    To be called while nobody can be signed in as the person, and while it is known which address was theirs.
    """
    invited_to = {each.organisation_id for each in invitees.of_person(work.connection, account_id)}
    take_out_of_organisations(work, account_id, "erased", invited_to)
    forget_invitee(work, account_id, invitee_ids)


def take_out_of_organisations(work: UnitOfWork, account_id: UUID, how: str, invited_to: Collection[UUID] = ()) -> None:
    """Ends every membership of a person; where no owner is left who can act, another member becomes one.

    Holds the organisations that the person is `invited_to` as well, so that all are locked in one order.
    """
    for organisation_id in organisation_queries.concerned(work.connection, account_id, invited_to):
        organisation_queries.lock(work.connection, organisation_id)
    for organisation in organisations_of(work, account_id):
        able = members_who_can_act(work, organisation) - {account_id}
        change(work, organisation, organisation.lose_member(account_id, how, able=able, now=work.now))


def organisations_of(work: UnitOfWork, account_id: UUID) -> list[Organisation]:
    """The organisations of a person, about which nobody else decides before this transaction ends."""
    return [held(work, each) for each in organisation_queries.memberships(work.connection, account_id)]


def members_who_can_act(work: UnitOfWork, organisation: Organisation) -> frozenset[UUID]:
    """The members of an organisation whose accounts are not deactivated.

    A restriction lets data only be kept; it takes nobody's right to act.
    """
    return organisation_queries.active_members(work.connection, organisation.id)


def forget_invitee(work: UnitOfWork, account_id: UUID, invitee_ids: Collection[str]) -> None:
    """Says of every invitation to a person that the address in it was erased.

    `invitee_ids` are the subjects whose keys were destroyed. Raises `Problem("conflict")` if the person was invited
    once more since then: nothing is said to be destroyed that is not.
    """
    for invited in invitees.of_person(work.connection, account_id):
        if str(invited.invitee_id) not in invitee_ids:
            raise Problem("conflict")
        organisation_queries.lock(work.connection, invited.organisation_id)
        invitation = work.load(Invitation, invited.invitation_id)
        work.record(invitation, invitation.erase_invitee(now=work.now))
        invitees.forget(work.connection, invited.invitation_id)
        forget_mails(work.connection, invited.invitee_id)
