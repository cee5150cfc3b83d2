"""The organisation: people with roles who act as one, and never without an owner while it lasts.

A workspace is the organisation of influencers and the unit of tenancy; a client organisation is that of their clients.

Whenever some member can act, some owner can. Who can, those whose accounts are not deactivated, is not in the events of
an organisation: it is passed to every command on which it depends, as `able`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.identity.organisations.aggregate.invitations import Invitation
from shared.contracts.events import Event
from shared.contracts.fields import Erased
from shared.contracts.identity import (
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
from shared.contracts.problems import Problem
from shared.contracts.roles import MANAGER, OWNER, WORKSPACE, permits
from shared.eventstore.aggregates import Aggregate, evolve


@dataclass
class Organisation(Aggregate, stream="organisation"):
    """One organisation. Its members are accounts, by the role of each."""

    id: UUID
    kind: str = ""
    name: str | Erased = ""
    members: dict[UUID, str] = field(default_factory=dict)
    clients: set[UUID] = field(default_factory=set)
    closed: bool = False

    @property
    def workspace(self) -> UUID | None:
        return self.id if self.kind == WORKSPACE else None

    @property
    def exists(self) -> bool:
        return self.version > 0 and not self.closed

    @property
    def inviters(self) -> frozenset[UUID]:
        """The members whose role lets them invite others."""
        return frozenset(each for each, role in self.members.items() if permits(self.kind, role, "invite_viewer"))

    def found(self, kind: str, founder: UUID, name: str, *, now: datetime) -> Iterator[Event]:
        yield OrganisationFounded(organisation_id=self.id, kind=kind, account_id=founder, name=name, founded_at=now)

    def must_permit(self, account_id: UUID, act: str) -> None:
        """Returns if this person's role in this organisation permits the act.

        Raises `Problem("not-found")` if there is no such organisation any more, `foreign-organisation` for whoever is
        not a member, and `role-insufficient` for whoever is.
        """
        if not self.exists:
            raise Problem("not-found")
        role = self.members.get(account_id)
        if role is None:
            raise Problem("foreign-organisation")
        if not permits(self.kind, role, act):
            raise Problem("role-insufficient")

    def rename(self, by: UUID, name: str, *, now: datetime) -> Iterator[Event]:
        """Gives another name; the same one is no event."""
        self.must_permit(by, "rename")
        if self.name != name:
            yield OrganisationRenamed(organisation_id=self.id, account_id=by, name=name, renamed_at=now)

    def admit(self, invitation: Invitation, *, able: Collection[UUID], now: datetime) -> Iterator[Event]:
        """Makes the person a member who accepted an invitation to join.

        Raises `Problem("link-invalid")` for any other invitation, and while no owner can act, since the newcomer would
        be alone with a role that nobody could answer for; `already-member`.
        """
        account_id = self._accepted_by(invitation, "join")
        if not any(role == OWNER and each in able for each, role in self.members.items()):
            raise Problem("link-invalid")
        if account_id in self.members:
            raise Problem("already-member")
        yield OrganisationMemberJoined(
            organisation_id=self.id,
            account_id=account_id,
            role=invitation.role,
            invitation_id=invitation.id,
            joined_at=now,
        )

    def change_role(
        self, by: UUID, member: UUID, role: str, *, able: Collection[UUID], now: datetime
    ) -> Iterator[Event]:
        """Gives a member another role; the one they have is no event. Raises `Problem("last-owner")`."""
        self.must_permit(by, "change_role")
        if self._role_of(member) != role:
            self.must_not_need(member, able)
            yield self._role_changed(member, role, None, now)

    def transfer_ownership(self, by: UUID, to: UUID, *, able: Collection[UUID], now: datetime) -> Iterator[Event]:
        """Makes another member an owner and oneself a manager, both or neither; handing over to oneself is no event.

        Raises `Problem("member-inactive")` for a member who could do nothing with it.
        """
        self.must_permit(by, "transfer_ownership")
        self._role_of(to)
        if to not in able:
            raise Problem("member-inactive")
        if to != by:
            yield OrganisationOwnershipTransferred(
                organisation_id=self.id, account_id=by, new_owner_id=to, transferred_at=now
            )

    def leave(self, member: UUID, *, able: Collection[UUID], now: datetime) -> Iterator[Event]:
        """Ends one's own membership. Raises `Problem("last-owner")`."""
        self.must_permit(member, "leave")
        self.must_not_need(member, able)
        yield self._left(member, "left", now)

    def remove_member(self, by: UUID, member: UUID, *, able: Collection[UUID], now: datetime) -> Iterator[Event]:
        """Ends the membership of somebody. Raises `Problem("last-owner")`."""
        self.must_permit(by, "remove_member")
        self._role_of(member)
        self.must_not_need(member, able)
        yield self._left(member, "removed", now)

    def lose_member(self, member: UUID, how: str, *, able: Collection[UUID], now: datetime) -> Iterator[Event]:
        """Goes on without a person who cannot be kept in it, such as one who was erased; without anybody it closes."""
        if self.exists and member in self.members:
            yield self._left(member, how, now)
            if not self.members:
                yield OrganisationClosed(organisation_id=self.id, how="without_owner", closed_at=now)
            yield from self.find_owner("left", able=able, now=now)

    def find_owner(self, why: str, *, able: Collection[UUID], now: datetime) -> Iterator[Event]:
        """Makes a member an owner where none who can act is left: who has been a manager for longest, else anybody.

        Where nobody can act, it keeps its owner or gets one all the same, and waits for the first who comes back.
        """
        owners = [each for each, role in self.members.items() if role == OWNER]
        can_act = [each for each in self.members if each in able]
        candidates = can_act or ([] if owners else list(self.members))
        if not candidates or any(each in owners for each in candidates):
            return
        heir = next((each for each in candidates if self.members[each] == MANAGER), candidates[0])
        yield self._role_changed(heir, OWNER, why, now)

    def gain_client(self, client: Organisation, invitation: Invitation, *, now: datetime) -> Iterator[Event]:
        """Deals with the client organisation for which somebody of it accepted an invitation.

        Raises `Problem("link-invalid")` for any other invitation, what `must_permit` raises for whoever may not accept
        for that organisation, and `already-client`.
        """
        account_id = self._accepted_by(invitation, "become_client")
        client.must_permit(account_id, "become_client")
        if client.id in self.clients:
            raise Problem("already-client")
        yield OrganisationClientGained(
            organisation_id=self.id, client_organisation_id=client.id, invitation_id=invitation.id, gained_at=now
        )

    def part_from_client(self, by: UUID, client_id: UUID, *, now: datetime) -> Iterator[Event]:
        """Ends, from the workspace's side, that it deals with a client organisation."""
        self.must_permit(by, "part_from_client")
        if client_id not in self.clients:
            raise Problem("not-found")
        yield self._parted(client_id, "by_workspace", now)

    def be_left_by(self, client: Organisation, by: UUID, *, now: datetime) -> Iterator[Event]:
        """Ends, from the client organisation's side, that a workspace deals with it."""
        client.must_permit(by, "part_from_workspace")
        if client.id not in self.clients or not self.exists:
            raise Problem("not-found")
        yield self._parted(client.id, "by_client", now)

    def lose_client(self, client_id: UUID, *, now: datetime) -> Iterator[Event]:
        """Goes on without a client organisation that was closed."""
        if self.exists and client_id in self.clients:
            yield self._parted(client_id, "client_closed", now)

    def close(self, by: UUID, *, now: datetime) -> Iterator[Event]:
        self.must_permit(by, "close")
        yield OrganisationClosed(organisation_id=self.id, how="by_owner", closed_at=now)

    def must_not_need(self, member: UUID, able: Collection[UUID]) -> None:
        """Raises `Problem("last-owner")` if no other owner can act than this member."""
        others = (each for each, role in self.members.items() if role == OWNER and each != member)
        if self.members.get(member) == OWNER and not any(each in able for each in others):
            raise Problem("last-owner")

    def _accepted_by(self, invitation: Invitation, purpose: str) -> UUID:
        fits = invitation.organisation_id == self.id and invitation.purpose == purpose
        if not fits or invitation.accepted_by is None:
            raise Problem("link-invalid")
        if not self.exists:
            raise Problem("not-found")
        return invitation.accepted_by

    def _role_of(self, member: UUID) -> str:
        if member not in self.members:
            raise Problem("not-found")
        return self.members[member]

    def _role_changed(self, member: UUID, role: str, why: str | None, now: datetime) -> Event:
        return OrganisationMemberRoleChanged(
            organisation_id=self.id, account_id=member, role=role, why=why, changed_at=now
        )

    def _left(self, member: UUID, how: str, now: datetime) -> Event:
        return OrganisationMemberLeft(organisation_id=self.id, account_id=member, how=how, left_at=now)

    def _parted(self, client_id: UUID, how: str, now: datetime) -> Event:
        return OrganisationClientLost(organisation_id=self.id, client_organisation_id=client_id, how=how, lost_at=now)

    @evolve
    def _founded(self, event: OrganisationFounded) -> None:
        self.kind = event.kind
        self.name = event.name
        self.members[event.account_id] = OWNER

    @evolve
    def _renamed(self, event: OrganisationRenamed) -> None:
        self.name = event.name

    @evolve
    def _member_joined(self, event: OrganisationMemberJoined) -> None:
        self.members[event.account_id] = event.role

    @evolve
    def _member_role_changed(self, event: OrganisationMemberRoleChanged) -> None:
        self.members[event.account_id] = event.role

    @evolve
    def _ownership_transferred(self, event: OrganisationOwnershipTransferred) -> None:
        self.members[event.account_id] = MANAGER
        self.members[event.new_owner_id] = OWNER

    @evolve
    def _member_left(self, event: OrganisationMemberLeft) -> None:
        self.members.pop(event.account_id, None)

    @evolve
    def _client_gained(self, event: OrganisationClientGained) -> None:
        self.clients.add(event.client_organisation_id)

    @evolve
    def _client_lost(self, event: OrganisationClientLost) -> None:
        self.clients.discard(event.client_organisation_id)

    @evolve
    def _closed(self, event: OrganisationClosed) -> None:
        self.closed = True
        self.members.clear()
        self.clients.clear()
