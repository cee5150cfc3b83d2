"""Given these events, when this command, then these events or this refusal; and what holds whatever is done."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from services.identity.accounts.aggregate import Account
from services.identity.organisations.aggregate.invitations import LIFETIME, Invitation, Wanted
from services.identity.organisations.aggregate.organisations import Organisation
from shared.contracts.fields import ERASED
from shared.contracts.identity import (
    InvitationAccepted,
    InvitationEnded,
    InvitationInviteeErased,
    InvitationMade,
    OrganisationClientGained,
    OrganisationClientLost,
    OrganisationClosed,
    OrganisationMemberJoined,
    OrganisationMemberLeft,
    OrganisationMemberRoleChanged,
    OrganisationOwnershipTransferred,
    OrganisationRenamed,
)
from shared.contracts.problems import Problem
from shared.contracts.roles import CLIENT_ORGANISATION, INVITABLE_ROLES, OWNER, ROLES, WORKSPACE, permits
from tests.making import NOON, registration
from tests.unit.services.identity.accounts.test_accounts import play


def person() -> Account:
    """Somebody whose address is verified."""
    made = Account(uuid4())
    play(made, made.register("influencer", registration(), now=NOON))
    play(made, made.verify("by_link", now=NOON))
    return made


def founded(founder: Account, kind: str = WORKSPACE) -> Organisation:
    made = Organisation(uuid4())
    play(made, made.found(kind, founder.id, "Studio Lovelace", now=NOON))
    return made


def invited(organisation: Organisation, by: Account, account: Account, wanted: Wanted, now=NOON) -> Invitation:
    made = Invitation(uuid4())
    making = made.make(
        organisation.id, organisation.kind, wanted, invitee_id=uuid4(), email=str(account.email), by=by, now=now
    )
    play(made, making)
    return made


def accepted(organisation: Organisation, by: Account, account: Account, wanted: Wanted) -> Invitation:
    made = invited(organisation, by, account, wanted)
    play(made, made.accept(account, now=NOON))
    return made


def joined(organisation: Organisation, by: Account, role: str = "manager") -> Account:
    """Somebody who was invited by an owner and came."""
    account = person()
    invitation = accepted(organisation, by, account, Wanted("join", role))
    play(organisation, organisation.admit(invitation, able=organisation.members.keys(), now=NOON))
    return account


def refusal(events) -> str:
    with pytest.raises(Problem) as refused:
        list(events)
    return refused.value.code


@pytest.fixture
def owner() -> Account:
    return person()


@pytest.fixture
def workspace(owner) -> Organisation:
    return founded(owner)


@pytest.fixture
def client(owner) -> Organisation:
    return founded(owner, CLIENT_ORGANISATION)


def test_the_stream_of_a_workspace_belongs_to_it_and_that_of_a_client_organisation_to_none(owner, workspace, client):
    assert workspace.workspace == workspace.id
    assert invited(workspace, owner, person(), Wanted("join", "viewer")).workspace == workspace.id
    assert client.workspace is None
    assert invited(client, owner, person(), Wanted("join", "viewer")).workspace is None


def test_an_invitation_is_made_for_a_person_of_its_own_and_lasts_a_week(owner, workspace):
    invitee, invitation = uuid4(), Invitation(uuid4())
    making = invitation.make(
        workspace.id, WORKSPACE, Wanted("join", "viewer"), invitee_id=invitee, email="g@example.org", by=owner, now=NOON
    )
    assert play(invitation, making) == [
        InvitationMade(
            invitation_id=invitation.id,
            organisation_id=workspace.id,
            kind=WORKSPACE,
            purpose="join",
            role="viewer",
            invitee_id=invitee,
            email="g@example.org",
            invited_by=owner.id,
            expires_at=NOON + LIFETIME,
        )
    ]
    assert invitation.counts(NOON + LIFETIME - timedelta(seconds=1))
    assert not invitation.counts(NOON + LIFETIME)


def test_who_did_not_verify_their_own_address_writes_to_nobody(workspace):
    stranger = Account(uuid4())
    play(stranger, stranger.register("influencer", registration(), now=NOON))
    with pytest.raises(Problem, match="email-not-verified"):
        invited(workspace, stranger, person(), Wanted("join", "viewer"))


def test_an_invitation_is_accepted_by_the_person_with_the_address_once(owner, workspace):
    account = person()
    invitation = invited(workspace, owner, replace(account, email=str(account.email).upper()), Wanted("join", "viewer"))
    assert play(invitation, invitation.accept(account, now=NOON)) == [
        InvitationAccepted(
            invitation_id=invitation.id, invitee_id=invitation.invitee_id, account_id=account.id, accepted_at=NOON
        )
    ]
    assert refusal(invitation.accept(account, now=NOON)) == "link-invalid"
    assert play(invitation, invitation.end("revoked", now=NOON)) == []
    assert play(workspace, workspace.admit(invitation, able=workspace.members.keys(), now=NOON)) == [
        OrganisationMemberJoined(
            organisation_id=workspace.id,
            account_id=account.id,
            role="viewer",
            invitation_id=invitation.id,
            joined_at=NOON,
        )
    ]
    assert refusal(workspace.admit(invitation, able=workspace.members.keys(), now=NOON)) == "already-member"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"email": "somebody.else@example.org"}, "invitation-for-another"),
        ({"email": ERASED}, "invitation-for-another"),
        ({"deactivated": True}, "not-signed-in"),
        ({"erased": True}, "not-signed-in"),
        ({"registered_at": None}, "not-signed-in"),
    ],
)
def test_nobody_else_accepts_and_no_account_comes_back_to_life(owner, workspace, changes, code):
    account = person()
    invitation = invited(workspace, owner, account, Wanted("join", "viewer"))
    assert refusal(invitation.accept(replace(account, **changes), now=NOON)) == code


def test_an_invitation_that_expired_ended_or_was_erased_is_worthless(owner, workspace):
    account = person()
    expired, revoked, erased = (invited(workspace, owner, account, Wanted("join", "viewer")) for _ in range(3))
    assert refusal(expired.accept(account, now=NOON + LIFETIME)) == "link-invalid"
    assert play(revoked, revoked.end("revoked", now=NOON)) == [
        InvitationEnded(invitation_id=revoked.id, invitee_id=revoked.invitee_id, how="revoked", ended_at=NOON)
    ]
    assert play(revoked, revoked.end("replaced", now=NOON)) == []
    assert play(erased, erased.erase_invitee(now=NOON)) == [
        InvitationInviteeErased(invitation_id=erased.id, invitee_id=erased.invitee_id, erased_at=NOON)
    ]
    assert play(erased, erased.erase_invitee(now=NOON)) == []
    assert play(erased, erased.end("revoked", now=NOON)) == []
    for each in (revoked, erased):
        assert refusal(each.accept(account, now=NOON)) == "link-invalid"


def test_an_invitation_opens_what_it_is_for_and_nothing_else(owner, workspace, client):
    account = person()
    to_join, to_deal = (
        accepted(workspace, owner, account, wanted) for wanted in (Wanted("join", "viewer"), Wanted("become_client"))
    )
    assert refusal(founded(owner).admit(to_join, able={owner.id}, now=NOON)) == "link-invalid"
    assert refusal(workspace.admit(to_deal, able=workspace.members.keys(), now=NOON)) == "link-invalid"
    assert refusal(workspace.gain_client(client, to_join, now=NOON)) == "link-invalid"
    unaccepted = invited(workspace, owner, account, Wanted("join", "viewer"))
    assert refusal(workspace.admit(unaccepted, able=workspace.members.keys(), now=NOON)) == "link-invalid"
    assert refusal(workspace.gain_client(client, to_deal, now=NOON)) == "foreign-organisation"
    to_deal_with_itself = accepted(workspace, owner, owner, Wanted("become_client"))
    assert refusal(workspace.gain_client(workspace, to_deal_with_itself, now=NOON)) == "role-insufficient"


def test_ownership_is_handed_over_both_or_neither(owner, workspace):
    heir = joined(workspace, owner)
    able = workspace.members.keys()
    assert play(workspace, workspace.transfer_ownership(owner.id, heir.id, able=able, now=NOON)) == [
        OrganisationOwnershipTransferred(
            organisation_id=workspace.id, account_id=owner.id, new_owner_id=heir.id, transferred_at=NOON
        )
    ]
    assert workspace.members == {owner.id: "manager", heir.id: OWNER}
    assert refusal(workspace.transfer_ownership(owner.id, heir.id, able=able, now=NOON)) == "role-insufficient"
    assert refusal(workspace.transfer_ownership(heir.id, uuid4(), able=able, now=NOON)) == "not-found"
    assert play(workspace, workspace.transfer_ownership(heir.id, heir.id, able=able, now=NOON)) == []


class TestLastOwner:
    def test_the_last_owner_stays_and_one_of_two_may_go(self, owner, workspace):
        able = workspace.members.keys()
        for going in (
            workspace.leave(owner.id, able=able, now=NOON),
            workspace.remove_member(owner.id, owner.id, able=able, now=NOON),
            workspace.change_role(owner.id, owner.id, "viewer", able=able, now=NOON),
        ):
            assert refusal(going) == "last-owner"
        second = joined(workspace, owner)
        play(workspace, workspace.change_role(owner.id, second.id, OWNER, able=able, now=NOON))
        assert play(workspace, workspace.leave(owner.id, able=able, now=NOON)) == [
            OrganisationMemberLeft(organisation_id=workspace.id, account_id=owner.id, how="left", left_at=NOON)
        ]
        assert refusal(workspace.leave(second.id, able=able, now=NOON)) == "last-owner"

    def test_an_owner_who_cannot_act_does_not_count(self, owner, workspace):
        second = joined(workspace, owner)
        play(workspace, workspace.change_role(owner.id, second.id, OWNER, able=workspace.members.keys(), now=NOON))
        able = {owner.id}
        for going in (
            workspace.leave(owner.id, able=able, now=NOON),
            workspace.change_role(owner.id, owner.id, "manager", able=able, now=NOON),
        ):
            assert refusal(going) == "last-owner"
        assert refusal(workspace.transfer_ownership(owner.id, second.id, able=able, now=NOON)) == "member-inactive"
        play(workspace, workspace.remove_member(owner.id, second.id, able=able, now=NOON))
        assert workspace.members == {owner.id: OWNER}

    def test_the_longest_standing_manager_follows_an_owner_who_was_erased(self, owner, workspace):
        viewer, first, second = (joined(workspace, owner, role) for role in ("viewer", "manager", "manager"))
        able = {viewer.id, first.id, second.id}
        assert play(workspace, workspace.lose_member(owner.id, "erased", able=able, now=NOON)) == [
            OrganisationMemberLeft(organisation_id=workspace.id, account_id=owner.id, how="erased", left_at=NOON),
            owner_since(workspace, first, "left"),
        ]

    def test_without_anybody_a_workspace_closes(self, owner, workspace):
        assert play(workspace, workspace.lose_member(owner.id, "erased", able=set(), now=NOON)) == [
            OrganisationMemberLeft(organisation_id=workspace.id, account_id=owner.id, how="erased", left_at=NOON),
            OrganisationClosed(organisation_id=workspace.id, how="without_owner", closed_at=NOON),
        ]
        assert play(workspace, workspace.lose_member(owner.id, "erased", able=set(), now=NOON)) == []
        for account in (owner, person()):
            assert refusal(workspace.rename(account.id, "Again", now=NOON)) == "not-found"

    def test_somebody_follows_an_owner_who_was_shut_out(self, owner, workspace):
        viewer = joined(workspace, owner, "viewer")
        assert play(workspace, workspace.find_owner("deactivated", able={viewer.id}, now=NOON)) == [
            owner_since(workspace, viewer, "deactivated")
        ]
        assert play(workspace, workspace.find_owner("reactivated", able={viewer.id, owner.id}, now=NOON)) == []

    def test_where_nobody_can_act_it_waits_for_the_first_who_comes_back(self, owner, workspace):
        manager = joined(workspace, owner)
        assert play(workspace, workspace.find_owner("deactivated", able=set(), now=NOON)) == []
        assert play(workspace, workspace.find_owner("reactivated", able={manager.id}, now=NOON)) == [
            owner_since(workspace, manager, "reactivated")
        ]

    def test_where_nobody_can_act_nobody_comes_in(self, owner, workspace):
        invitation = accepted(workspace, owner, person(), Wanted("join", "manager"))
        assert refusal(workspace.admit(invitation, able=set(), now=NOON)) == "link-invalid"
        assert len(play(workspace, workspace.admit(invitation, able={owner.id}, now=NOON))) == 1

    def test_a_workspace_goes_on_without_a_member_who_was_erased(self, owner, workspace):
        manager = joined(workspace, owner)
        assert play(workspace, workspace.lose_member(manager.id, "erased", able={owner.id}, now=NOON)) == [
            OrganisationMemberLeft(organisation_id=workspace.id, account_id=manager.id, how="erased", left_at=NOON)
        ]
        assert workspace.exists


def owner_since(workspace, account, why):
    return OrganisationMemberRoleChanged(
        organisation_id=workspace.id, account_id=account.id, role=OWNER, why=why, changed_at=NOON
    )


def test_a_name_is_that_of_whoever_gave_it(owner, workspace):
    second = joined(workspace, owner)
    play(workspace, workspace.change_role(owner.id, second.id, OWNER, able=workspace.members.keys(), now=NOON))
    assert play(workspace, workspace.rename(second.id, "Studio Hopper", now=NOON)) == [
        OrganisationRenamed(organisation_id=workspace.id, account_id=second.id, name="Studio Hopper", renamed_at=NOON)
    ]
    assert play(workspace, workspace.rename(owner.id, "Studio Hopper", now=NOON)) == []


def test_a_workspace_and_a_client_come_together_and_part_from_either_side(owner, workspace):
    buyer = person()
    client = founded(buyer, CLIENT_ORGANISATION)

    def gain():
        return workspace.gain_client(client, accepted(workspace, owner, buyer, Wanted("become_client")), now=NOON)

    def lost(how):
        return [
            OrganisationClientLost(
                organisation_id=workspace.id, client_organisation_id=client.id, how=how, lost_at=NOON
            )
        ]

    (gained,) = play(workspace, gain())
    assert isinstance(gained, OrganisationClientGained)
    assert refusal(gain()) == "already-client"
    assert refusal(workspace.part_from_client(buyer.id, client.id, now=NOON)) == "foreign-organisation"
    assert play(workspace, workspace.part_from_client(owner.id, client.id, now=NOON)) == lost("by_workspace")
    assert refusal(workspace.part_from_client(owner.id, client.id, now=NOON)) == "not-found"
    play(workspace, gain())
    assert refusal(workspace.be_left_by(client, owner.id, now=NOON)) == "foreign-organisation"
    assert play(workspace, workspace.be_left_by(client, buyer.id, now=NOON)) == lost("by_client")
    assert refusal(workspace.be_left_by(client, buyer.id, now=NOON)) == "not-found"
    play(workspace, gain())
    assert play(workspace, workspace.lose_client(client.id, now=NOON)) == lost("client_closed")
    assert play(workspace, workspace.lose_client(client.id, now=NOON)) == []


class Teams(RuleBasedStateMachine):
    """Two organisations, a few people and the passing of time; everybody tries everything in any order.

    What is decided is compared with a picture of its own: who was let in by whom. It follows the rules in words, not
    the code: a role is got from the founding, from an owner or by an invitation to one's own address.
    """

    invitations = Bundle("invitations")

    @initialize()
    def begin(self):
        self.now = NOON
        self.people = [person() for _ in range(4)]
        self.organisations = [founded(self.people[0]), founded(self.people[1])]
        self.let_in = [{self.people[0].id}, {self.people[1].id}]
        self.addressed: dict[UUID, tuple[int, Account, str]] = {}
        self.worthless_from: dict[UUID, datetime] = {}

    who = st.integers(0, 3)
    where = st.integers(0, 1)

    @property
    def able(self):
        return {each.id for each in self.people if not (each.deactivated or each.erased)}

    def attempt(self, where, by, act, events):
        """Applies what is decided; what a role does not permit must be refused before it is any event.

        Nobody decides anything whose account is deactivated.
        """
        organisation = self.organisations[where]
        if by.deactivated:
            return []
        role = organisation.members.get(by.id)
        allowed = role is not None and organisation.exists and permits(organisation.kind, role, act)
        happened = []
        with suppress(Problem):
            happened = play(organisation, events)
        assert allowed or not happened
        return happened

    @rule(where=where, by=who, role=st.sampled_from(INVITABLE_ROLES))
    def try_to_invite(self, where, by, role):
        organisation, by = self.organisations[where], self.people[by]
        act = Wanted("join", role).act
        with suppress(Problem):
            organisation.must_permit(by.id, act)
            assert permits(organisation.kind, organisation.members[by.id], act)

    @rule(target=invitations, where=where, to=who, role=st.sampled_from(INVITABLE_ROLES))
    def invite(self, where, to, role):
        organisation, to = self.organisations[where], self.people[to]
        owners = [each for each in self.people if organisation.members.get(each.id) == OWNER]
        if not owners:
            return multiple()
        made = invited(organisation, owners[0], to, Wanted("join", role), self.now)
        self.addressed[made.id] = (where, to, role)
        self.worthless_from[made.id] = self.now + timedelta(days=7)
        return made

    def accept(self, invitation, account, where):
        organisation = self.organisations[where]
        member = account.id in organisation.members
        try:
            list(organisation.admit(replace(invitation, accepted_by=account.id), able=self.able, now=self.now))
            play(invitation, invitation.accept(account, now=self.now))
            (joined,) = play(organisation, organisation.admit(invitation, able=self.able, now=self.now))
        except Problem:
            return
        assert self.now < self.worthless_from[invitation.id]
        assert not member
        assert self.addressed[invitation.id] == (where, account, joined.role)
        assert not account.erased
        assert not account.deactivated
        self.let_in[where].add(account.id)
        self.worthless_from[invitation.id] = self.now

    @rule(invitation=invitations, who=who, where=where)
    def try_to_accept(self, invitation, who, where):
        self.accept(invitation, self.people[who], where)

    @rule(invitation=invitations)
    def accept_as_meant(self, invitation):
        where, account, _ = self.addressed[invitation.id]
        self.accept(invitation, account, where)

    @rule(invitation=invitations)
    def end(self, invitation):
        play(invitation, invitation.end("revoked", now=self.now))
        self.worthless_from[invitation.id] = self.now

    @rule(where=where, by=who, member=who, role=st.sampled_from(ROLES))
    def change_role(self, where, by, member, role):
        by, member = self.people[by], self.people[member]
        events = self.organisations[where].change_role(by.id, member.id, role, able=self.able, now=self.now)
        self.attempt(where, by, "change_role", events)

    @rule(where=where, by=who, to=who)
    def transfer(self, where, by, to):
        by, to = self.people[by], self.people[to]
        events = self.organisations[where].transfer_ownership(by.id, to.id, able=self.able, now=self.now)
        if self.attempt(where, by, "transfer_ownership", events):
            assert self.organisations[where].members[to.id] == OWNER

    @rule(where=where, by=who, member=who)
    def remove(self, where, by, member):
        by, member = self.people[by], self.people[member]
        events = self.organisations[where].remove_member(by.id, member.id, able=self.able, now=self.now)
        if self.attempt(where, by, "remove_member", events):
            self.let_in[where].remove(member.id)

    @rule(where=where, who=who)
    def leave(self, where, who):
        account = self.people[who]
        events = self.organisations[where].leave(account.id, able=self.able, now=self.now)
        if self.attempt(where, account, "leave", events):
            self.let_in[where].remove(account.id)

    @rule(where=where, by=who)
    def rename(self, where, by):
        account = self.people[by]
        self.attempt(where, account, "rename", self.organisations[where].rename(account.id, str(uuid4()), now=self.now))

    @rule(who=who)
    def deactivate_or_open_again(self, who):
        account = self.people[who]
        change = account.reactivate if account.deactivated else lambda *, now: account.deactivate("by_staff", now=now)
        with suppress(Problem):
            play(account, change(now=self.now))
        for organisation in self.organisations:
            play(organisation, organisation.find_owner("deactivated", able=self.able, now=self.now))

    @rule(who=who, really=st.integers(0, 4))
    def erase(self, who, really):
        if really:
            return
        account = self.people[who]
        play(account, account.erase(now=self.now))
        for organisation, let_in in zip(self.organisations, self.let_in, strict=True):
            play(organisation, organisation.lose_member(account.id, "erased", able=self.able, now=self.now))
            let_in.discard(account.id)
        self.people[who] = person()

    @rule(days=st.integers(1, 4))
    def wait(self, days):
        self.now += timedelta(days=days)

    @invariant()
    def each_has_an_owner_or_is_closed_for_everybody(self):
        for organisation in self.organisations:
            owners = [member for member, role in organisation.members.items() if role == OWNER]
            assert bool(owners) == organisation.exists
            assert organisation.exists or not organisation.members

    @invariant()
    def whenever_some_member_can_act_some_owner_can(self):
        for organisation in self.organisations:
            roles = {role for member, role in organisation.members.items() if member in self.able}
            assert not roles or OWNER in roles

    @invariant()
    def nobody_is_in_who_was_not_let_in(self):
        for organisation, let_in in zip(self.organisations, self.let_in, strict=True):
            assert set(organisation.members) <= let_in


TestTeams = Teams.TestCase
TestTeams.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
