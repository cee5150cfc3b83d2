"""Organisations through the service: who is invited and comes in, who decides, and what is left of whom."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.identity import organisation_queries
from services.identity.accounts import BETWEEN_MESSAGES
from services.identity.invitations import LIFETIME
from services.identity.invitees import A_DAY
from services.identity.links import INVITATION, link_token
from services.identity.organisations import Organisation
from services.identity.service.organisations import OWNED
from shared.contracts.problems import Problem
from tests.component.services.identity.conftest import SECRET, at_once, refusal
from tests.making import email


@pytest.fixture(autouse=True)
def one_clock(monkeypatch, clock):
    """What is read is judged by the clock by which it was written."""
    monkeypatch.setattr("services.identity.service.invitations.now", clock)


@pytest.fixture
def verified(ask):
    """Makes somebody with a verified address who is signed in."""

    def make(guard="influencer", **changes):
        person = ask.person(**changes)
        if guard == "client":
            ask("add_own_guard", person.actor, guard="client")
            person = ask.signed_in(person.email, guard="client")
        return person

    return make


@pytest.fixture
def owner(verified):
    return verified()


@pytest.fixture
def workspace(ask, owner):
    return ask("found_organisation", owner.actor, name="Studio Lovelace")["organisation_id"]


def invite(ask, by, organisation_id, address, role="manager", **more):
    """The token of an invitation, as the mail to whoever was invited holds it."""
    made = ask("invite_member", by.actor, organisation_id=organisation_id, email=address, role=role, **more)
    return link_token(SECRET, INVITATION, UUID(made["invitation_id"]))


def join(ask, by, organisation_id, person, role="manager"):
    ask("accept_invitation", person.actor, token=invite(ask, by, organisation_id, person.email, role))
    return person


def members(ask, asker, organisation_id):
    found = ask("list_members", asker.actor, organisation_id=organisation_id, cursor=None, limit=50)
    return {member["account_id"]: member["role"] for member in found["items"]}


def organisation(ask, organisation_id):
    """The organisation as its events tell it."""
    return ask.app.store.load(Organisation, UUID(organisation_id))


def test_whoever_founds_a_workspace_owns_it(ask, owner, workspace):
    (listed,) = ask("list_organisations", owner.actor, cursor=None, limit=50)["items"]
    assert listed == ask("read_organisation", owner.actor, organisation_id=workspace)
    assert (listed["name"], listed["role"], listed["kind"]) == ("Studio Lovelace", "owner", "workspace")


def test_an_invited_person_joins_once(ask, verified, owner, workspace):
    person = verified()
    token = invite(ask, owner, workspace, person.email, "viewer")
    assert ask("read_invitation", token=token) == ask("read_invitation", token=token)
    ask("accept_invitation", person.actor, token=token)
    assert members(ask, person, workspace) == {owner.actor.id: "owner", person.actor.id: "viewer"}
    assert refusal(lambda: ask("accept_invitation", person.actor, token=token)) == "link-invalid"
    assert refusal(lambda: ask("read_invitation", token=token)) == "link-invalid"


def test_an_invitation_expires(ask, clock, verified, owner, workspace):
    person = verified()
    token = invite(ask, owner, workspace, person.email)
    clock.pass_time(LIFETIME)
    assert refusal(lambda: ask("accept_invitation", person.actor, token=token)) == "link-invalid"
    assert refusal(lambda: ask("read_invitation", token=token)) == "link-invalid"


def test_another_invitation_to_the_same_address_ends_the_one_before(ask, clock, verified, owner, workspace):
    person = verified()
    first = invite(ask, owner, workspace, person.email)
    assert refusal(lambda: invite(ask, owner, workspace, person.email.upper())) == "asked-too-soon"
    clock.pass_time(BETWEEN_MESSAGES)
    second = invite(ask, owner, workspace, person.email.upper(), "viewer")
    assert refusal(lambda: ask("accept_invitation", person.actor, token=first)) == "link-invalid"
    ask("accept_invitation", person.actor, token=second)
    assert members(ask, owner, workspace)[person.actor.id] == "viewer"


def test_a_revoked_invitation_is_worthless(ask, verified, owner, workspace):
    person = verified()
    token = invite(ask, owner, workspace, person.email)
    found = ask("list_invitations", owner.actor, organisation_id=workspace, cursor=None, limit=50)
    (listed,) = found["items"]
    assert (listed["email"], listed["role"], listed["actions"]) == (person.email, "manager", ["revoke_invitation"])
    revoked = {"organisation_id": workspace, "invitation_id": listed["invitation_id"]}
    ask("revoke_invitation", owner.actor, **revoked)
    ask("revoke_invitation", owner.actor, **revoked)
    assert refusal(lambda: ask("accept_invitation", person.actor, token=token)) == "link-invalid"


def test_an_invitation_is_for_one_address_and_one_guard(ask, verified, owner, workspace):
    person, other = verified(), verified()
    token = invite(ask, owner, workspace, person.email)
    assert refusal(lambda: ask("accept_invitation", other.actor, token=token)) == "invitation-for-another"
    ask("add_own_guard", person.actor, guard="client")
    as_client = ask.signed_in(person.email, guard="client")
    assert refusal(lambda: ask("accept_invitation", as_client.actor, token=token)) == "wrong-guard"
    ask("accept_invitation", person.actor, token=token)


def test_no_token_and_no_address_is_kept(ask, owner, workspace):
    address = email()
    token = invite(ask, owner, workspace, address)
    for table in ("events", "commands", "invitations", "invitees"):
        kept = ask.rows(f"SELECT t::text AS row FROM {table} t")
        assert not [row for row in kept if token in row.row or address in row.row], table
        assert not [row for row in kept if token.encode().hex() in row.row or address.encode().hex() in row.row], table


def test_an_invitation_that_is_made_again_is_the_same(ask, owner, workspace):
    command_id, address = uuid4(), email()
    first = invite(ask, owner, workspace, address, command_id=command_id)
    assert invite(ask, owner, workspace, address, command_id=command_id) == first


def test_of_two_who_accept_at_once_one_joins(ask, verified, owner, workspace):
    person = verified()
    token = invite(ask, owner, workspace, person.email)
    again = ask.signed_in(person.email)
    accepting = (lambda each=each: ask("accept_invitation", each.actor, token=token) for each in (person, again))
    assert at_once(*accepting) == ["done", "link-invalid"]


def test_of_two_owners_who_leave_at_once_one_stays(ask, verified, owner, workspace):
    second = join(ask, owner, workspace, verified())
    ask.step_up(owner)
    ask("change_member_role", owner.actor, organisation_id=workspace, member_id=second.actor.id, role="owner")
    here = {"organisation_id": workspace}
    leaving = (lambda each=each: ask("leave_organisation", each.actor, **here) for each in (owner, second))
    assert at_once(*leaving) == ["done", "last-owner"]
    assert list(organisation(ask, workspace).members.values()) == ["owner"]


def test_who_is_removed_while_they_invite_leaves_no_way_in(ask, verified, owner, workspace):
    manager = join(ask, owner, workspace, verified())
    outcomes = at_once(
        lambda: ask("remove_member", owner.actor, organisation_id=workspace, member_id=manager.actor.id),
        lambda: invite(ask, manager, workspace, email()),
    )
    assert outcomes in (["done", "done"], ["done", "foreign-organisation"])
    assert ask.rows("SELECT * FROM invitations") == []
    assert ask.rows("SELECT * FROM invitees WHERE token_hash IS NOT NULL") == []


def test_whoever_may_invite_no_more_has_invited_nobody(ask, verified, owner, workspace):
    manager, invited = join(ask, owner, workspace, verified()), verified()
    token = invite(ask, manager, workspace, invited.email)
    ask.step_up(owner)
    ask("change_member_role", owner.actor, organisation_id=workspace, member_id=manager.actor.id, role="viewer")
    assert refusal(lambda: ask("accept_invitation", invited.actor, token=token)) == "link-invalid"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("change_member_role", {"role": "owner"}),
        ("transfer_ownership", {}),
        ("close_organisation", None),
    ],
)
def test_who_owns_a_workspace_is_decided_after_a_fresh_proof(ask, verified, owner, workspace, operation, arguments):
    member = join(ask, owner, workspace, verified())
    more = {} if arguments is None else {"member_id": member.actor.id, **arguments}
    asking = lambda: ask(operation, owner.actor, organisation_id=workspace, **more)  # noqa: E731
    assert refusal(asking) == "step-up-required"
    ask.step_up(owner)
    asking()


OF_MEMBERS = {
    "read_organisation": {},
    "list_members": {"cursor": None, "limit": 5},
    "list_invitations": {"cursor": None, "limit": 5},
    "list_counterparts": {"cursor": None, "limit": 5},
    "rename_organisation": {"name": "Mine"},
    "close_organisation": {},
    "change_member_role": {"member_id": "OWNER", "role": "viewer"},
    "transfer_ownership": {"member_id": "OWNER"},
    "remove_member": {"member_id": "OWNER"},
    "leave_organisation": {},
    "invite_member": {"email": "mallory@example.org", "role": "manager"},
    "invite_client": {"email": "mallory@example.org"},
    "revoke_invitation": {"invitation_id": "INVITATION"},
    "part_from_client": {"client_organisation_id": str(uuid4())},
}
"""Everything that is done in a workspace, with what is there to be taken."""


def test_an_outsider_reads_and_changes_nothing_whoever_they_are_elsewhere(ask, verified, owner, workspace):
    """Every operation, asked by the owner of another workspace, and by the owner themselves under the other guard."""
    invite(ask, owner, workspace, email())
    (invitation,) = ask.rows("SELECT invitation_id FROM invitations")
    there = {"OWNER": owner.actor.id, "INVITATION": str(invitation.invitation_id)}
    outsider = verified()
    ask("found_organisation", outsider.actor, name="Elsewhere")
    ask("add_own_guard", owner.actor, guard="client")
    as_client = ask.signed_in(owner.email, guard="client")
    for asker in (outsider, as_client):
        ask.step_up(asker)
        before = organisation(ask, workspace).version, ask.rows("SELECT count(*) FROM events")
        for operation, arguments in OF_MEMBERS.items():
            named = {name: there.get(value, value) for name, value in arguments.items()}
            for id, code in ((workspace, "foreign-organisation"), (str(uuid4()), "not-found")):
                answer = refusal(lambda: ask(operation, asker.actor, organisation_id=id, **named))  # noqa: B023
                assert answer == code, operation
        assert (organisation(ask, workspace).version, ask.rows("SELECT count(*) FROM events")) == before


def test_a_role_permits_what_its_table_says_and_the_answer_says_so(ask, verified, owner, workspace):
    viewer = join(ask, owner, workspace, verified(), "viewer")
    ask.step_up(viewer)
    there = {"OWNER": owner.actor.id, "INVITATION": str(uuid4())}
    actions = ask("read_organisation", viewer.actor, organisation_id=workspace)["actions"]
    assert actions == ["leave", "see"]
    for operation, arguments in OF_MEMBERS.items():
        if operation in ("read_organisation", "list_members", "list_counterparts", "leave_organisation"):
            continue
        named = {name: there.get(value, value) for name, value in arguments.items()}
        asking = lambda: ask(operation, viewer.actor, organisation_id=workspace, **named)  # noqa: B023, E731
        assert refusal(asking) == "role-insufficient", operation
    found = ask("list_members", owner.actor, organisation_id=workspace, cursor=None, limit=50)["items"]
    by_member = {member["account_id"]: member["actions"] for member in found}
    assert by_member == {
        owner.actor.id: [],
        viewer.actor.id: ["change_role", "remove_member", "transfer_ownership"],
    }


def test_lists_are_read_in_pages(ask, owner):
    made = sorted(ask("found_organisation", owner.actor, name="One of many")["organisation_id"] for _ in range(5))
    seen, cursor = [], None
    while True:
        page = ask("list_organisations", owner.actor, cursor=cursor, limit=2)
        seen += [each["organisation_id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made


def test_one_person_owns_so_many_and_no_more(ask, monkeypatch, owner, workspace):
    monkeypatch.setattr("services.identity.service.organisations.OWNED", replace(OWNED, most=1))
    assert refusal(lambda: ask("found_organisation", owner.actor, name="More")) == "too-many-organisations"


def test_so_many_are_invited_in_a_day_and_no_more(ask, clock, monkeypatch, owner, workspace):
    monkeypatch.setattr("services.identity.invitees.A_DAY", replace(A_DAY, most=2))
    elsewhere = ask("found_organisation", owner.actor, name="Elsewhere")["organisation_id"]
    for organisation_id in (workspace, elsewhere):
        invite(ask, owner, organisation_id, email())
    for invitation_id, organisation_id in ask.rows("SELECT invitation_id, organisation_id FROM invitations"):
        revoked = {"organisation_id": str(organisation_id), "invitation_id": str(invitation_id)}
        ask("revoke_invitation", owner.actor, **revoked)
    assert refusal(lambda: invite(ask, owner, workspace, email())) == "too-many-invitations"
    clock.pass_time(timedelta(days=1))
    invite(ask, owner, workspace, email())


def test_one_person_cannot_be_written_to_again_at_once_by_revoking(ask, clock, owner, workspace):
    address = email()
    invite(ask, owner, workspace, address)
    (made,) = ask.rows("SELECT invitation_id FROM invitations")
    ask("revoke_invitation", owner.actor, organisation_id=workspace, invitation_id=str(made.invitation_id))
    elsewhere = ask("found_organisation", owner.actor, name="Elsewhere")["organisation_id"]
    for organisation_id in (workspace, elsewhere):
        assert refusal(lambda: invite(ask, owner, organisation_id, address)) == "asked-too-soon"  # noqa: B023
    clock.pass_time(BETWEEN_MESSAGES)
    invite(ask, owner, workspace, address)


def test_clients_deal_with_several_workspaces_and_people_act_for_several_clients(
    ask, clock, verified, owner, workspace
):
    buyer = verified("client")
    brands = [ask("found_organisation", buyer.actor, name=name)["organisation_id"] for name in ("Acme", "Initech")]
    rival = verified()
    theirs = ask("found_organisation", rival.actor, name="Rivals")["organisation_id"]
    deals = ((owner, workspace, brands[0]), (rival, theirs, brands[0]), (rival, theirs, brands[1]))
    for by, workspace_id, brand in deals:
        made = ask("invite_client", by.actor, organisation_id=workspace_id, email=buyer.email)
        token = link_token(SECRET, INVITATION, UUID(made["invitation_id"]))
        assert refusal(lambda: ask("accept_invitation", buyer.actor, token=token)) == "validation-failed"  # noqa: B023
        foreign = {"token": token, "client_organisation_id": workspace_id}
        assert refusal(lambda: ask("accept_invitation", buyer.actor, **foreign)) == "foreign-organisation"  # noqa: B023
        ask("accept_invitation", buyer.actor, token=token, client_organisation_id=brand)
        clock.pass_time(BETWEEN_MESSAGES)

    def dealt_with(asker, organisation_id):
        found = ask("list_counterparts", asker.actor, organisation_id=organisation_id, cursor=None, limit=50)
        return {each["name"] for each in found["items"]}

    assert dealt_with(buyer, brands[0]) == {"Studio Lovelace", "Rivals"}
    assert dealt_with(rival, theirs) == {"Acme", "Initech"}
    ask("part_from_workspace", buyer.actor, organisation_id=brands[0], workspace_id=workspace)
    assert dealt_with(owner, workspace) == set()
    ask.step_up(buyer)
    ask("close_organisation", buyer.actor, organisation_id=brands[1])
    assert dealt_with(rival, theirs) == {"Acme"}
    ask("part_from_client", rival.actor, organisation_id=theirs, client_organisation_id=brands[0])
    assert dealt_with(buyer, brands[0]) == set()


def test_the_erasure_of_the_last_owner_leaves_another_or_closes(ask, clock, verified, owner, workspace):
    """They own a workspace and, under the other guard, a client of another one in which they are a manager."""
    manager, other = join(ask, owner, workspace, verified()), verified()
    elsewhere = ask("found_organisation", other.actor, name="Elsewhere")["organisation_id"]
    join(ask, other, elsewhere, owner)
    ask("add_own_guard", owner.actor, guard="client")
    buyer = ask.signed_in(owner.email, guard="client")
    brand = ask("found_organisation", buyer.actor, name="Acme")["organisation_id"]
    clock.pass_time(BETWEEN_MESSAGES)
    made = ask("invite_client", other.actor, organisation_id=elsewhere, email=owner.email)
    token = link_token(SECRET, INVITATION, UUID(made["invitation_id"]))
    ask("accept_invitation", buyer.actor, token=token, client_organisation_id=brand)
    waiting = invite(ask, manager, workspace, other.email)
    themselves = invite(ask, owner, workspace, owner.email)

    invitee_ids = ask.operator("find_account", account_id=owner.actor.id)["invitee_ids"]
    assert len(invitee_ids) == 3
    assert refusal(lambda: ask.operator("erase_account", account_id=owner.actor.id)) == "conflict"
    ask.operator("erase_account", account_id=owner.actor.id, invitee_ids=invitee_ids)
    assert refusal(lambda: ask("accept_invitation", other.actor, token=themselves)) == "link-invalid"
    assert members(ask, manager, workspace) == {manager.actor.id: "owner"}
    ask("accept_invitation", other.actor, token=waiting)
    assert ask.rows("SELECT FROM organisations WHERE organisation_id = :id", id=UUID(brand)) == []
    assert members(ask, other, elsewhere) == {other.actor.id: "owner"}
    assert ask("list_counterparts", other.actor, organisation_id=elsewhere, cursor=None, limit=5)["items"] == []
    assert {str(row.subject) for row in ask.rows("SELECT subject FROM erasures")} == {owner.actor.id, *invitee_ids}
    assert ask.rows("SELECT * FROM invitees WHERE account_id = :id", id=owner.id) == []
    ask.operator("erase_account", account_id=owner.actor.id)


def test_whoever_is_lost_is_taken_out_of_organisations_in_the_order_of_their_locks(
    ask, clock, monkeypatch, verified, owner, workspace
):
    """Client organisations before workspaces, and then by id: also those that are only reached through others."""
    buyer = ask("add_own_guard", owner.actor, guard="client") and ask.signed_in(owner.email, guard="client")
    brands = [ask("found_organisation", buyer.actor, name="Acme")["organisation_id"] for _ in range(3)]
    rivals = [verified() for _ in brands]
    founded = [ask("found_organisation", rival.actor, name="Rivals")["organisation_id"] for rival in rivals]
    for brand, rival, theirs in zip(brands, reversed(rivals), reversed(founded), strict=True):
        made = ask("invite_client", rival.actor, organisation_id=theirs, email=owner.email)
        token = link_token(SECRET, INVITATION, UUID(made["invitation_id"]))
        ask("accept_invitation", buyer.actor, token=token, client_organisation_id=brand)
        invite(ask, rival, theirs, email())
        clock.pass_time(BETWEEN_MESSAGES)
    kinds = {row.organisation_id: row.kind for row in ask.rows("SELECT organisation_id, kind FROM organisations")}
    locked, lock = [], organisation_queries.lock

    def remember(connection, organisation_id):
        if organisation_id not in locked:
            locked.append(organisation_id)
        lock(connection, organisation_id)

    monkeypatch.setattr(organisation_queries, "lock", remember)
    invitee_ids = ask.operator("find_account", account_id=owner.actor.id)["invitee_ids"]
    ask.operator("erase_account", account_id=owner.actor.id, invitee_ids=invitee_ids)

    assert len(locked) == len(kinds)
    assert locked == sorted(locked, key=lambda each: (kinds[each], each))


def test_a_deactivated_owner_comes_back_to_what_they_owned(ask, verified, owner, workspace):
    person, colleague = verified(), ask.member()
    token = invite(ask, owner, workspace, person.email)
    ask("deactivate_account", colleague.actor, account_id=owner.actor.id)
    assert refusal(lambda: ask.signed_in(owner.email)) == "sign-in-refused"
    assert refusal(lambda: ask("accept_invitation", person.actor, token=token)) == "link-invalid"
    ask("reactivate_account", colleague.actor, account_id=owner.actor.id)
    back = ask.signed_in(owner.email)
    assert ask("read_organisation", back.actor, organisation_id=workspace)["role"] == "owner"
    ask("accept_invitation", person.actor, token=token)
    assert members(ask, person, workspace) == {owner.actor.id: "owner", person.actor.id: "manager"}


def test_who_is_erased_while_they_found_or_join_is_nowhere(ask, verified, owner, workspace):
    for _ in range(3):
        person = verified()
        token = invite(ask, owner, workspace, person.email)
        found = ask.operator("find_account", account_id=person.actor.id)
        at_once(
            lambda: ask("accept_invitation", person.actor, token=token),  # noqa: B023
            lambda: ask("found_organisation", person.actor, name="Mine"),  # noqa: B023
            lambda: ask.operator("erase_account", **found),  # noqa: B023
        )
    assert members(ask, owner, workspace) == {owner.actor.id: "owner"}
    assert [row.account_id for row in ask.rows("SELECT account_id FROM memberships")] == [owner.id]


def test_whatever_people_do_at_once_there_is_an_owner_and_no_outsider(ask, verified, owner, workspace):
    """Four people do what comes into their heads, at the same time; a fifth was never invited."""
    people = [owner, *(join(ask, owner, workspace, verified()) for _ in range(3))]
    outsider = verified()
    for person in people:
        ask.step_up(person)
    heads = random.Random(7)

    def busy(person):
        moves = [heads.choice(("leave", "remove", "role", "transfer", "invite")) for _ in range(6)]
        others = [heads.choice(people).actor.id for _ in moves]

        def act():
            for move, other in zip(moves, others, strict=True):
                with suppress(Problem):
                    do(person, move, other)

        return act

    def do(person, move, other):
        here = {"organisation_id": workspace}
        if move == "leave":
            ask("leave_organisation", person.actor, **here)
        elif move == "remove":
            ask("remove_member", person.actor, **here, member_id=other)
        elif move == "role":
            ask("change_member_role", person.actor, **here, member_id=other, role="owner")
        elif move == "transfer":
            ask("transfer_ownership", person.actor, **here, member_id=other)
        else:
            token = invite(ask, person, workspace, email())
            ask("accept_invitation", outsider.actor, token=token)

    at_once(*(busy(person) for person in (*people, outsider)))
    told = organisation(ask, workspace)
    assert "owner" in told.members.values()
    assert set(told.members) <= {person.id for person in people}
    rows = ask.rows("SELECT account_id, role FROM memberships")
    assert {row.account_id: row.role for row in rows} == told.members
